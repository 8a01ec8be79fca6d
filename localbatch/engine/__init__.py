"""What the service does by itself: allocates pools, starts nodes, puts tasks on them and ends what is to end.

Everything runs in one event loop. The store is written before anything acts on a change, so that after a restart the
engine goes on from the records alone.

- engine.py       the whole, as the service meets it: start, stop, and its parts
- context.py      what the parts share: store, driver, clock, fleet, and the bell that wakes the dispatcher
- clock.py        the time
- failure_log.py  why commands failed that cannot tell it themselves
- background.py   work that goes on by itself
- fleet.py        the nodes as they are now: what they run and how many slots they have left
- allocation.py   pools get and lose nodes
- auto_scaler.py  pools choose their sizes by formulas
- sampling.py     what the formulas know of tasks, nodes and this machine
- machine.py      ... how busy it is
- capacity.py     how many nodes quotas leave room for
- auto_pools.py   pools made for a job or a job schedule
- nodes.py        a node's life from creation through its start task to removal
- new_nodes.py    records of nodes to be
- mounts.py       what is mounted on a node
- ports.py        ports outside by which nodes are reached
- losses.py       nodes that are preempted, break or are lost
- node_commands.py   reboot, reimage, deallocate, start; scheduling on and off
- dispatcher.py   puts waiting tasks on free slots
- room.py         the room that a pool has
- waiting.py      tasks and nodes as the scheduler sees them
- preemption.py   running tasks make room
- runs.py         tasks that run
- ends.py         how tasks end, and what follows from it
- subtasks.py     the subtasks of multi-instance tasks
- orders.py       what a driver is told to run
- identities.py   what a pool's managed identities reach
- auto_storage.py links into the Blob service, for application packages and auto-storage containers
- preparation.py  job preparation tasks, once per node
- release.py      job release tasks, on each node at the end of the job
- submission.py   new jobs, with what belongs to them
- jobs.py         how jobs end, are disabled and deleted
- schedules.py    job schedules make jobs, end and are deleted
- retention.py    removes the files of tasks at the end of their retention
- usage.py        remembers how long nodes and pools were there
- recovery.py     goes on after a restart
"""
