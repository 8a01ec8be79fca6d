"""What a reduce over many tasks costs: adding it with the tasks in between, and whether it really is the last.

    python -m benchmarks.reduce [--json] 20000

So many tasks with ids of 64 characters are added to a job on a local Azure whose nodes only pretend to run them, then
the reduce. Seconds are the client's. The target says whether all had ended when the reduce began.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

from azure.batch import models

from benchmarks.arguments import amount
from benchmarks.findings import at_least, show
from benchmarks.trial import heed_signals
from localbatch.launcher import LocalAzure
from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.blocks.pool_description import PoolDescription
from prefect_azure_batch.flows.account import local_account
from prefect_azure_batch.tasks.adding import add_all
from prefect_azure_batch.tasks.job import create_job
from prefect_azure_batch.tasks.pool import create_pool
from prefect_azure_batch.tasks.records import JobPlan, Place, PoolPlan, TaskPlan
from prefect_azure_batch.tasks.reduce import LONGEST_LIST, Maps, add_reduce, cut_ids

_Result = TypeVar("_Result")
_NODES, _SLOTS = 25, 8


def start_of(task: models.BatchTask) -> datetime:
    """When a task that has ended began."""
    assert task.execution_info is not None
    assert task.execution_info.start_time is not None
    return task.execution_info.start_time


def end_of(task: models.BatchTask) -> datetime:
    """When a task ended."""
    assert task.execution_info is not None
    assert task.execution_info.end_time is not None
    return task.execution_info.end_time


def timed(work: Callable[[], _Result]) -> tuple[_Result, float]:
    """The work's result and how many seconds it took."""
    start = time.perf_counter()
    return work(), round(time.perf_counter() - start, 2)


def run_all(account: AzureBatchAccount, task_id: str) -> None:
    """Gives the job its nodes, and waits for the reduce."""
    create_pool(account, PoolPlan("pool", PoolDescription(nodes=_NODES, slots=_SLOTS)))
    while account.get_client().get_task("job", task_id).state != "completed":
        time.sleep(0.2)


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints what it takes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("tasks", nargs="?", type=amount, default=20_000, help="how many there are to reduce")
    asked = parser.parse_args(arguments)
    heed_signals()
    count: int = asked.tasks
    with LocalAzure(attach=False, driver="simulated") as azure:
        account = local_account(azure)
        client = account.get_client()
        run = create_job(account, JobPlan("job", "pool", "run", dependencies=True))
        ids = tuple(f"task-{number:059}" for number in range(count))
        tasks = [models.BatchTaskCreateOptions(id=each, command_line="true") for each in ids]
        _, adding = timed(lambda: add_all(client, "job", tasks))
        places = tuple(Place(run.container, f"{run.folder}/{number:07}-{each}") for number, each in enumerate(ids))
        plan = TaskPlan("cat {inputs}", grouped=True)
        task, adding_reduce = timed(lambda: add_reduce(account, run, count, plan, Maps(places, ids, False)))
        _, running = timed(lambda: run_all(account, task.task_id))
        began = start_of(client.get_task("job", task.task_id))
        others = [each for each in client.list_tasks("job") if each.id != task.task_id]
        before = sum(end_of(each) <= began for each in others) / len(others)
    row = {
        "tasks": count, "added in s": adding, "in between": len(list(cut_ids(ids, LONGEST_LIST))),
        "reduce added in s": adding_reduce, "all done in s": running,
    }  # fmt: skip
    show([row], [at_least(1, before, "share of the tasks that had ended when the reduce began")], as_json=asked.json)


if __name__ == "__main__":
    main()
