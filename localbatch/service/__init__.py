"""What clients ask for, applied: each request is checked against the rules, written to the store, then acted upon.

- pools.py        create, update, resize and delete pools
- auto_scale.py   enable, disable and evaluate the formulas of pools
- nodes.py        reboot, reimage, deallocate and start nodes, their scheduling and their user accounts
- node_logs.py    logs of nodes, uploaded
- faults.py       nodes and allocations that fail on request
- jobs.py         create, update, disable, enable, terminate and delete jobs
- schedules.py    create, update, disable, enable, terminate and delete job schedules
- tasks.py        add, update, terminate, reactivate and delete tasks
- files.py        the files of nodes and tasks, and nothing outside them
- trees.py        where they lie
- status.py       what the status page shows
- accounts.py     Batch accounts and their keys
- authentication.py  which account a request is for
- conditions.py   conditional requests
"""
