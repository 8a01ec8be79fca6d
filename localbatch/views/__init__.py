"""Records as the wire shows them: pure functions from records to JSON.

views       pools, jobs, tasks and applications
nodes       nodes
schedules   job schedules
"""
