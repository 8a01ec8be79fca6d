"""Request bodies as clients send them.

body        what all of them have in common
models      pools and tasks
pool_parts  machines, network and user accounts of pools
tasks       parts of tasks
containers  containers of pools and tasks
jobs        jobs
schedules   job schedules
actions     what is asked of a resource that exists
"""
