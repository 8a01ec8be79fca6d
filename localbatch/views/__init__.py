"""Records as the wire shows them: pure functions from records to JSON.

``base`` is the service's address as the client named it, without a slash at the end; links are made from it. Shapes are
those of the official examples for API version 2025-06-01.

pools, nodes, jobs, schedules, tasks, applications   a file for each kind of resource
resources       what all of them have in common
links           where resources and their files are found
"""
