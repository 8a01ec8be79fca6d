"""What waiting for tasks costs: the calls to Batch for each task, and how late it is known that a task has ended.

    python -m benchmarks.waiting [--tasks 100 1000] [--seconds 0.1] [--json]

The poller of the wait stage follows so many tasks that sleep, on four nodes with four slots of a local Azure. A delay
is the time from the end of a task, as Batch tells it, until the poller has told of it. A poll interval is the time from
one look at the job until what the next one finds is known.
"""

import argparse
import statistics
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from azure.batch import BatchClient, models
from azure.core.pipeline import PipelineRequest
from azure.core.pipeline.policies import SansIOHTTPPolicy

from benchmarks.arguments import amount, duration
from benchmarks.findings import Target, at_most, show
from benchmarks.tasks_of_a_job import batch_client, job_on_pool
from benchmarks.trial import heed_signals
from localbatch.launcher import LocalAzure
from prefect_azure_batch.tasks.poller import JobPoller
from prefect_azure_batch.tasks.records import TaskEnd

NODES, SLOTS = 4, 4
MANY = 1000


class Calls(SansIOHTTPPolicy):  # type: ignore[type-arg]
    """Notes when a client has asked what.

    Attributes:
        looks: when it has asked for the counts of a job's tasks.
        count: of all its calls.
    """

    def __init__(self) -> None:
        self.looks, self.count = [datetime.now(UTC)], 0

    def on_request(self, request: PipelineRequest) -> None:  # type: ignore[type-arg]
        """Notes a call."""
        self.count += 1
        if "/taskcounts" in request.http_request.url:
            self.looks.append(datetime.now(UTC))


class Known:
    """Takes the ends of tasks, and notes how late they are.

    Attributes:
        delays: seconds, of each task.
        intervals: the poll intervals at whose ends that was.
    """

    def __init__(self, calls: Calls) -> None:
        self._calls, self._names = calls, set[str]()
        self.delays, self.intervals = list[float](), list[float]()

    def add(self, ends: Mapping[str, TaskEnd]) -> int:
        """Takes some, by task ids."""
        now, new = datetime.now(UTC), ends.keys() - self._names
        self._names |= new
        self.delays += [(now - ended).total_seconds() for name in new if (ended := ends[name].ended)]
        self.intervals += [(now - self._calls.looks[-2]).total_seconds()] * len(new)
        return len(new)


def measure(azure: LocalAzure, count: int, seconds: float) -> dict[str, float]:
    """One row: so many tasks that sleep so long."""
    calls = Calls()
    known = Known(calls)
    with job_on_pool(batch_client(azure.endpoints), f"waiting-{count}", NODES, SLOTS) as job:
        poller = JobPoller(batch_client(azure.endpoints, [calls]), job, job, timedelta(hours=1), ends=known)
        poller.start()
        begun = datetime.now(UTC)
        _add(batch_client(azure.endpoints), job, count, seconds)
        poller.wait_until(lambda: len(known.delays) == count)
        taken = (datetime.now(UTC) - begun).total_seconds()
        poller.close()
    shares = [delay / interval for delay, interval in zip(known.delays, known.intervals, strict=True)]
    return {
        "tasks": count,
        "seconds": round(taken, 1),
        "calls": calls.count,
        "calls per task": round(calls.count / count, 4),
        "median delay (s)": round(statistics.median(known.delays), 2),
        "delay of the last (s)": round(known.delays[-1], 2),
        "longest delay (intervals)": round(max(shares), 2),
    }


def _add(client: BatchClient, job: str, count: int, seconds: float) -> None:
    line = f"/bin/bash -c 'sleep {seconds:g}'"
    tasks = [models.BatchTaskCreateOptions(id=f"task{number}", command_line=line) for number in range(count)]
    client.create_tasks(job, tasks)


def targets(rows: Sequence[Mapping[str, float]]) -> list[Target]:
    """What is wanted of the rows."""
    return [
        *(
            at_most(0.02, row["calls per task"], f"calls per task, waiting for {row['tasks']:,}")
            for row in rows
            if row["tasks"] >= MANY
        ),
        *(
            at_most(1, row["longest delay (intervals)"], f"delay in poll intervals, of {row['tasks']:,} tasks")
            for row in rows
        ),
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tasks", nargs="+", type=amount, default=[100, 1000], help="how many, a row for each")
    parser.add_argument("--seconds", type=duration, default=0.1, help="that each task sleeps")
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse_args(arguments)
    heed_signals()
    with LocalAzure(storage=False, attach=False) as azure:
        rows = [measure(azure, count, asked.seconds) for count in asked.tasks]
    show(rows, targets(rows), as_json=asked.json)


if __name__ == "__main__":
    main()
