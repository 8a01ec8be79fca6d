"""The application stage."""

import uuid
from pathlib import Path

import pytest
from azure.mgmt.batch import BatchManagementClient

from localbatch.launcher import LocalAzure
from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.blocks.containers import WORK_CONTAINER
from prefect_azure_batch.blocks.pool_description import PoolDescription
from prefect_azure_batch.tasks.application import publish_application, ship_program, use_package
from prefect_azure_batch.tasks.cleanup import delete_created
from prefect_azure_batch.tasks.errors import BadInput
from prefect_azure_batch.tasks.job import create_job
from prefect_azure_batch.tasks.pool import create_pool
from prefect_azure_batch.tasks.records import NO_WORK, Created, JobPlan, PoolPlan, TaskPlan
from prefect_azure_batch.tasks.submit import add_tasks
from prefect_azure_batch.tasks.upload import upload_inputs
from prefect_azure_batch.tasks.wait import wait_for_tasks
from tests.stages.conftest import found


@pytest.fixture
def program(tmp_path: Path) -> Path:
    folder = tmp_path / "program"
    folder.mkdir()
    (folder / "shout").write_text("#!/bin/sh\ntr a-z A-Z\n")
    (folder / "shout").chmod(0o755)
    return folder


def test_a_program_is_sent_once(account: AzureBatchAccount, program: Path) -> None:
    (program / "data").write_text(str(uuid.uuid4()))
    first, second = ship_program(account.storage, program), ship_program(account.storage, program)
    assert first == second
    blob = account.storage.get_client().get_blob_client(first.container or "", first.blob or "")
    assert blob.get_blob_properties().size > 0


def test_a_published_program_runs_on_a_pool_that_refers_to_it(
    local_azure: LocalAzure, account: AzureBatchAccount, program: Path, two_files: Path
) -> None:
    name, endpoint = f"run-{uuid.uuid4()}", local_azure.endpoints.batch_endpoint
    client = BatchManagementClient(local_azure.management_credential(), "local", base_url=endpoint)
    where = ("local", local_azure.endpoints.batch_account)
    published = publish_application(client, *where, "shout", "1.0", program, enforce_https=False)
    assert use_package(account, "shout", "1.0") == published
    try:
        create_pool(
            account, PoolPlan(name, PoolDescription(nodes=1, slots=2), packages=(("shout", "1.0"),), run_id=name)
        )
        run = create_job(account, JobPlan(name, name, name, published))
        stored = upload_inputs(account.storage, found(two_files))
        added = add_tasks(account, run, stored, TaskPlan("{app}/shout < {input} | grep A"))
        ended = wait_for_tasks(account, run, added)
        assert [task.end.exit_code for task in ended] == [0, 0]
    finally:
        delete_created(account, Created(name, name, ((WORK_CONTAINER, f"{NO_WORK}/{name}"),)))


def test_a_version_that_does_not_exist_is_told_with_those_that_do(
    local_azure: LocalAzure, account: AzureBatchAccount, program: Path
) -> None:
    client = BatchManagementClient(
        local_azure.management_credential(), "local", base_url=local_azure.endpoints.batch_endpoint
    )
    where = ("local", local_azure.endpoints.batch_account)
    publish_application(client, *where, "versions", "1.0", program, enforce_https=False)
    with pytest.raises(BadInput, match=r"no version '2\.0'; it has: 1\.0"):
        use_package(account, "versions", "2.0")
