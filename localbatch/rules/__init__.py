"""What may be and what follows: pure, so that every rule is told apart from its effect.

pools, pool_parts, jobs, tasks, schedules   what is refused of request bodies, a file for each kind
commands        ... of the commands in them
nodes           commands that take a node out of service
mounts          ... of file systems
auto_scale      ... of formulas
checks          ... of single values
not_emulated    ... because it is not emulated
filters         which properties a list can be filtered by
states          states and legal moves
scheduler       which task goes to which node
preemption      which task makes room
dependencies    which task waits for which
exit_conditions what the end of a task means
recurrence      when job schedules make jobs
usage           core hours of pools
quotas          how much an account may have
vm_sizes        cores and memory of the nodes of a VM size
images          images that nodes can have, and their agents
simulation      what simulated nodes and tasks do
"""
