"""Application packages, published through azure-mgmt-batch as on Azure."""

import io
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator

import pytest
from azure.batch import BatchClient, models
from azure.core.credentials import AzureNamedKeyCredential
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.core.rest import HttpRequest
from azure.mgmt.batch import BatchManagementClient
from azure.mgmt.batch.models import (
    ActivateApplicationPackageParameters,
    Application,
    ApplicationProperties,
)
from azure.storage.blob import BlobClient

from localbatch.launcher import LocalAzure
from localbatch.wire.connection import Endpoints
from tests.support.management import GROUP, create_account, make_client
from tests.support.processes import wait_until

ZIP = ActivateApplicationPackageParameters(format="zip")


class Group:
    """The management client with the resource group filled in."""

    name = GROUP

    def __init__(self, client: BatchManagementClient, account: str) -> None:
        self.client = client
        self.account = account

    def create(self) -> None:
        """Creates the account."""
        create_account(self.client, self.account)

    def put_application(self, name: str, **properties: object) -> Application:
        body = Application(properties=ApplicationProperties(properties))
        return self.client.application.create(self.name, self.account, name, body)

    def publish(self, application: str, version: str, data: bytes) -> None:
        package = self.client.application_package.create(self.name, self.account, application, version)
        with BlobClient.from_blob_url(package.storage_url) as blob:
            blob.upload_blob(data, overwrite=True)
        self.client.application_package.activate(self.name, self.account, application, version, ZIP)


def open_batch(azure: LocalAzure, account: str) -> BatchClient:
    credential = AzureNamedKeyCredential(account, azure.endpoints.batch_key)
    return BatchClient(azure.endpoints.batch_endpoint, credential, retry_total=0)


@pytest.fixture(scope="module")
def azure() -> Iterator[LocalAzure]:
    with LocalAzure(attach=False) as azure:
        yield azure


@pytest.fixture
def client(azure: LocalAzure) -> Iterator[BatchManagementClient]:
    with make_client(azure.endpoints) as client:
        yield client


@pytest.fixture
def group(client: BatchManagementClient, request: pytest.FixtureRequest) -> Group:
    # An account for each test, which sees only its own applications.
    group = Group(client, f"test{abs(hash(request.node.name)):x}"[:20])
    group.create()
    return group


def make_zip(**files: str) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return data.getvalue()


def test_a_package_is_pending_until_it_is_uploaded_and_activated(group: Group) -> None:
    group.put_application("myapp")
    packages = group.client.application_package
    created = packages.create(group.name, group.account, "myapp", "1.0")
    assert created.state == "Pending"
    assert created.storage_url_expiry is not None

    with BlobClient.from_blob_url(created.storage_url) as blob:
        blob.upload_blob(make_zip(program="#!/bin/sh\n"))
    activated = packages.activate(group.name, group.account, "myapp", "1.0", ZIP)

    assert (activated.state, activated.format) == ("Active", "zip")
    found = packages.get(group.name, group.account, "myapp", "1.0")
    assert (found.name, found.state) == ("1.0", "Active")
    assert found.last_activation_time is not None


def test_what_was_uploaded_can_be_read_by_the_storage_url(group: Group) -> None:
    data = make_zip(program="content")
    group.put_application("readable")
    group.publish("readable", "1", data)
    url = group.client.application_package.get(group.name, group.account, "readable", "1").storage_url
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == data


def test_a_package_that_was_not_uploaded_is_not_activated(group: Group) -> None:
    group.put_application("myapp")
    group.client.application_package.create(group.name, group.account, "myapp", "1.0")
    with pytest.raises(HttpResponseError, match="has not been uploaded") as raised:
        group.client.application_package.activate(group.name, group.account, "myapp", "1.0", ZIP)
    assert raised.value.status_code == 409


def test_only_zip_is_activated(group: Group) -> None:
    group.put_application("myapp")
    group.client.application_package.create(group.name, group.account, "myapp", "1.0")
    with pytest.raises(HttpResponseError, match="must be 'zip'"):
        group.client.application_package.activate(
            group.name, group.account, "myapp", "1.0", ActivateApplicationPackageParameters(format="tar")
        )


def test_the_default_version_is_set_by_an_update(group: Group) -> None:
    group.put_application("myapp", displayName="My app")
    group.publish("myapp", "2", make_zip(a="a"))
    change = Application(properties=ApplicationProperties(default_version="2"))
    updated = group.client.application.update(group.name, group.account, "myapp", change)
    assert (updated.default_version, updated.display_name) == ("2", "My app")
    assert group.client.application.get(group.name, group.account, "myapp").default_version == "2"


def test_a_default_version_that_does_not_exist_is_refused(group: Group) -> None:
    group.put_application("myapp")
    change = Application(properties=ApplicationProperties(default_version="9"))
    with pytest.raises(ResourceNotFoundError, match="ApplicationPackageNotFound"):
        group.client.application.update(group.name, group.account, "myapp", change)


def test_a_locked_application_keeps_its_packages(group: Group) -> None:
    group.put_application("myapp", allowUpdates=False)
    group.client.application_package.create(group.name, group.account, "myapp", "1")
    with pytest.raises(HttpResponseError, match="does not allow updates") as raised:
        group.client.application_package.create(group.name, group.account, "myapp", "1")
    assert raised.value.status_code == 409


def test_a_package_created_again_is_pending_again(group: Group) -> None:
    group.put_application("myapp")
    group.publish("myapp", "1", make_zip(a="a"))
    again = group.client.application_package.create(group.name, group.account, "myapp", "1")
    assert again.state == "Pending"


def test_applications_and_packages_are_listed(group: Group) -> None:
    for name in ("beta", "alpha", "gamma"):
        group.put_application(name)
    for version in ("2", "1"):
        group.client.application_package.create(group.name, group.account, "beta", version)
    names = [found.name for found in group.client.application.list(group.name, group.account)]
    versions = [found.name for found in group.client.application_package.list(group.name, group.account, "beta")]
    assert (names, versions) == (["alpha", "beta", "gamma"], ["1", "2"])


def test_a_list_goes_on_over_all_pages(group: Group) -> None:
    for index in range(5):
        group.put_application(f"app{index}")
    names = [found.name for found in group.client.application.list(group.name, group.account, maxresults=2)]
    assert names == [f"app{index}" for index in range(5)]


def test_an_application_with_packages_is_not_deleted(group: Group) -> None:
    group.put_application("myapp")
    group.publish("myapp", "1", make_zip(a="a"))
    with pytest.raises(HttpResponseError, match="still has packages"):
        group.client.application.delete(group.name, group.account, "myapp")
    group.client.application_package.delete(group.name, group.account, "myapp", "1")
    group.client.application.delete(group.name, group.account, "myapp")
    assert list(group.client.application.list(group.name, group.account)) == []


def test_a_deleted_package_takes_its_blob_with_it(group: Group) -> None:
    group.put_application("myapp")
    group.publish("myapp", "1", make_zip(a="a"))
    url = group.client.application_package.get(group.name, group.account, "myapp", "1").storage_url
    group.client.application_package.delete(group.name, group.account, "myapp", "1")
    with BlobClient.from_blob_url(url) as blob:
        assert not blob.exists()


def test_what_is_not_there_is_deleted_without_complaint(group: Group) -> None:
    group.client.application.delete(group.name, group.account, "nothing")
    group.put_application("myapp")
    group.client.application_package.delete(group.name, group.account, "myapp", "1")


def test_the_default_version_is_not_deleted(group: Group) -> None:
    group.put_application("myapp")
    group.publish("myapp", "1", make_zip(a="a"))
    group.put_application("myapp", defaultVersion="1")
    with pytest.raises(HttpResponseError, match="default version"):
        group.client.application_package.delete(group.name, group.account, "myapp", "1")


def test_names_mean_the_same_in_any_case(group: Group) -> None:
    group.put_application("MyApp")
    found = group.client.application.get(group.name, group.account.upper(), "myapp")
    assert found.name == "MyApp"


def test_each_account_sees_its_own_applications(group: Group) -> None:
    group.put_application("myapp")
    another = Group(group.client, "another")
    another.create()
    with pytest.raises(ResourceNotFoundError, match="ApplicationNotFound"):
        group.client.application.get(group.name, another.account, "myapp")


def test_the_account_names_its_endpoint_and_its_storage(group: Group, azure: LocalAzure) -> None:
    account = group.client.batch_account.get(group.name, group.account)
    assert account.account_endpoint == azure.endpoints.batch_endpoint.removeprefix("http://")
    assert account.auto_storage is not None
    assert account.auto_storage.storage_account_id.endswith(f"/storageAccounts/{azure.endpoints.storage_account}")


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/batchAccounts/acc?api-version=2025-06-01", 401, "AuthenticationFailed"),
        ("/batchAccounts/acc", 401, "AuthenticationFailed"),
    ],
)
def test_without_a_token_nothing_is_answered(azure: LocalAzure, path: str, status: int, code: str) -> None:
    url = f"{azure.endpoints.batch_endpoint}/subscriptions/s/resourceGroups/g/providers/Microsoft.Batch{path}"
    with pytest.raises(urllib.error.HTTPError) as raised:
        urllib.request.urlopen(url)
    with raised.value as answer:
        assert answer.status == status
        assert code in answer.read().decode()


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/batchAccounts/acc/poool?api-version=2025-06-01", 404, "ResourceNotFound"),
        ("POST", "/batchAccounts/acc?api-version=2025-06-01", 405, "MethodNotAllowed"),
        ("GET", "/batchAccounts/acc/privateLinkResources?api-version=2025-06-01", 501, "NotEmulated"),
        ("GET", "/batchAccounts/acc", 400, "MissingApiVersionParameter"),
        ("GET", "/batchAccounts/acc?api-version=2025-06", 400, "InvalidApiVersionParameter"),
        ("GET", "/BATCHACCOUNTS/LOCALBATCH/Applications?API-VERSION=2025-06-01", 200, "value"),
        ("PUT", "/batchAccounts/acc/applications/a%20b?api-version=2025-06-01", 400, "InvalidResourceName"),
        ("PUT", "/batchAccounts/a?api-version=2025-06-01", 400, "3 to 24 letters and digits"),
        ("GET", "/batchAccounts/acc/applications/a%20b?api-version=2025-06-01", 404, "ResourceNotFound"),
        ("GET", f"/batchAccounts/localbatch/pools?maxresults={'9' * 5000}&api-version=2025-06-01", 400, "maxresults"),
        ("GET", f"/batchAccounts/localbatch/pools?$skipToken={'9' * 30}&api-version=2025-06-01", 400, "$skiptoken"),
        ("GET", f"/batchAccounts/localbatch/poolOperationResults/p-{'9' * 30}?api-version=2025-06-01", 204, ""),
    ],
)
def test_what_the_local_plane_lacks_is_said_in_arms_words(
    client: BatchManagementClient, azure: LocalAzure, method: str, path: str, status: int, code: str
) -> None:
    url = f"{azure.endpoints.batch_endpoint}/subscriptions/s/resourceGroups/g/providers/microsoft.batch{path}"
    answer = client.send_request(HttpRequest(method, url))
    assert answer.status_code == status
    assert code in answer.text()


def test_a_malformed_body_is_refused(client: BatchManagementClient, azure: LocalAzure) -> None:
    url = (
        f"{azure.endpoints.batch_endpoint}/subscriptions/s/resourceGroups/g/providers/Microsoft.Batch"
        "/batchAccounts/localbatch/applications/app?api-version=2025-06-01"
    )
    for content in (
        b"{",
        b"[]",
        b'{"properties": 5}',
        b'{"properties": {"allowUpdates": "maybe"}}',
        b'{"propertys": {}}',
    ):
        answer = client.send_request(HttpRequest("PUT", url, content=content))
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "InvalidRequestContent")
        assert "_" not in answer.json()["error"]["message"], "names of classes mean nothing to a client"


def test_without_storage_packages_are_refused_in_one_sentence(service: Endpoints) -> None:
    with make_client(service) as client:
        group = Group(client, "withoutstorage")
        group.create()
        group.put_application("myapp")
        with pytest.raises(HttpResponseError, match="--no-storage"):
            group.client.application_package.create(group.name, group.account, "myapp", "1")


def pool_with(application: str, version: str) -> models.BatchPoolCreateOptions:
    return models.BatchPoolCreateOptions(
        id="pool",
        vm_size="standard_d2s_v3",
        virtual_machine_configuration=models.VirtualMachineConfiguration(
            image_reference=models.BatchVmImageReference(
                publisher="canonical", offer="ubuntu-24_04-lts", sku="server", version="latest"
            ),
            node_agent_sku_id="batch.node.ubuntu 24.04",
        ),
        target_dedicated_nodes=1,
        application_package_references=[
            models.BatchApplicationPackageReference(application_id=application, version=version)
        ],
    )


def test_the_data_plane_lists_what_was_published(group: Group, azure: LocalAzure) -> None:
    group.put_application("myapp", displayName="My app")
    for version in ("1.0", "2.0"):
        group.publish("myapp", version, make_zip(a="a"))
    group.put_application("unpublished")
    group.client.application_package.create(group.name, group.account, "unpublished", "1")

    with open_batch(azure, group.account) as batch:
        listed = {found.id: list(found.versions) for found in batch.list_applications()}
        found = batch.get_application("myapp")

    assert listed["myapp"] == ["1.0", "2.0"]
    assert (found.display_name, list(found.versions)) == ("My app", ["1.0", "2.0"])


def test_a_task_runs_the_program_of_its_pools_package(group: Group, azure: LocalAzure) -> None:
    group.put_application("myapp")
    # Zips made on Windows or by zipfile carry no right to execute.
    group.publish("myapp", "1.0", make_zip(program="#!/bin/sh\necho from the package\n"))
    command = "/bin/bash -c '$AZ_BATCH_APP_PACKAGE_myapp_1_0/program'"
    with open_batch(azure, group.account) as batch:
        batch.create_pool(pool_with("myapp", "1.0"))
        batch.create_job(models.BatchJobCreateOptions(id="job", pool_info=models.BatchPoolInfo(pool_id="pool")))
        batch.create_task("job", models.BatchTaskCreateOptions(id="task", command_line=command))
        wait_until(lambda: batch.get_task("job", "task").state == models.BatchTaskState.COMPLETED, 30)
        task = batch.get_task("job", "task")
        output = b"".join(batch.download_task_file("job", "task", "stdout.txt"))
        batch.begin_delete_job("job")
        batch.begin_delete_pool("pool")

    assert task.execution_info is not None
    assert task.execution_info.exit_code == 0, task.execution_info.failure_info
    assert output == b"from the package\n"


def test_a_pool_with_a_package_that_is_not_active_is_refused(group: Group, azure: LocalAzure) -> None:
    group.put_application("myapp")
    group.client.application_package.create(group.name, group.account, "myapp", "1.0")
    with (
        open_batch(azure, group.account) as batch,
        pytest.raises(HttpResponseError, match="InvalidApplicationPackageReferences"),
    ):
        batch.create_pool(pool_with("myapp", "1.0"))
