"""What a multi-instance task costs beside its program: seconds for growing numbers of nodes, the median of five runs.

    python benchmarks/mpi_launch.py 1 3 8

``empty`` starts and ends the task with nothing in it, ``ranks`` runs a small MPI program with a rank on each node, and
``local`` the same program by the same mpirun without nodes, in the same minute.
"""

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from localbatch.driver.interface import MultiInstanceRun, NodePlace, Run
from localbatch.driver.process import ProcessDriver
from localbatch.host.mpi_runtime import node_image

RUNS = 5
PROGRAM = "from mpi4py.MPI import COMM_WORLD; COMM_WORLD.allreduce(1)"


def place(root: Path, number: int) -> NodePlace:
    name = f"node{number}"
    return NodePlace(
        "account", "", "pool", name, f"127.1.1.{number + 1}", name, True, root / "nodes" / name, root / "mnt"
    )


async def run(driver: ProcessDriver, nodes: list[NodePlace], command: str) -> None:
    hosts = {"AZ_BATCH_HOST_LIST": ",".join(node.address for node in nodes)}
    runs = tuple(Run(node, "workitems/job/job-1/task", command, variables=hosts) for node in nodes)
    outcome = await driver.execute_together(MultiInstanceRun(runs, "/bin/true"), lambda *_: None)
    if outcome.exit_code != 0:
        raise RuntimeError(f"exit code {outcome.exit_code}: {outcome.failure}")


async def median(work: Callable[[], Awaitable[object]]) -> float:
    seconds = []
    for _ in range(RUNS):
        start = time.perf_counter()
        await work()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


async def measure(root: Path, count: int) -> str:
    """One row of the table."""
    driver = ProcessDriver(image=node_image("mpich"))
    nodes = [place(root, number) for number in range(count)]
    program = f"{sys.executable} -c '{PROGRAM}'"
    mpirun = str(Path(sys.executable).with_name("mpirun"))
    locally = [mpirun, "-n", str(count), sys.executable, "-c", PROGRAM]
    launched = f'/bin/bash -c "mpirun -np {count} -ppn 1 -hosts $AZ_BATCH_HOST_LIST {program}"'
    try:
        for node in nodes:
            await driver.create_node(node, ())
        empty = await median(lambda: run(driver, nodes, "/bin/true"))
        ranks = await median(lambda: run(driver, nodes, launched))
        local = await median(lambda: asyncio.to_thread(subprocess.run, locally, check=True))
    finally:
        await driver.close()
    return f"{count:>5} {empty:>9.2f} {ranks:>9.2f} {local:>9.2f} {ranks / local:>9.1f}"


def main() -> None:
    """Prints the table."""
    print("nodes     empty     ranks     local     ratio   (seconds)")
    for count in map(int, sys.argv[1:] or ["1", "3", "8"]):
        with tempfile.TemporaryDirectory() as folder:
            print(asyncio.run(measure(Path(folder), count)), flush=True)


if __name__ == "__main__":
    main()
