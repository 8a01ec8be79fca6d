"""Node drivers: what stands in for virtual machines.

interface.py       what the engine asks of a driver
process.py         ProcessDriver: tasks are processes of this machine
simulated.py       SimulatedDriver: runs nothing, completes tasks after a set time
starter.py         the service's side of the program that starts the processes
supervisor.py      that program: starts one command, reports its end, ends whatever it left behind
command.py         splitting a command line as Batch does, without a shell
environment.py     the variables a command finds
layout.py          the directories of a node and of a task
failures.py        every way a command can fail, as the service words it
downloads.py       fetching one link to one file
resource_files.py  the files a task asks for
patterns.py        patterns of output files, without touching a disk
output_files.py    uploading what a task has written
packages.py        application packages on a node
threads.py         threads for what blocks
"""
