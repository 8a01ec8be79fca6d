"""What the stage tests share: a pool that lives for all of them, and a job of its own for each test."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.blocks.containers import WORK_CONTAINER
from prefect_azure_batch.blocks.pool_description import PoolDescription
from prefect_azure_batch.tasks.cleanup import delete_created
from prefect_azure_batch.tasks.collect import collect_outputs
from prefect_azure_batch.tasks.inputs import find_inputs
from prefect_azure_batch.tasks.job import create_job
from prefect_azure_batch.tasks.pool import create_pool
from prefect_azure_batch.tasks.records import (
    AddedTask,
    Collected,
    Created,
    EndedTask,
    InputItem,
    JobPlan,
    PoolPlan,
    Program,
    Run,
    StoredInput,
    TaskPlan,
)
from prefect_azure_batch.tasks.submit import add_tasks
from prefect_azure_batch.tasks.upload import upload_inputs
from prefect_azure_batch.tasks.wait import wait_for_tasks


def found(path: Path) -> list[InputItem]:
    """The inputs in a directory."""
    return find_inputs([str(path)], lambda container, prefix: [])


class Bench:
    """A job on the shared pool, and the stages applied to it."""

    def __init__(self, account: AzureBatchAccount, pool_id: str) -> None:
        self.account, self.pool_id = account, pool_id
        self.job_id = f"job-{uuid.uuid4()}"
        self.run = Run(self.job_id, self.job_id, pool_id, WORK_CONTAINER, folder=self.job_id)

    def create_job(self, program: Program | None = None, setup: str | None = None) -> None:
        self.run = create_job(self.account, JobPlan(self.job_id, self.pool_id, self.job_id, program, setup=setup))

    def store(self, folder: Path) -> list[StoredInput]:
        return upload_inputs(self.account.storage, found(folder))

    def add(self, folder: Path, command: str, outputs: tuple[str, ...] = ()) -> list[AddedTask]:
        return add_tasks(self.account, self.run, self.store(folder), TaskPlan(command, outputs))

    def wait(self, tasks: list[AddedTask]) -> list[EndedTask]:
        return wait_for_tasks(self.account, self.run, tasks)

    def collect(self, tasks: list[EndedTask], results: Path) -> list[Collected]:
        return collect_outputs(self.account.storage, self.run, tasks, results)


@pytest.fixture(scope="session")
def pool_id(account: AzureBatchAccount) -> Iterator[str]:
    pool_id = f"pool-{uuid.uuid4()}"
    create_pool(account, PoolPlan(pool_id, PoolDescription(nodes=2, slots=4), run_id=pool_id))
    yield pool_id
    delete_created(account, Created(pool_id=pool_id))


@pytest.fixture
def bench(account: AzureBatchAccount, pool_id: str) -> Iterator[Bench]:
    bench = Bench(account, pool_id)
    yield bench
    delete_created(account, Created(job_id=bench.job_id, folders=((WORK_CONTAINER, bench.run.folder),)))
