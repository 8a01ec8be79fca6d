"""One task on several nodes, by the driver alone: also where the kernel gives no namespaces."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from localbatch.driver.interface import MultiInstanceRun, NodePlace, Outcome, Run
from localbatch.driver.process import ProcessDriver
from localbatch.host.mpi_runtime import node_image
from tests.support.nodes import TASK, eventually, place, processes_below

RANKS = Path(__file__).resolve().parents[2] / "programs" / "ranks.py"
NODES = 3


@dataclass
class Cluster:
    """Three nodes of one driver."""

    driver: ProcessDriver
    root: Path
    places: list[NodePlace]

    async def run(self, application: str, coordination: str = "/bin/true") -> Outcome:
        addresses = ",".join(node.address for node in self.places)
        runs = tuple(
            Run(
                node,
                TASK,
                application,
                variables={"AZ_BATCH_HOST_LIST": addresses, "AZ_BATCH_TASK_SHARED_DIR": str(node.root / TASK)},
            )
            for node in self.places
        )
        return await self.driver.execute_together(MultiInstanceRun(runs, coordination), lambda *_: None)

    def path(self, node: int, name: str) -> Path:
        return self.places[node].root / TASK / name

    def processes(self) -> list[int]:
        roots = (self.root, self.root / "mnt")
        return [found.pid for root in roots for found in processes_below(root)]


@asynccontextmanager
async def cluster(root: Path, *, isolate: bool) -> AsyncIterator[Cluster]:
    driver = ProcessDriver(grace=0.5, isolate=isolate, image=node_image("mpich"))
    places = [replace(place(root, number), mount=root / "mnt") for number in range(1, NODES + 1)]
    try:
        for node in places:
            assert await driver.create_node(node, ()) is None
        yield Cluster(driver, root, places)
    finally:
        await driver.close()


@pytest.mark.parametrize("isolate", [True, False])
async def test_ranks_run_on_their_own_nodes_with_and_without_namespaces(tmp_path: Path, isolate: bool) -> None:
    pytest.importorskip("mpi4py", reason="the extra `local` is not installed")
    line = "mpirun -np 3 -ppn 1 -hosts $AZ_BATCH_HOST_LIST -wdir $AZ_BATCH_TASK_SHARED_DIR"
    async with cluster(tmp_path, isolate=isolate) as nodes:
        outcome = await nodes.run(f"/bin/bash -c '{line} {sys.executable} {RANKS}'")
        assert outcome.exit_code == 0, nodes.path(0, "stderr.txt").read_text()
        for node in range(NODES):
            assert [number for number in range(NODES) if nodes.path(node, f"rank-{number}").exists()] == [node]
        assert nodes.processes() == []


async def test_a_node_whose_supervisor_is_killed_ends_the_task(tmp_path: Path) -> None:
    async with cluster(tmp_path, isolate=True) as nodes:
        coordination = "/bin/sh -c 'setsid sleep 600 & echo $! > daemon'"
        running = asyncio.ensure_future(nodes.run("/bin/sh -c 'touch up; sleep 600'", coordination))
        await eventually(nodes.path(0, "wd/up").exists)
        daemon = int(nodes.path(1, "wd/daemon").read_text())
        os.kill(_parent(daemon), signal.SIGKILL)
        outcome = await asyncio.wait_for(running, 10)
        assert outcome.failure is not None
        assert outcome.failure.message == "The task was ended with its node"
        await eventually(lambda: not nodes.processes())


async def test_a_task_cancelled_at_any_moment_leaves_nothing(tmp_path: Path) -> None:
    async with cluster(tmp_path, isolate=True) as nodes:
        for pause in (0.0, 0.01, 0.02, 0.04, 0.08, 0.3):
            running = asyncio.ensure_future(nodes.run("/bin/sleep 600", "/bin/sh -c 'setsid sleep 600 &'"))
            await asyncio.sleep(pause)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            assert nodes.processes() == []
            assert not any(name.startswith("launch-") for name in os.listdir(tmp_path))


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
