"""Node drivers: what stands in for virtual machines.

interface.py       what the engine asks of a driver
process.py         ProcessDriver: tasks are processes of this machine
simulated.py       SimulatedDriver: runs nothing, completes tasks as a simulation says
simulated_files.py ... what they leave in storage
starter.py         the service's side of the program that starts the processes
idle.py            programs of that kind that wait for their next session
supervisor.py      that program: starts commands, reports their ends, ends whatever they left behind
isolation.py       its parts: a node's name, address and paths
spawning.py        ... from a fork to the program in its place
launches.py        ... commands that come from the other nodes of a task
process_tree.py    ... processes below a process
tools.py           the steps of a command's life on a node
prepared.py        a command whose node has all that it needs
multi_instance.py  one task on several nodes at once
mpi/               how launchers of MPI reach the other nodes of a task
command.py         splitting a command line as Batch does, without a shell
environment.py     the variables a command finds
image.py           what nodes have that this machine need not have
containers.py      commands in containers
container_session.py, container_runtime.py, container_options.py   podman and docker, and what they are told
layout.py          the directories of a node and of a task
node_paths.py      where links on a node lead
failures.py        every way a command can fail, as the service words it
exchange.py        small requests to a server on this machine
downloads.py       fetching one link to one file
mounts.py          containers of blobs that seem to be mounted
blob_containers.py containers reached by a link, and why one could not be
resource_files.py  the files a task asks for
patterns.py        patterns of output files, without touching a disk
output_files.py    uploading what a task has written
packages.py        application packages on a node
threads.py         threads for what blocks
"""
