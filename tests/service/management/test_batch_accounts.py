"""Batch accounts through azure-mgmt-batch: their life, their keys, and what a region offers."""

import base64
import os
import signal
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.mgmt.batch import BatchManagementClient
from azure.mgmt.batch.models import (
    BatchAccount,
    BatchAccountCreateParameters,
    BatchAccountIdentity,
    BatchAccountRegenerateKeyParameters,
    BatchAccountUpdateParameters,
    CheckNameAvailabilityParameters,
)

from localbatch.launcher import LocalAzure
from localbatch.wire.connection import Endpoints
from tests.support.account import PATIENCE, error_code, open_account
from tests.support.management import GROUP, create_account, make_client, send
from tests.support.processes import wait_until

TYPE = "Microsoft.Batch/batchAccounts"
IDENTITY = f"/subscriptions/s/resourceGroups/{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/me"


@pytest.fixture(scope="module")
def client(service: Endpoints) -> Iterator[BatchManagementClient]:
    with make_client(service) as client:
        yield client


@pytest.fixture
def name(client: BatchManagementClient) -> str:
    """A name that no account has."""
    return f"acc{uuid.uuid4().hex[:12]}"


def create(client: BatchManagementClient, name: str, group: str = GROUP, **options: object) -> BatchAccount:
    parameters = BatchAccountCreateParameters({"location": "westeurope", **options})
    return client.batch_account.begin_create(group, name, parameters).result()


def opens(service: Endpoints, name: str, key: str | None) -> bool:
    """Whether a key opens an account on the data plane."""
    endpoints = replace(service, batch_key=key or "")
    with open_account(endpoints, name, keep=True) as batch:
        status = batch.send("GET", "/pools").status_code
    assert status in (200, 403)
    return status == 200


def test_an_account_is_created_as_it_was_asked_for(client: BatchManagementClient, name: str) -> None:
    created = create(client, name, tags={"a": "1"}, properties={"poolAllocationMode": "BatchService"})
    assert (created.name, created.type, created.location, created.tags) == (name, TYPE, "westeurope", {"a": "1"})
    assert created.provisioning_state == "Succeeded"
    assert client.batch_account.get(GROUP, name).as_dict() == created.as_dict()


def test_an_account_that_was_never_used_does_not_exist(client: BatchManagementClient, name: str) -> None:
    for call in (client.batch_account.get, client.batch_account.get_keys):
        with pytest.raises(ResourceNotFoundError, match="ResourceNotFound"):
            call(GROUP, name)
    with pytest.raises(ResourceNotFoundError, match="ResourceNotFound"):
        list(client.application.list(GROUP, name))


def test_an_account_exists_once_a_client_has_signed_with_its_name(
    client: BatchManagementClient, service: Endpoints, name: str
) -> None:
    with open_account(service, name) as batch:
        list(batch.client.list_pools())
    assert client.batch_account.get("whatever", name).name == name
    assert create(client, name, tags={"a": "1"}).tags == {"a": "1"}
    assert name in [account.name for account in client.batch_account.list()]


def test_creating_again_changes_nothing(client: BatchManagementClient, name: str) -> None:
    first = create(client, name, tags={"a": "1"})
    assert create(client, name, tags={"a": "1"}).as_dict() == first.as_dict()
    with pytest.raises(ResourceExistsError, match="AccountExists"):
        create(client, name, tags={"a": "2"})


def test_an_account_belongs_to_its_resource_group(client: BatchManagementClient, name: str) -> None:
    create(client, name, "mine")
    assert name in [account.name for account in client.batch_account.list_by_resource_group("MINE")]
    assert name not in [account.name for account in client.batch_account.list_by_resource_group(GROUP)]
    assert [account.id for account in client.batch_account.list() if account.name == name] == [
        client.batch_account.get("mine", name).id
    ]
    with pytest.raises(ResourceNotFoundError):
        client.batch_account.get(GROUP, name)
    with pytest.raises(ResourceExistsError, match="AccountNameTaken"):
        create(client, name)


def test_a_resource_group_may_have_any_name(client: BatchManagementClient, name: str) -> None:
    group = "(große) gruppe"
    assert create(client, name, group).id == client.batch_account.get(group, name).id
    client.batch_account.begin_delete(group, name).result()


def test_an_update_changes_what_it_names(client: BatchManagementClient, name: str) -> None:
    create(client, name, tags={"a": "1"})
    identity = BatchAccountIdentity({"type": "UserAssigned", "userAssignedIdentities": {IDENTITY: {}}})
    changed = client.batch_account.update(GROUP, name, BatchAccountUpdateParameters(identity=identity))
    assert changed.tags == {"a": "1"}
    assert changed.identity is not None
    assert [len(each.client_id or "") for each in (changed.identity.user_assigned_identities or {}).values()] == [36]
    assert client.batch_account.update(GROUP, name, BatchAccountUpdateParameters(tags={})).identity == changed.identity


@pytest.mark.parametrize(
    ("properties", "said"),
    [
        ({"poolAllocationMode": "UserSubscription"}, "UserSubscription as poolAllocationMode"),
        ({"publicNetworkAccess": "Disabled"}, "Disabled as publicNetworkAccess"),
        ({"encryption": {"keySource": "Microsoft.KeyVault"}}, "encryption.keySource"),
        ({"autoStorage": {"storageAccountId": "/x/storageAccounts/other"}}, "autoStorage.storageAccountId"),
        ({"networkProfile": {"accountAccess": {"defaultAction": "Deny"}}}, "networkProfile.accountAccess"),
        ({"allowedAuthenticationModes": ["AAD"]}, "--tokens"),
        ({"allowedAuthenticationModes": ["Password"]}, "must be one of"),
        ({"nonsense": 1}, "nonsense"),
    ],
)
def test_what_an_account_can_not_be_is_refused(
    client: BatchManagementClient, name: str, properties: dict[str, object], said: str
) -> None:
    with pytest.raises(HttpResponseError, match=said):
        create(client, name, properties=properties)
    assert client.location.check_name_availability(
        "x", CheckNameAvailabilityParameters(name=name, type=TYPE)
    ).name_available


def test_either_key_opens_an_account_until_it_is_regenerated(
    client: BatchManagementClient, service: Endpoints, name: str
) -> None:
    create_account(client, name)
    keys = client.batch_account.get_keys(GROUP, name)
    assert keys.account_name == name
    assert keys.primary == service.batch_key
    assert opens(service, name, keys.primary)
    assert opens(service, name, keys.secondary)
    for which in ("Primary", "Secondary"):
        choice = BatchAccountRegenerateKeyParameters(key_name=which)
        client.batch_account.regenerate_key(GROUP, name, choice)
    new = client.batch_account.get_keys(GROUP, name)
    assert [opens(service, name, key) for key in (keys.primary, keys.secondary)] == [False, False]
    assert [opens(service, name, key) for key in (new.primary, new.secondary)] == [True, True]


def test_the_keys_of_one_account_do_not_open_another(
    client: BatchManagementClient, service: Endpoints, name: str
) -> None:
    create_account(client, name)
    secondary = client.batch_account.get_keys(GROUP, name).secondary
    assert not opens(service, service.batch_account, secondary)


def test_a_deleted_account_is_gone_with_all_that_it_had(
    client: BatchManagementClient, service: Endpoints, name: str
) -> None:
    create_account(client, name)
    with open_account(service, name, keep=True) as batch:
        batch.make_pool()
        batch.make_job()
    client.batch_account.begin_delete(GROUP, name).result()
    with pytest.raises(ResourceNotFoundError):
        client.batch_account.get(GROUP, name)
    with open_account(service, name, keep=True) as batch:
        assert [*batch.client.list_pools(), *batch.client.list_jobs()] == []
    client.batch_account.begin_delete(GROUP, f"{name}x").result()


def test_without_a_storage_account_there_are_no_keys_to_synchronize(client: BatchManagementClient, name: str) -> None:
    create_account(client, name)
    with pytest.raises(ResourceExistsError, match="AutoStorageNotConfigured"):
        client.batch_account.synchronize_auto_storage_keys(GROUP, name)


def test_names_are_told_to_be_free_taken_or_none(client: BatchManagementClient, name: str) -> None:
    def check(asked: str) -> tuple[bool | None, object]:
        found = client.location.check_name_availability("x", CheckNameAvailabilityParameters(name=asked, type=TYPE))
        return found.name_available, found.reason

    create_account(client, name)
    assert [check(asked) for asked in (f"{name}x", name, "No Name")] == [
        (True, None),
        (False, "AlreadyExists"),
        (False, "Invalid"),
    ]


def test_a_region_lists_its_vm_sizes(client: BatchManagementClient) -> None:
    found = list(client.location.list_supported_virtual_machine_skus("westeurope", maxresults=50))
    sizes = {size.name: size for size in found}
    assert len(sizes) == len(found) > 200
    size = sizes["Standard_D2s_v3"]
    assert size.family_name == "standardDSv3Family"
    capabilities = {each.name: each.value for each in size.capabilities or []}
    assert (capabilities["vCPUs"], capabilities["MemoryGB"]) == ("2", "8")


def test_vm_sizes_are_filtered_by_family(client: BatchManagementClient) -> None:
    found = client.location.list_supported_virtual_machine_skus("x", filter="familyName eq 'standardHBv3Family'")
    assert {size.family_name for size in found} == {"standardHBv3Family"}
    with pytest.raises(HttpResponseError, match="InvalidQueryParameterValue"):
        list(client.location.list_supported_virtual_machine_skus("x", filter="cores eq 2"))


def test_quotas_and_operations_are_told(client: BatchManagementClient) -> None:
    assert client.location.get_quotas("westeurope").account_quota == 2**31 - 1
    assert "Microsoft.Batch/batchAccounts/pools/write" in [operation.name for operation in client.operations.list()]


@pytest.mark.parametrize(
    "content",
    [b"{", b"[]", b'{"location": 1}', b'{"tags": {}}', b'{"location": "\\ud800"}', b'{"location": "\\u0000"}', b"\xff"],
)
def test_a_malformed_body_is_refused(
    client: BatchManagementClient, service: Endpoints, name: str, content: bytes
) -> None:
    answer = send(client, service, "PUT", f"/batchAccounts/{name}", content)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "InvalidRequestContent")


def test_a_deletion_goes_on_after_kill_9(tmp_path: Path) -> None:
    azure = LocalAzure(root=tmp_path, storage=False, attach=False)
    try:
        with make_client(azure.endpoints) as client, open_account(azure.endpoints, "ending", keep=True) as batch:
            batch.make_pool()
            batch.make_job()
            batch.add_task("trap : TERM; while true; do sleep 0.1; done")
            batch.await_task(state="running")
            client.batch_account.begin_delete(GROUP, "ending", polling=False)
            with pytest.raises(HttpResponseError) as caught:
                batch.client.get_pool("pool")
            assert (caught.value.status_code, error_code(caught.value)) == (403, "AccountIsDisabled")
            assert client.batch_account.get(GROUP, "ending").provisioning_state == "Deleting"
            os.kill(azure.endpoints.pid, signal.SIGKILL)
    finally:
        azure.stop()
    with LocalAzure(root=tmp_path, storage=False, attach=False) as azure, make_client(azure.endpoints) as client:
        wait_until(lambda: "ending" not in [account.name for account in client.batch_account.list()], PATIENCE)
        with open_account(azure.endpoints, "ending", keep=True) as batch:
            assert [*batch.client.list_pools(), *batch.client.list_jobs()] == []


def test_accounts_keys_and_tokens_outlive_a_restart(tmp_path: Path) -> None:
    main = "localbatch"
    with LocalAzure(root=tmp_path, storage=False, attach=False) as azure, make_client(azure.endpoints) as client:
        credential = azure.management_credential()
        created = create(client, "durable", tags={"a": "1"})
        keys = client.batch_account.regenerate_key(GROUP, main, BatchAccountRegenerateKeyParameters(key_name="Primary"))
        assert keys.primary != azure.endpoints.batch_key
    with (
        LocalAzure(root=tmp_path, storage=False, attach=False) as azure,
        make_client(azure.endpoints, credential) as client,
    ):
        assert client.batch_account.get(GROUP, "durable").tags == created.tags
        assert azure.endpoints.batch_key == keys.primary
        assert opens(azure.endpoints, main, keys.primary)
    given = base64.b64encode(b"chosen").decode()
    with LocalAzure(root=tmp_path, storage=False, options=(f"--key={given}",), attach=False) as azure:
        assert azure.endpoints.batch_key == given
        assert [opens(azure.endpoints, main, key) for key in (given, keys.primary)] == [True, False]
