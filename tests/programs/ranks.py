"""An MPI program for tests: each rank says who it is, leaves a file of its number, and one may fail on the way.

ranks.py [before|exit|kill|wait]: rank 1 ends with code 7 before MPI starts, or after it, or is killed, or all wait.
"""

import json
import os
import signal
import socket
import sys
from pathlib import Path

fate = sys.argv[1] if len(sys.argv) > 1 else ""
rank_variables = ("PMI_RANK", "OMPI_COMM_WORLD_RANK")
if fate == "before" and any(os.environ.get(name) == "1" for name in rank_variables):
    sys.exit(7)

from mpi4py import MPI  # noqa: E402 - it starts MPI

world = MPI.COMM_WORLD
said = {
    "rank": world.rank,
    "size": world.size,
    "sum": world.allreduce(world.rank),
    "node": os.environ["AZ_BATCH_NODE_ID"],
    "host": socket.gethostname(),
    "directory": os.getcwd(),
}
Path(f"rank-{world.rank}").touch()
os.write(1, json.dumps(said).encode() + b"\n")
if fate == "exit" and world.rank == 1:
    os._exit(7)
if fate == "kill" and world.rank == 1:
    os.kill(os.getpid(), 9)
if fate == "wait":
    signal.pause()
world.barrier()
