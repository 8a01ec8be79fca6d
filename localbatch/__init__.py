"""A local Azure Batch service that speaks the real REST protocol and truly runs the tasks.

To use it:
- __main__.py        ``python -m localbatch``: the command line
- launcher.py        ``LocalAzure``: the same for the life of a ``with`` block; all that other packages import
- credentials.py     ... what Azure's SDKs ask for bearer tokens
- fault_client.py    ... its requests for faults
- server.py          the application: all rooms put together

The rooms, from top to bottom; each may use what stands below it, and nothing above:
- host/        the processes around the service: foreground, Azurite, what is installed for them
- routes/      HTTP: requests parsed and answered, nothing decided
- service/     what clients ask for, checked and applied
- engine/      what the service does by itself: nodes, scheduling, ends
- views/       records as the wire shows them
- driver/      what stands in for virtual machines
- store/       the database: tables, records, documents, the root directory
- rules/       pure: states, scheduler, preemption, dependencies, quotas, what bodies must look like
- bodies/      request bodies as clients send them
- wire/        pure: formats, signatures, tokens, errors, filters, shapes
- autoscale/   the formulas by which pools choose their sizes; usable without a service
"""
