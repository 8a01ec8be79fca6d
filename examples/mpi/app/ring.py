"""An MPI program for any number of ranks: says where each rank runs, prints files, passes a number on, sums it up.

    python3 -m mpi4py ring.py [--fail-rank R [--exit-code C]] [FILE ...]

Every rank prints ``rank = R and size = N on HOST (NODE)``, its arguments and the contents of the FILEs. Rank 0 sends 11
to rank 1; each rank adds one and sends it on, up to the last. Each rank then gives the number that left it, 11 + R, to
a sum that rank 0 prints (``Total sum = 36`` for three ranks); the others print -1. NODE is ``AZ_BATCH_NODE_ID``, or
``-`` where it is not set. (The mpirun of MPICH and of Intel MPI hands the head node's variables to all ranks, unless
something like localbatch puts each node's own back; HOST is where the rank is in any case.)

``--fail-rank R`` ends rank R with exit code C (1 to 255, by default 1) right after the ring, while the others wait for
it in the sum: the whole program then ends, and mpirun's exit code is C. A rank that is not there fails nothing.

Run it by ``python3 -m mpi4py``: a rank that ends by an exception or a non-zero exit then ends all the others too.
Under plain ``python3`` they would wait for it for ever.
"""

import argparse
import io
import os
import socket
import sys
from pathlib import Path

from mpi4py import MPI

FIRST_NUMBER = 11


def main() -> None:
    """Runs one rank."""
    write_lines_whole()
    world = MPI.COMM_WORLD
    options = parse_arguments()
    introduce(world)
    for name in options.files:
        print_file(name)
    number = pass_on(world)
    if world.rank == options.fail_rank:
        sys.stderr.write(f"process {world.rank} fails with exit code {options.exit_code}\n")
        sys.exit(options.exit_code)
    total = world.reduce(number, op=MPI.SUM, root=0)
    print(f"Total sum = {-1 if total is None else total}")


def write_lines_whole() -> None:
    """Makes each printed line one write, so that the ranks' lines mix but are not cut; bytes pass as they are."""
    assert isinstance(sys.stdout, io.TextIOWrapper)
    # "write_through" is on where PYTHONUNBUFFERED is set: a line and its end would be two writes.
    sys.stdout.reconfigure(
        encoding="utf-8", errors="surrogateescape", newline="\n", line_buffering=True, write_through=False
    )


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Passes a number from rank to rank.")
    parser.add_argument("files", nargs="*", metavar="FILE", help="text files to print, on every node")
    parser.add_argument("--fail-rank", type=int, metavar="R", help="the rank that fails after the ring")
    parser.add_argument("--exit-code", type=int, metavar="C", default=1, help="its exit code, 1 to 255 (default: 1)")
    options = parser.parse_args()
    if not 1 <= options.exit_code <= 255:
        parser.error("--exit-code takes a number from 1 to 255")
    return options


def introduce(world: MPI.Intracomm) -> None:
    """Says who and where this rank is, and what it was given."""
    node = os.environ.get("AZ_BATCH_NODE_ID", "-")
    print(f"rank = {world.rank} and size = {world.size} on {socket.gethostname()} ({node})")
    print(f"argc ={len(sys.argv)} from {world.rank}")
    for index, argument in enumerate(sys.argv):
        print(f"argv[{index}] = {argument}")


def print_file(name: str) -> None:
    """Prints a file; its last line gets an end if it has none."""
    try:
        text = Path(name).read_bytes().decode("utf-8", "surrogateescape")
    except OSError as error:
        sys.stderr.write(f"ring: cannot read {name}: {error.strerror}\n")
        sys.exit(1)
    print(text, end="" if text.endswith("\n") or not text else "\n")


def pass_on(world: MPI.Intracomm) -> int:
    """Takes the number from the rank before, adds one, and sends it to the rank after.

    Returns:
        The number that left this rank.
    """
    number = FIRST_NUMBER
    if world.rank > 0:
        print(f"process {world.rank} receiving now")
        number = world.recv(source=world.rank - 1)
        print(f"Process {world.rank} received number {number} from process {world.rank - 1}")
        number += 1
    if world.rank < world.size - 1:
        print(f"process {world.rank} sending")
        world.send(number, dest=world.rank + 1)
    return number


if __name__ == "__main__":
    main()
