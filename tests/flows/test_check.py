"""azure-batch-check: what works is told, and what does not with what to do; nothing is left behind."""

import re
import socket
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.storage.blob import ResourceTypes, generate_account_sas
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.flow_engine import run_flow_sync

from localbatch.launcher import LocalAzure
from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.blocks.azure_batch_pool import AzureBatchPool
from prefect_azure_batch.blocks.azure_storage import AzureStorageCredentials
from prefect_azure_batch.blocks.credentials import BatchSharedKey, StorageAccountKey, StorageSas
from prefect_azure_batch.blocks.pool_description import PoolDescription
from prefect_azure_batch.flows.account import local_account
from prefect_azure_batch.flows.check_flow import CHECKS, check_flow
from prefect_azure_batch.flows.check_parameters import CheckParameters
from prefect_azure_batch.flows.check_result import CheckResult, ChecksFailed
from prefect_azure_batch.tasks.checks import CheckFinding
from prefect_azure_batch.tasks.errors import BadInput

pytestmark = pytest.mark.usefixtures("prefect_server")

WRONG_KEY = "aGlkZGVuIGtleQ=="
NAMES = [*(check.name for check in CHECKS), "run"]

Saved = Callable[[AzureBatchAccount], str]


@pytest.fixture
def saved() -> Iterator[Saved]:
    """Saves account blocks under names of their own, and deletes them at the end."""
    names: list[str] = []

    def save(block: AzureBatchAccount) -> str:
        names.append(f"account-{uuid.uuid4()}")
        block.save(names[-1])
        return names[-1]

    yield save
    for name in names:
        AzureBatchAccount.delete(name)


def left_by_checks(account: AzureBatchAccount) -> list[str]:
    """What checks have made and not deleted."""
    client, storage = account.get_client(), account.storage.get_client()
    left = [job.id or "" for job in client.list_jobs() if job.state != "deleting"]
    left += [pool.id or "" for pool in client.list_pools() if pool.state != "deleting"]
    left += [container.name for container in storage.list_containers()]
    return [name for name in left if name.startswith("check-")]


def check(**asked: Any) -> CheckResult:
    """What a check finds, whether all is well or not."""
    try:
        result = check_flow(CheckParameters.model_validate(asked))
    except ChecksFailed as failed:
        return failed.result
    assert isinstance(result, CheckResult)
    return result


def states(result: CheckResult, state: str) -> list[str]:
    return [found.name for found in result.findings if found.state == state]


def the_failure(result: CheckResult, name: str, *secrets: str) -> CheckFinding:
    """The one failure of a result, which tells what to do and no secret."""
    assert [found.name for found in result.findings] == NAMES
    assert result.failed == [name]
    (found,) = (found for found in result.findings if found.name == name)
    for text in (found.seen, found.advice, found.command):
        assert len(text.splitlines()) <= 1
    assert found.advice
    told = "\n".join((*result.text(), *result.json_lines(), str(ChecksFailed(result))))
    assert [secret for secret in (*secrets, "sig=") if secret in told] == []
    return found


def with_storage(account: AzureBatchAccount, **fields: Any) -> AzureBatchAccount:
    """An account with another storage account."""
    storage = AzureStorageCredentials(**{"account_url": account.storage.account_url, **fields})
    return account.model_copy(update={"storage": storage})


def test_all_is_well_and_nothing_is_left(account: AzureBatchAccount, account_name: str | None) -> None:
    result = check(account=account_name)
    assert [found.name for found in result.findings] == NAMES
    assert result.failed == []
    assert "run" in states(result, "ok")
    assert left_by_checks(account) == []
    with get_client(sync_client=True) as client:
        shown = client.read_artifacts(artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=["batch-check"])))
    assert all(name in str(shown[-1].data) for name in NAMES)


def test_the_run_can_be_left_out(account: AzureBatchAccount, account_name: str | None) -> None:
    result = check(account=account_name, no_run=True)
    assert result.failed == []
    assert result.findings[-1] == CheckFinding("run", "skipped", "left out, as was asked for")
    assert left_by_checks(account) == []


def test_a_block_that_there_is_not_is_bad_input() -> None:
    with pytest.raises(BadInput, match="no Azure Batch account block named 'nobody'"):
        check_flow(CheckParameters(account="nobody"))


@pytest.fixture
def local(azure: LocalAzure) -> AzureBatchAccount:
    """The account of the local Azure, which can be broken at will."""
    return local_account(azure)


def test_a_wrong_batch_key(local: AzureBatchAccount, saved: Saved) -> None:
    wrong = BatchSharedKey(account_name=local.account_name, account_key=WRONG_KEY)
    result = check(account=saved(local.model_copy(update={"credential": wrong})))
    found = the_failure(result, "batch", WRONG_KEY)
    assert found.advice.startswith("The key is not one of the Batch account's")
    assert found.command.startswith("az batch account keys list --name localbatch --resource-group ")
    assert states(result, "ok") == ["block", "clock", "storage", "blobs", "links"]
    assert states(result, "skipped") == ["delegation", "management", "image", "quotas", "jobs", "pools", "run"]
    assert left_by_checks(local) == []


def test_a_wrong_storage_key(local: AzureBatchAccount, saved: Saved) -> None:
    wrong = StorageAccountKey(account_name=local.storage.account_name, account_key=WRONG_KEY)
    result = check(account=saved(with_storage(local, credential=wrong)))
    found = the_failure(result, "storage", WRONG_KEY)
    assert found.command == "az storage account keys list --account-name localstorage"
    assert states(result, "ok") == ["block", "clock", "batch", "image", "jobs", "pools"]
    assert "it needs" in result.findings[-1].seen
    assert left_by_checks(local) == []


def test_storage_that_cannot_be_reached(local: AzureBatchAccount, saved: Saved) -> None:
    with socket.socket() as nobody:  # bound, and never listening
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}/localstorage"
        result = check(account=saved(with_storage(local, account_url=url, credential=local.storage.credential)))
    found = the_failure(result, "storage")
    assert "Connection refused" in found.seen
    assert found.command == "az storage account show --name localstorage --query primaryEndpoints.blob -o tsv"
    assert states(result, "ok") == ["block", "clock", "batch", "image", "jobs", "pools"]


def make_sas(azure: LocalAzure, permissions: str) -> str:
    """A SAS for containers and blobs that lives for a day."""
    return generate_account_sas(
        azure.endpoints.storage_account,
        azure.endpoints.storage_key,
        resource_types=ResourceTypes(container=True, object=True),
        permission=permissions,
        expiry=datetime.now(UTC) + timedelta(days=1),
    )


def test_the_sas_that_is_advised_is_enough(local: AzureBatchAccount, azure: LocalAzure, saved: Saved) -> None:
    sas = StorageSas(sas_token=make_sas(azure, "cdlrw"))
    result = check(account=saved(with_storage(local, credential=sas)))
    assert result.failed == []
    assert "run" in states(result, "ok")
    assert left_by_checks(local) == []


def test_a_sas_that_permits_no_writing(local: AzureBatchAccount, azure: LocalAzure, saved: Saved) -> None:
    sas = make_sas(azure, "lr")
    result = check(account=saved(with_storage(local, credential=StorageSas(sas_token=sas))))
    found = the_failure(result, "blobs", sas)
    assert found.advice.startswith("The SAS does not permit that")
    assert found.command.startswith("az storage account generate-sas --account-name localstorage ")
    assert states(result, "ok") == ["block", "clock", "batch", "storage", "image", "jobs", "pools"]
    assert left_by_checks(local) == []


def test_a_clock_that_is_wrong(saved: Saved) -> None:
    with LocalAzure(options=("--clock-ahead-seconds=1200",), attach=False) as azure:
        result = check(account=saved(local_account(azure)))
        found = the_failure(result, "clock", azure.endpoints.batch_key, azure.endpoints.storage_key)
        assert re.search(r"1[12]\d\d s behind Batch, within 5 s of Storage", found.seen)
        assert found.command == "sudo timedatectl set-ntp true"
        assert states(result, "ok") == ["block"]


def test_an_image_that_there_is_not(local: AzureBatchAccount, account_name: str | None) -> None:
    result = check(account=account_name, new_pool={"image": "canonical:ubuntu-99_04-lts:server"})
    found = the_failure(result, "image")
    assert "canonical:ubuntu-24_04-lts:server" in found.seen  # one that there is
    assert "az batch pool supported-images list" in found.command
    assert states(result, "skipped") == ["delegation", "management", "quotas", "pools", "run"]
    assert left_by_checks(local) == []


def test_an_image_whose_support_has_ended(local: AzureBatchAccount, account_name: str | None) -> None:
    image = "canonical:ubuntuserver:18.04-lts"
    found = the_failure(check(account=account_name, new_pool={"image": image}, no_run=True), "image")
    assert "2023-04-01" in found.seen


@pytest.mark.parametrize(
    ("option", "name", "advice"),
    [
        ("--dedicated-core-quota=0", "run", "Ask for more cores"),
        ("--pool-quota=0", "pools", "The account has all the pools"),
        ("--job-quota=0", "jobs", "The account has all the active jobs"),
    ],
)
def test_a_quota_that_is_reached(saved: Saved, option: str, name: str, advice: str) -> None:
    with LocalAzure(options=(option,), attach=False) as azure:
        account = local_account(azure)
        result = check(account=saved(account))
        found = the_failure(result, name)
        assert found.advice.startswith(advice)
        assert found.command.startswith("az batch account ")
        assert {"block", "clock", "batch", "storage", "blobs", "links", "image"} <= set(states(result, "ok"))
        assert left_by_checks(account) == []


def test_an_allocation_that_fails(azure: LocalAzure, local: AzureBatchAccount) -> None:
    with get_client(sync_client=True) as client:
        flow_run = client.create_flow_run(check_flow)
    azure.fail_allocation(f"check-{flow_run.id}", code="AllocationFailed", message="The region is full.")
    with pytest.raises(ChecksFailed) as failed:
        run_flow_sync(check_flow, flow_run=flow_run, parameters={"run": CheckParameters()})
    found = the_failure(failed.value.result, "run")
    assert "The region is full" in found.seen
    assert found.command.startswith("az batch location list-skus --location ")
    assert left_by_checks(local) == []


def test_a_start_task_that_fails(local: AzureBatchAccount, account_name: str | None) -> None:
    pool = {"start_task": {"command": "echo no such driver >&2; exit 3"}}
    found = the_failure(check(account=account_name, new_pool=pool), "run")
    assert "exit code 3" in found.seen
    assert "no such driver" in found.seen
    assert found.advice.startswith("Mend the pool's start task")
    assert left_by_checks(local) == []


def test_a_pool_block_is_tried_with_one_node(local: AzureBatchAccount, account_name: str | None) -> None:
    name = f"pool-{uuid.uuid4()}"
    AzureBatchPool(pool=PoolDescription(spot_nodes=20, slots=2, autoscale={"scenario": "pending"})).save(name)
    result = check(account=account_name, pool_block=name)
    assert result.failed == []
    assert left_by_checks(local) == []
    AzureBatchPool.delete(name)
