"""Tasks that read from and write to a Blob service, by links and by the linked storage account."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from azure.batch import models
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import ContainerClient, ContainerSasPermissions, generate_container_sas

from localbatch.launcher import LocalAzure
from tests.support.account import Account, error_code, open_account
from tests.support.logged import lines_with, logged_service


def link(azure: LocalAzure, container: ContainerClient, permission: str) -> str:
    signature = generate_container_sas(
        azure.endpoints.storage_account,
        container.container_name,
        account_key=azure.endpoints.storage_key,
        permission=ContainerSasPermissions.from_string(permission),
        expiry=datetime.now(UTC) + timedelta(hours=1),
    )
    return f"{container.url}?{signature}"


def test_a_container_of_the_linked_account_is_read_without_a_link(linked: Account, container: ContainerClient) -> None:
    for name in ("in/a.txt", "in/deep/b.txt", "other.txt"):
        container.upload_blob(name, f"body of {name}")
    file = models.ResourceFile(auto_storage_container_name=container.container_name, blob_prefix="in/", file_path="x")
    task = linked.run("find . -type f | sort | xargs cat", resource_files=[file])
    assert task.execution_info is not None
    assert task.execution_info.exit_code == 0
    assert linked.stdout() == "body of in/a.txtbody of in/deep/b.txt"
    # The link is made when the task runs; it is not shown.
    shown = linked.client.get_task("job", "task").resource_files or []
    assert [(item.auto_storage_container_name, item.storage_container_url) for item in shown] == [
        (container.container_name, None)
    ]


def test_a_blob_is_fetched_and_outputs_are_uploaded(
    linked: Account, container: ContainerClient, local_azure: LocalAzure
) -> None:
    container.upload_blob("in.txt", "hello")
    url = link(local_azure, container, "rwcl")
    base, _, signature = url.partition("?")
    target = models.OutputFileBlobContainerDestination(container_url=url, path="results")
    output = models.OutputFile(
        file_pattern="*.out",
        destination=models.OutputFileDestination(container=target),
        upload_options=models.OutputFileUploadConfiguration(upload_condition="TaskSuccess"),
    )
    source = models.ResourceFile(http_url=f"{base}/in.txt?{signature}", file_path="in.txt")
    task = linked.run("tr a-z A-Z < in.txt > x.out", resource_files=[source], output_files=[output])
    assert task.execution_info is not None
    assert task.execution_info.result == "success"
    assert container.download_blob("results/x.out").readall() == b"HELLO"


def test_a_missing_blob_fails_the_task_without_a_retry(linked: Account, container: ContainerClient) -> None:
    file = models.ResourceFile(http_url=f"{container.url}/nothing", file_path="x")
    limits = models.BatchTaskConstraints(max_task_retry_count=5)
    info = linked.run("true", resource_files=[file], constraints=limits).execution_info
    assert info is not None
    assert info.failure_info is not None
    assert (info.exit_code, info.retry_count, info.result) == (None, 0, "failure")
    assert info.failure_info.code in ("BlobNotFound", "BlobAccessDenied")


def test_without_a_linked_account_such_a_task_fails(batch: Account) -> None:
    file = models.ResourceFile(auto_storage_container_name="any")
    info = batch.run("true", resource_files=[file]).execution_info
    assert info is not None
    assert info.failure_info is not None
    assert (info.exit_code, info.failure_info.code) == (None, "BlobAccessDenied")


def test_an_application_package_that_does_not_exist_is_refused(batch: Account) -> None:
    references = [models.BatchApplicationPackageReference(application_id="nothing", version="1")]
    with pytest.raises(HttpResponseError) as caught:
        batch.make_pool(application_package_references=references)
    assert (caught.value.status_code, error_code(caught.value)) == (409, "InvalidApplicationPackageReferences")
    batch.make_job()
    with pytest.raises(HttpResponseError) as caught:
        batch.add_task("true", application_package_references=references)
    assert error_code(caught.value) == "InvalidApplicationPackageReferences"


def test_links_to_the_accounts_name_on_azure_lead_to_its_own_blobs(
    linked: Account, container: ContainerClient, local_azure: LocalAzure
) -> None:
    for name in ("a.txt", "deep/b c.txt"):
        container.upload_blob(name, name.upper())
    name, account = container.container_name, local_azure.endpoints.storage_account
    signature = link(local_azure, container, "rwcl").partition("?")[2]
    base = f"https://{account}.blob.core.windows.net/{name}"
    files = [
        models.ResourceFile(http_url=f"{base}/deep/b%20c.txt?{signature}", file_path="one.txt"),
        models.ResourceFile(storage_container_url=f"{base}?{signature}", file_path="all"),
    ]
    target = models.OutputFileBlobContainerDestination(container_url=f"{base}?{signature}", path="out.txt")
    output = models.OutputFile(
        file_pattern="out.txt",
        destination=models.OutputFileDestination(container=target),
        upload_options=models.OutputFileUploadConfiguration(upload_condition="TaskCompletion"),
    )
    task = linked.run('cat one.txt all/a.txt all/deep/"b c.txt" > out.txt', resource_files=files, output_files=[output])
    assert task.execution_info is not None
    assert task.execution_info.result == "success"
    assert container.download_blob("out.txt").readall() == b"DEEP/B C.TXTA.TXTDEEP/B C.TXT"
    # What the client gave is shown again as it was.
    shown = linked.client.get_task("job", "task").resource_files or []
    assert (shown[0].http_url or "").startswith("https://")


def test_a_link_that_cannot_be_followed_is_in_the_services_log_without_its_signature(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with logged_service(log) as endpoints, open_account(endpoints) as account:
        closed = f"{endpoints.batch_endpoint}/nothing/here?sig=secret"
        account.run("true", resource_files=[models.ResourceFile(http_url=closed, file_path="x")])
    (told,) = lines_with(log, "Task task of job job failed")
    assert "/nothing/here" in told
    assert "secret" not in told
