"""What a multi-instance task costs beside its program: seconds for growing numbers of nodes, the median of five runs.

    python -m benchmarks.mpi_launch [--json] 1 3 8

``empty`` starts and ends the task with nothing in it, ``ranks`` runs a small MPI program with a rank on each node, and
``local`` the same program by the same mpirun without nodes, in the same minute.
"""

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from benchmarks.arguments import amount
from benchmarks.findings import show
from benchmarks.trial import heed_signals
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


async def measure(root: Path, count: int) -> dict[str, float]:
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
    seconds = {"empty": round(empty, 2), "ranks": round(ranks, 2), "local": round(local, 2)}
    return {"nodes": count, **seconds, "ranks / local": round(ranks / local, 1)}


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the table, in seconds."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("nodes", nargs="*", type=amount, default=[1, 3, 8], help="how many: a row for each")
    asked, rows = parser.parse_args(arguments), []
    heed_signals()
    for count in asked.nodes:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(asyncio.run(measure(Path(folder), count)))
    show(rows, as_json=asked.json)


if __name__ == "__main__":
    main()
