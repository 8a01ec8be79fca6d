"""What a reduce over many tasks costs: adding it with the tasks in between, and whether it really is the last.

    python benchmarks/reduce.py 20000

So many tasks with ids of 64 characters are added to a job on a local Azure whose nodes only pretend to run them, then
the reduce. Seconds are the client's; the last line says what had ended when the reduce began.
"""

import sys
import time
from datetime import datetime

from azure.batch import models

from localbatch.launcher import LocalAzure
from prefect_azure_batch.blocks.pool_description import PoolDescription
from prefect_azure_batch.flows.account import local_account
from prefect_azure_batch.tasks.adding import add_all
from prefect_azure_batch.tasks.job import create_job
from prefect_azure_batch.tasks.pool import create_pool
from prefect_azure_batch.tasks.records import JobPlan, Place, PoolPlan, TaskPlan
from prefect_azure_batch.tasks.reduce import LONGEST_LIST, Maps, add_reduce, cut_ids

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


def main() -> None:
    """Prints what it takes."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    with LocalAzure(attach=False, driver="simulated") as azure:
        account = local_account(azure)
        client = account.get_client()
        run = create_job(account, JobPlan("job", "pool", "run", dependencies=True))
        ids = tuple(f"task-{number:059}" for number in range(count))
        start = time.perf_counter()
        add_all(client, "job", [models.BatchTaskCreateOptions(id=each, command_line="true") for each in ids])
        print(f"{count} tasks added in {time.perf_counter() - start:.1f} s")
        places = tuple(Place(run.container, f"{run.folder}/{number:07}-{each}") for number, each in enumerate(ids))
        start = time.perf_counter()
        task = add_reduce(account, run, count, TaskPlan("cat {inputs}", grouped=True), Maps(places, ids, False))
        joins = len(list(cut_ids(ids, LONGEST_LIST)))
        print(f"the reduce, with {joins} tasks in between, added in {time.perf_counter() - start:.1f} s")
        start = time.perf_counter()
        create_pool(account, PoolPlan("pool", PoolDescription(nodes=_NODES, slots=_SLOTS)))
        while client.get_task("job", task.task_id).state != "completed":
            time.sleep(0.2)
        seconds = time.perf_counter() - start
        began = start_of(client.get_task("job", task.task_id))
        others = [each for each in client.list_tasks("job") if each.id != task.task_id]
        before = sum(end_of(each) <= began for each in others)
        print(f"all done in {seconds:.1f} s; when the reduce began, {before} of {len(others)} had ended")


if __name__ == "__main__":
    main()
