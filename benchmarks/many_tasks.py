"""What a large job costs the local Batch service: seconds of each step and its memory, side by side in one run.

    python benchmarks/many_tasks.py 1000 100000

The official client adds so many tasks to a job that has no nodes, reads them in several ways, and deletes the job. The
client's own time is part of the seconds; CPU seconds and memory are the service's. Memory is in MiB: at the end of a
step, and the most it took during the step.
"""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from azure.batch import BatchClient, models
from azure.core.credentials import AzureNamedKeyCredential

from localbatch.launcher import LocalAzure

_JOB = "many"
_KIB_PER_MIB = 1024


class Service:
    """A running service, and a client of it."""

    def __init__(self, azure: LocalAzure) -> None:
        endpoints = azure.endpoints
        credential = AzureNamedKeyCredential(endpoints.batch_account, endpoints.batch_key)
        self.client = BatchClient(endpoints.batch_endpoint, credential)
        self._process = Path("/proc", str(endpoints.pid))

    def memory(self) -> tuple[int, int]:
        """Its memory now, and the most it had since `forget_peak`, in MiB."""
        lines = (line.split() for line in (self._process / "status").read_text().splitlines())
        sizes = {line[0]: int(line[1]) // _KIB_PER_MIB for line in lines if line[0] in ("VmRSS:", "VmHWM:")}
        return sizes["VmRSS:"], sizes["VmHWM:"]

    def busy(self) -> float:
        """The seconds for which it had a processor so far."""
        fields = (self._process / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def forget_peak(self) -> None:
        """Begins a new measurement of the most memory it takes."""
        (self._process / "clear_refs").write_text("5")


def add(client: BatchClient, count: int) -> int:
    """Creates the job and adds its tasks."""
    client.create_job(models.BatchJobCreateOptions(id=_JOB, pool_info=models.BatchPoolInfo(pool_id="none")))
    tasks = [models.BatchTaskCreateOptions(id=f"task-{number:07}", command_line="true") for number in range(count)]
    return len(client.create_tasks(_JOB, tasks).result_values or [])


def count_active(client: BatchClient, count: int) -> int:
    """Counts the tasks a hundred times."""
    return [client.get_job_task_counts(_JOB).task_counts.active for _ in range(100)][-1]


def list_all(client: BatchClient, count: int) -> int:
    """Lists all tasks."""
    return sum(1 for _ in client.list_tasks(_JOB))


def list_ids(client: BatchClient, count: int) -> int:
    """Lists all tasks, their ids and states alone."""
    return sum(1 for _ in client.list_tasks(_JOB, select=["id", "state"]))


def find_some(client: BatchClient, count: int) -> int:
    """Lists with a filter that every task must be looked at for, and one in a hundred passes."""
    last = f"task-{count - count // 100:07}"
    return sum(1 for _ in client.list_tasks(_JOB, filter=f"id ge '{last}'"))


def find_none(client: BatchClient, count: int) -> int:
    """Lists the tasks in a state that none is in."""
    return sum(1 for _ in client.list_tasks(_JOB, filter="state eq 'completed'"))


def delete(client: BatchClient, count: int) -> int:
    """Deletes the job and waits until it is gone."""
    client.begin_delete_job(_JOB, polling_interval=0.05).result()  # type: ignore[arg-type]
    return len(list(client.list_jobs()))


_STEPS: dict[str, Callable[[BatchClient, int], int]] = {
    "create_tasks": add,
    "taskcounts x 100": count_active,
    "list_tasks": list_all,
    "  $select=id,state": list_ids,
    "  id ge '...'": find_some,
    "  state eq 'completed'": find_none,
    "delete_job": delete,
}


def measure(service: Service, step: Callable[[BatchClient, int], int], count: int) -> str:
    """One cell of the table."""
    service.forget_peak()
    start, before = time.perf_counter(), service.busy()
    result = step(service.client, count)
    seconds, busy = time.perf_counter() - start, service.busy() - before
    now, peak = service.memory()
    return f"{result:>9} {seconds:>8.2f} {busy:>6.2f} {now:>6} {peak:>6}"


def main() -> None:
    """Prints the table."""
    counts = [int(text) for text in sys.argv[1:] or ["1000", "100000"]]
    columns: list[list[str]] = []
    for count in counts:
        with LocalAzure(storage=False, attach=False) as azure:
            service = Service(azure)
            columns.append([measure(service, step, count) for step in _STEPS.values()])
    print(f"{os.cpu_count()} processors")
    print(" " * 22, *(f"{f'{count} tasks':>39}" for count in counts))
    print(" " * 22, *(f"{'result':>9} {'seconds':>8} {'CPU':>6} {'MiB':>6} {'peak':>6}" for _ in counts))
    for name, *cells in zip(_STEPS, *columns, strict=True):
        print(f"{name:<22}", *cells)


if __name__ == "__main__":
    main()
