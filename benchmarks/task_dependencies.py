"""What dependencies between tasks cost the local Batch service: adding many tasks, and running them to the end.

    python -m benchmarks.task_dependencies [--json] 20000

The official client adds so many tasks to a job, in several shapes of who waits for whom, and waits until all have
completed on nodes that only pretend to run them. Seconds are the client's; CPU seconds are the service's. The last
column compares the CPU seconds with those of as many tasks that wait for nothing.
"""

import argparse
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from azure.batch import BatchClient, models
from azure.core.credentials import AzureNamedKeyCredential

from benchmarks.arguments import amount
from benchmarks.findings import show
from benchmarks.trial import heed_signals
from localbatch.launcher import LocalAzure

Parents = Callable[[int, int], models.BatchTaskDependencies | None]

_NODES, _SLOTS = 50, 4
_LEVELS = 10
_LIST = 50


def wait_for_nothing(number: int, count: int) -> None:
    """No task waits."""


def wait_for_one_before(number: int, count: int) -> models.BatchTaskDependencies | None:
    """A tree: each task waits for one, and ten wait for each."""
    return models.BatchTaskDependencies(task_ids=[str(number // 10)]) if number >= 10 else None


def wait_for_the_last(number: int, count: int) -> models.BatchTaskDependencies | None:
    """A chain of the first tenth of all tasks; the others wait for nothing."""
    return models.BatchTaskDependencies(task_ids=[str(number - 1)]) if 0 < number < count // 10 else None


def wait_for_some(number: int, count: int) -> models.BatchTaskDependencies | None:
    """Each task of the second half waits for fifty of the first, by their ids."""
    half = count // 2
    if number < half:
        return None
    return models.BatchTaskDependencies(task_ids=[str((number * 7 + step) % half) for step in range(_LIST)])


def wait_for_the_level_before(number: int, count: int) -> models.BatchTaskDependencies | None:
    """Ten levels: each task waits for all of the level before, as a range."""
    size = count // _LEVELS
    level = number // size
    if level == 0:
        return None
    return models.BatchTaskDependencies(
        task_id_ranges=[models.BatchTaskIdRange(start=(level - 1) * size, end=level * size - 1)]
    )


def wait_for_a_window(number: int, count: int) -> models.BatchTaskDependencies | None:
    """Each task of the second half waits for ten of the first in a row, as a range of its own."""
    start = number - count // 2
    if start < 0:
        return None
    return models.BatchTaskDependencies(task_id_ranges=[models.BatchTaskIdRange(start=start, end=start + 9)])


_SHAPES: tuple[Parents, ...] = (
    wait_for_nothing,
    wait_for_one_before,
    wait_for_the_last,
    wait_for_some,
    wait_for_the_level_before,
    wait_for_a_window,
)


def tasks(parents: Parents, count: int) -> list[models.BatchTaskCreateOptions]:
    """Describes the tasks of one shape."""
    return [
        models.BatchTaskCreateOptions(id=str(number), command_line="true", depends_on=parents(number, count))
        for number in range(count)
    ]


def busy_seconds(pid: int) -> float:
    """The seconds for which the service had a processor so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(parents: Parents, count: int) -> Iterator[float]:
    """Seconds and CPU seconds of adding the tasks, and then of running them to the end."""
    with LocalAzure(storage=False, attach=False, driver="simulated") as azure:
        endpoints = azure.endpoints
        credential = AzureNamedKeyCredential(endpoints.batch_account, endpoints.batch_key)
        client = BatchClient(endpoints.batch_endpoint, credential)
        client.create_job(
            models.BatchJobCreateOptions(
                id="job", pool_info=models.BatchPoolInfo(pool_id="pool"), uses_task_dependencies=True
            )
        )
        described = tasks(parents, count)
        for step in (lambda: client.create_tasks("job", described), lambda: run(client, count)):
            start, before = time.perf_counter(), busy_seconds(endpoints.pid)
            step()
            yield time.perf_counter() - start
            yield busy_seconds(endpoints.pid) - before


def run(client: BatchClient, count: int) -> None:
    """Makes the pool and waits until all tasks have completed."""
    image = models.BatchVmImageReference(publisher="canonical", offer="ubuntu-24_04-lts", sku="server")
    machine = models.VirtualMachineConfiguration(image_reference=image, node_agent_sku_id="batch.node.ubuntu 24.04")
    client.create_pool(
        models.BatchPoolCreateOptions(
            id="pool",
            vm_size="standard_d4s_v3",
            virtual_machine_configuration=machine,
            target_dedicated_nodes=_NODES,
            task_slots_per_node=_SLOTS,
        )
    )
    while client.get_job_task_counts("job").task_counts.completed < count:
        time.sleep(0.1)


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("tasks", nargs="?", type=amount, default=20_000, help="how many")
    asked, rows, basis = parser.parse_args(arguments), list[dict[str, object]](), 0.0
    heed_signals()
    for parents in _SHAPES:
        adding, adding_busy, running, running_busy = (round(each, 2) for each in measure(parents, asked.tasks))
        basis = basis or adding_busy + running_busy
        rows.append({
            "tasks": asked.tasks, "shape": parents.__name__.replace("_", " "), "adding": adding, "CPU": adding_busy,
            "running": running, "CPU of running": running_busy,
            "CPU / of nothing": round((adding_busy + running_busy) / basis, 2),
        })  # fmt: skip
    show(rows, as_json=asked.json)


if __name__ == "__main__":
    main()
