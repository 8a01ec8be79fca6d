"""A pool of very many simulated nodes: what it costs to make, to list, to fill, to shrink and to delete it.

    python -m benchmarks.simulated_nodes [--nodes 1000 10000] [--json]

Each row is a Batch service of its own, without Blob storage. Seconds are of CPU of the service, which other work of the
machine does not change, with the seconds until it was done in brackets; a count says how many requests it took.

grow     from the request until all nodes are idle; ``each`` is milliseconds of CPU for a node
list     all nodes, by pages of 1,000, with their states alone
counts   the nodes of all pools by state: one request
fill     two tasks for each node are added, and run until all have ended
shrink   to a hundredth, until the others are gone
delete   until the pool is gone
peak     MiB that the service has taken at most
"""

import argparse
import time
from collections.abc import Callable, Sequence

import psutil
from azure.batch import BatchClient, models
from azure.core.credentials import AzureNamedKeyCredential

from benchmarks.arguments import amount
from benchmarks.findings import show
from benchmarks.simulated_map import MIB, Spent
from benchmarks.trial import heed_signals, wait_until
from localbatch.launcher import LocalAzure

PATIENCE = 3600.0
IMAGE = models.VirtualMachineConfiguration(
    image_reference=models.BatchVmImageReference(publisher="canonical", offer="ubuntu-24_04-lts", sku="server"),
    node_agent_sku_id="batch.node.ubuntu 24.04",
)


class Meter:
    """CPU seconds of the service over steps of the work."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)

    def cpu(self, step: Callable[[], object]) -> tuple[float, str]:
        """CPU seconds of a step, and the same to be shown."""
        before, begun = self._process.cpu_times(), time.perf_counter()
        step()
        after, seconds = self._process.cpu_times(), time.perf_counter() - begun
        spent = after.user + after.system - before.user - before.system
        return spent, f"{spent:.2f} ({seconds:.1f})"


class Pool:
    """A pool of simulated nodes, and a job on it."""

    def __init__(self, client: BatchClient, nodes: int) -> None:
        self._client, self._nodes, self.requests = client, nodes, 0

    def grow(self) -> None:
        """Makes it, and waits until all nodes are idle."""
        options = models.BatchPoolCreateOptions(
            id="pool", vm_size="Standard_D2s_v3", virtual_machine_configuration=IMAGE,
            target_dedicated_nodes=self._nodes // 2, target_low_priority_nodes=self._nodes - self._nodes // 2,
        )  # fmt: skip
        self._client.create_pool(options)
        wait_until(lambda: self.idle() == self._nodes, PATIENCE)

    def idle(self) -> int:
        """How many of its nodes are idle."""
        (counts,) = self._client.list_pool_node_counts()
        return sum(some.idle for some in (counts.dedicated, counts.low_priority) if some)

    def list(self) -> None:
        """Looks at all nodes."""
        states = [node.state for node in self._client.list_nodes("pool", select=["id,state"])]
        assert states == ["idle"] * self._nodes
        self.requests = -(-self._nodes // 1000)

    def fill(self) -> None:
        """Runs two tasks for each node."""
        self._client.create_job(models.BatchJobCreateOptions(id="job", pool_info=models.BatchPoolInfo(pool_id="pool")))
        for first in range(0, 2 * self._nodes, 100):
            numbers = range(first, min(first + 100, 2 * self._nodes))
            tasks = [models.BatchTaskCreateOptions(id=f"t{number}", command_line="true") for number in numbers]
            self._client.create_tasks("job", tasks)
        wait_until(lambda: self._client.get_job_task_counts("job").task_counts.succeeded == 2 * self._nodes, PATIENCE)

    def shrink(self) -> None:
        """Leaves one node in a hundred."""
        left = max(1, self._nodes // 100)
        options = models.BatchPoolResizeOptions(target_dedicated_nodes=left, target_low_priority_nodes=0)
        self._client.begin_resize_pool("pool", options, polling_interval=1).result()
        assert self.idle() == left

    def delete(self) -> None:
        """Deletes it."""
        self._client.begin_delete_pool("pool", polling_interval=1).result()


def measure(nodes: int) -> dict[str, object]:
    """One row."""
    with LocalAzure(driver="simulated", storage=False, attach=False) as azure:
        found = azure.endpoints
        key = AzureNamedKeyCredential(found.batch_account, found.batch_key)
        with BatchClient(found.batch_endpoint, key) as client:
            pool, meter, spent = Pool(client, nodes), Meter(found.pid), Spent()
            grown, grow = meter.cpu(pool.grow)
            row: dict[str, object] = {"nodes": nodes, "grow": grow, "each": round(1000 * grown / nodes, 2)}
            row["list"] = f"{meter.cpu(pool.list)[1]} by {pool.requests}"
            for step in (pool.idle, pool.fill, pool.shrink):
                row["counts" if step == pool.idle else step.__name__] = meter.cpu(step)[1]
            spent.look(psutil.Process(found.pid))
            row["delete"] = meter.cpu(pool.delete)[1]
            return row | {"peak": round(spent.peak / MIB)}


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--nodes", nargs="+", type=amount, default=[1000, 10_000], help="how many, a row for each")
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse_args(arguments)
    heed_signals()
    show([measure(nodes) for nodes in asked.nodes], as_json=asked.json)


if __name__ == "__main__":
    main()
