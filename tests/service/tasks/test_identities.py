"""Whom tasks run as, and as whom they reach storage."""

from typing import Any

import pytest
from azure.batch import models
from azure.mgmt.batch import BatchManagementClient
from azure.mgmt.batch.models import Pool
from azure.storage.blob import BlobServiceClient

from localbatch.launcher import LocalAzure
from tests.support.account import Account, open_account
from tests.support.management import GROUP, make_client

NOBODY = models.BatchNodeIdentityReference(resource_id="/subscriptions/s/identities/i")


def failure(task: models.BatchTask) -> tuple[str | None, dict[str | None, str | None]]:
    assert task.execution_info is not None
    info = task.execution_info.failure_info
    assert info is not None
    return info.code, {each.name: each.value for each in info.details or []}


def test_a_task_may_run_as_a_user_of_its_pool_and_as_no_other(batch: Account) -> None:
    user = models.UserAccount(name="someone", password="hush", elevation_level="admin")
    batch.make_pool(user_accounts=[user])
    batch.make_job()
    shown = batch.client.get_pool("pool").user_accounts
    assert [each.as_dict() for each in shown or []] == [{"name": "someone", "elevationLevel": "admin"}]
    batch.add_task("true", "known", user_identity=models.UserIdentity(username="someone"))
    batch.add_task("true", "unknown", user_identity=models.UserIdentity(username="else"))
    known = batch.await_task("known")
    assert known.execution_info is not None
    assert known.execution_info.exit_code == 0
    assert known.user_identity is not None
    assert (known.user_identity.username, known.user_identity.auto_user) == ("someone", None)
    code, details = failure(batch.await_task("unknown"))
    assert (code, details["Message"]) == ("CommandLaunchFailed", "The pool has no user account else.")


@pytest.mark.parametrize("place", ["resource_files", "common"])
def test_a_file_that_needs_a_managed_identity_cannot_be_had(batch: Account, place: str) -> None:
    file = models.ResourceFile(http_url="http://127.0.0.1:1/x", file_path="x", identity_reference=NOBODY)
    options: dict[str, Any] = {"resource_files": [file]}
    if place == "common":
        settings = models.MultiInstanceSettings(
            number_of_instances=1, coordination_command_line="true", common_resource_files=[file]
        )
        options = {"multi_instance_settings": settings}
    batch.make_pool(enable_inter_node_communication=True)
    batch.make_job()
    batch.add_task("true", **options)
    code, details = failure(batch.await_task())
    assert (code, details["Message"]) == ("BlobAccessDenied", "The pool has no such managed identity.")


def test_an_output_file_that_needs_a_managed_identity_cannot_be_uploaded(batch: Account) -> None:
    container = models.OutputFileBlobContainerDestination(
        container_url="http://127.0.0.1:1/c", identity_reference=NOBODY
    )
    output = models.OutputFile(
        file_pattern="../stdout.txt",
        destination=models.OutputFileDestination(container=container),
        upload_options=models.OutputFileUploadConfiguration(upload_condition="taskcompletion"),
    )
    task = batch.run("true", output_files=[output])
    assert task.execution_info is not None
    assert task.execution_info.exit_code == 0
    assert failure(task)[0] == "FileUploadAccessDenied"


def put_pool(management: BatchManagementClient, identities: list[str]) -> None:
    """Makes a pool with managed identities, as only the management plane can."""
    machine = {
        "imageReference": {"publisher": "canonical", "offer": "ubuntu-24_04-lts", "sku": "server"},
        "nodeAgentSkuId": "batch.node.ubuntu 24.04",
    }
    pool = {
        "identity": {"type": "UserAssigned", "userAssignedIdentities": {each: {} for each in identities}},
        "properties": {
            "vmSize": "STANDARD_D2S_V3",
            "deploymentConfiguration": {"virtualMachineConfiguration": machine},
            "scaleSettings": {"fixedScale": {"targetDedicatedNodes": 1}},
        },
    }
    management.pool.create(GROUP, "localbatch", "pool", Pool(pool))


def test_an_identity_of_the_pool_reads_and_writes_the_linked_storage_account() -> None:
    known, other = (
        f"/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}"
        for name in ("known", "other")
    )
    with (
        LocalAzure(attach=False) as azure,
        make_client(azure.endpoints) as management,
        open_account(azure.endpoints, "localbatch") as batch,
        BlobServiceClient.from_connection_string(azure.endpoints.storage_connection_string) as blobs,
    ):
        container = blobs.create_container("data")
        container.upload_blob("in put/a.txt", b"hello\n")
        put_pool(management, [known])
        batch.make_job()

        def add(task_id: str, identity: str) -> None:
            reference = models.BatchNodeIdentityReference(resource_id=identity)
            one = models.ResourceFile(
                http_url=f"{container.url}/in%20put/a.txt", file_path="one.txt", identity_reference=reference
            )
            all_of_it = models.ResourceFile(
                storage_container_url=container.url, blob_prefix="in put/", identity_reference=reference
            )
            destination = models.OutputFileBlobContainerDestination(
                container_url=container.url, path="out.txt", identity_reference=reference
            )
            output = models.OutputFile(
                file_pattern="../stdout.txt",
                destination=models.OutputFileDestination(container=destination),
                upload_options=models.OutputFileUploadConfiguration(upload_condition="taskcompletion"),
            )
            batch.add_task("cat one.txt in*/a.txt", task_id, resource_files=[one, all_of_it], output_files=[output])

        add("task", known.upper())
        ended = batch.await_task()
        assert ended.execution_info is not None
        assert ended.execution_info.failure_info is None
        assert container.download_blob("out.txt").readall() == b"hello\nhello\n"
        add("refused", other)
        assert failure(batch.await_task("refused"))[0] == "BlobAccessDenied"
