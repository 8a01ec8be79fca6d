"""Request bodies as clients send them.

pools, pool_parts, nodes, jobs, tasks, schedules   a file for each kind of resource
commands        what runs on a node
mounts          file systems of nodes
containers      ... in a container
body            what all bodies have in common
reading         bodies read, and written again
"""
