"""What a map run costs beside its tasks: seconds per stage for growing numbers of inputs, side by side in one process.

    python benchmarks/map_overhead.py 100 1000 2000

Each row runs `true` over so many small files on a local Azure with the plain functions of the stages, without Prefect.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from localbatch.launcher import LocalAzure
from prefect_azure_batch.blocks.pool_description import PoolDescription
from prefect_azure_batch.flows.account import local_account
from prefect_azure_batch.tasks.collect import collect_outputs
from prefect_azure_batch.tasks.inputs import find_inputs
from prefect_azure_batch.tasks.job import create_job
from prefect_azure_batch.tasks.pool import create_pool
from prefect_azure_batch.tasks.records import JobPlan, PoolPlan, TaskPlan
from prefect_azure_batch.tasks.submit import add_tasks
from prefect_azure_batch.tasks.upload import upload_inputs
from prefect_azure_batch.tasks.wait import wait_for_tasks

_Result = TypeVar("_Result")


def timed(work: Callable[[], _Result]) -> tuple[_Result, float]:
    """The work's result and how many seconds it took."""
    start = time.perf_counter()
    return work(), time.perf_counter() - start


def measure(azure: LocalAzure, count: int) -> str:
    """One row of the table."""
    account, name = local_account(azure), f"bench-{count}"
    with tempfile.TemporaryDirectory() as folder:
        for number in range(count):
            Path(folder, f"{number:06}.txt").write_text(f"{count} {number}")
        inputs, found = timed(lambda: find_inputs([folder], lambda container, prefix: []))
        stored, sent = timed(lambda: upload_inputs(account.storage, inputs))
        _, again = timed(lambda: upload_inputs(account.storage, inputs))
        create_pool(account, PoolPlan(name, PoolDescription(nodes=2, slots=4), run_id=name))
        run = create_job(account, JobPlan(name, name, name))
        added, submitted = timed(lambda: add_tasks(account, run, stored, TaskPlan("true")))
        ended, waited = timed(lambda: wait_for_tasks(account, run, added))
        _, collected = timed(lambda: collect_outputs(account.storage, run, ended, Path(folder, "results")))
    times = (found, sent, again, submitted, waited, collected)
    return f"{count:>7} " + " ".join(f"{seconds:>9.2f}" for seconds in times)


def main() -> None:
    """Prints the table."""
    print("  files      find    upload     again       add      wait   collect   (seconds)")
    with LocalAzure() as azure:
        for count in map(int, sys.argv[1:] or ["100", "1000"]):
            print(measure(azure, count), flush=True)


if __name__ == "__main__":
    main()
