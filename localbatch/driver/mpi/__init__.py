"""MPI over the nodes of one task: what its commands find before the machine's own programs.

shims.py      makes the directory with these programs, and the variables that lead launchers to them
variables.py  names of the variables by which the programs find each other
agent.py      ``ssh``, ``rsh``: runs a command on another node of the task, and on no other machine
front.py      ``mpirun``, ``mpiexec``: the MPI's own one, watched
rank.py       stands before each rank: gives it its node's variables, and tells when it fails

The programs import nothing but the standard library, for each rank starts some of them.
"""
