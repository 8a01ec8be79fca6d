"""How near the tasks of a job come to the least time that their slots permit: many short sleeps on few slots.

    python -m benchmarks.makespan [--tasks 500] [--seconds 0.2] [--rounds 3] [--json]

The stages of a map, without Prefect, run the tasks on four nodes with four slots of a local Azure, with their logs
kept. The ideal is their time over the slots. ``makespan`` is the time from the first task's start to the end of the
last, as Batch tells them; ``until known`` goes on to when the wait stage has told of all. Medians of the rounds.
"""

import argparse
import statistics
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from benchmarks.arguments import amount, some_time
from benchmarks.findings import at_most, show
from benchmarks.tasks_of_a_job import batch_client, job_on_pool
from benchmarks.trial import heed_signals
from localbatch.launcher import LocalAzure
from prefect_azure_batch.flows.account import local_account
from prefect_azure_batch.tasks.records import Run, StoredInput, TaskPlan
from prefect_azure_batch.tasks.submit import add_tasks
from prefect_azure_batch.tasks.wait import wait_for_tasks

NODES, SLOTS = 4, 4


def measure(azure: LocalAzure, number: int, count: int, seconds: float) -> tuple[float, float]:
    """The makespan, and the time until it is known."""
    account = local_account(azure)
    inputs = [StoredInput(each, f"{each}", f"{each}", "", "", f"{each}") for each in range(count)]
    with job_on_pool(batch_client(azure.endpoints), f"makespan-{number}", NODES, SLOTS) as job:
        ends = datetime.now(UTC) + timedelta(hours=1)
        run = Run(job, job, job, account.storage.work_container, folder=f"benchmark/{job}", ends=ends)
        added = add_tasks(account, run, inputs, TaskPlan(f"sleep {seconds:g}"))
        ended = wait_for_tasks(account, run, added)
        known = datetime.now(UTC)
    begun = min(task.end.started for task in ended if task.end.started)
    last = max(task.end.ended for task in ended if task.end.ended)
    return (last - begun).total_seconds(), (known - begun).total_seconds()


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tasks", type=amount, default=500)
    parser.add_argument("--seconds", type=some_time, default=0.2, help="that each task sleeps")
    parser.add_argument("--rounds", type=amount, default=3, help="of which medians are taken")
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse_args(arguments)
    heed_signals()
    with LocalAzure(attach=False) as azure:
        rounds = [measure(azure, number, asked.tasks, asked.seconds) for number in range(asked.rounds)]
    makespan, known = (statistics.median(some) for some in zip(*rounds, strict=True))
    ideal = asked.tasks * asked.seconds / (NODES * SLOTS)
    row = {
        "tasks": asked.tasks,
        "seconds each": asked.seconds,
        "ideal (s)": round(ideal, 2),
        "makespan (s)": round(makespan, 2),
        "until known (s)": round(known, 2),
    }
    wanted = f"makespan of {asked.tasks:,} sleeps of {asked.seconds:g} s on {NODES * SLOTS} slots, of the ideal"
    show([row], [at_most(1.15, makespan / ideal, wanted)], as_json=asked.json)


if __name__ == "__main__":
    main()
