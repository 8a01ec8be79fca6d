"""A local Azure Batch service that speaks the real REST protocol and truly runs the tasks.

To use it:
- __main__.py        ``python -m localbatch``: the command line
- launcher.py        ``LocalAzure``: the same for the life of a ``with`` block; all that other packages import
- credentials.py     ... what Azure's SDKs ask for bearer tokens

- fault_client.py    its requests for faults

The processes around the service:
- foreground.py, ending.py             runs the service and Azurite until told to stop
- azurite.py, azurite_cache.py, npm/   the Blob service: starting it, and installing it once
- npm_packages.py    the npm that installs it
- root.py, connection.py               the directory of all state; what clients need to know to connect
- mpi_runtime.py     the MPI that nodes have
- connections.py     connections that can't be held on to
- cache.py           what is installed once into the user's cache
- auto_storage.py    links into the Blob service, for application packages and auto-storage containers

The service:
- server.py          the application: routes, store and engine put together
- routes/            requests parsed and answered
- page/              the status page, for people: what browsers load
- service/           what clients ask for, checked and applied
- engine/            what the service does by itself: nodes, scheduling, ends
- driver/            what stands in for virtual machines
- autoscale/         the formulas by which pools choose their sizes; usable without a service
- machine.py         how busy this machine is
- store.py, table.py, records.py, store_applications.py, store_dependencies.py, store_samples.py   the database

Facts of the protocol, all pure:
- wire.py            times, durations, ETags
- signature.py, tokens.py   SharedKey and bearer tokens
- errors.py          codes, statuses and texts of all errors
- filters.py, filter_syntax.py   $filter and $select
- states.py          states and legal moves
- usage.py           core hours of pools
- scheduler.py       which task goes to which node
- preemption.py      which task makes room
- recurrence.py      when job schedules make jobs
- shapes.py, body.py, models.py, task_models.py, container_models.py, job_models.py, schedule_models.py,
  action_models.py   request bodies
- whole_numbers.py   numbers that clients write as texts
- validation.py, job_validation.py, task_validation.py, schedule_validation.py, checks.py   what is refused of them
- documents.py, job_documents.py, new_records.py   how they are remembered
- dependencies.py, exit_conditions.py   which task waits for which, and what the end of a task means
- auto_scale_settings.py   what pools may say about autoscale
- pool_parts.py, pool_validation.py   machines, network and user accounts of pools
- not_emulated.py    what is refused because it is not emulated
- statistics.py      what has been used so far
- views.py, node_views.py, schedule_views.py, images.py   what answers show
- vm_sizes.py, quotas.py   cores and memory of the nodes of a VM size; how much an account may have
- node_paths.py      where links on a node lead
- clock.py           the time
"""
