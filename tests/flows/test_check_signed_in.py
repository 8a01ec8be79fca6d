"""Where the block signs in by a token, as most accounts of Azure are used: azure-batch-check, and a private network."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from localbatch.launcher import LocalAzure
from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.blocks.azure_storage import AzureStorageCredentials
from prefect_azure_batch.blocks.credentials import ManagedIdentity
from prefect_azure_batch.flows.account import local_account
from prefect_azure_batch.flows.map_flow import map_flow
from prefect_azure_batch.flows.map_parameters import MapParameters
from prefect_azure_batch.flows.pool_file import read_pool_file
from tests.flows.conftest import left_behind
from tests.flows.test_check import check, left_by_checks, saved, states, the_failure
from tests.support.certificates import write_certificate
from tests.support.management import SUBSCRIPTION, token_key
from tests.support.signed_in import BATCH_HOST, MANAGEMENT_HOST, identity_endpoint, names_of_azure, signed_in_storage

__all__ = ["saved"]

pytestmark = pytest.mark.usefixtures("prefect_server")

PRIVATE = Path(__file__).resolve().parents[2] / "examples" / "pools" / "private.yaml"

SignedIn = Callable[..., AbstractContextManager[AzureBatchAccount]]


@pytest.fixture
def signed_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SignedIn:
    """An account that is signed in to by a managed identity, of a local Azure with such options."""

    @contextmanager
    def start(*options: str) -> Iterator[AzureBatchAccount]:
        certificate, key = write_certificate(tmp_path, BATCH_HOST, MANAGEMENT_HOST)
        hosts = (f"--host-name={BATCH_HOST}", f"--host-name={MANAGEMENT_HOST}")
        encrypted = (f"--certfile={certificate}", f"--keyfile={key}", *hosts)
        with LocalAzure(options=(*encrypted, *options), attach=False) as azure:
            port = urlsplit(azure.endpoints.batch_endpoint).port or 0
            with identity_endpoint(token_key(azure.endpoints)) as identity, names_of_azure(port) as names:
                for name, value in {**identity, **names, "REQUESTS_CA_BUNDLE": str(certificate)}.items():
                    monkeypatch.setenv(name, value)
                yield AzureBatchAccount(
                    endpoint=f"https://{BATCH_HOST}",
                    credential=ManagedIdentity(client_id=str(uuid.uuid4())),
                    storage=local_account(azure).storage,
                    subscription_id=SUBSCRIPTION,
                    resource_group="lab",
                )

    return start


def test_all_is_well_quotas_among_them(signed_in: SignedIn, saved: Callable[[AzureBatchAccount], str]) -> None:
    with signed_in("--tokens", "--dedicated-core-quota=8") as account:
        result = check(account=saved(account))
        assert result.failed == []
        assert states(result, "skipped") == ["delegation"]
        (quotas,) = (found for found in result.findings if found.name == "quotas")
        assert "2 dedicated cores more: 0 of 8 are taken" in quotas.seen
        assert left_by_checks(account) == []


def test_a_pool_of_a_private_network_with_an_identity_is_planned_and_runs(
    signed_in: SignedIn, saved: Callable[[AzureBatchAccount], str], two_files: Path, tmp_path: Path
) -> None:
    with signed_in("--tokens") as account:
        reference = account.storage.get_client().create_container("reference")
        reference.upload_blob("greeting.txt", b"hello ")
        asked = MapParameters(
            account=saved(account),
            inputs=[str(two_files)],
            command='cat "$AZ_BATCH_NODE_MOUNTS_DIR/reference/greeting.txt" {input}',
            new_pool=read_pool_file(str(PRIVATE)),
            nodes=1,
            results=str(tmp_path / "out"),
        )
        plan = map_flow(asked.model_copy(update={"plan": True})).plan
        assert plan is not None
        (pool,) = (call for call in plan.calls if call.service == "Resource Manager")
        assert pool.body is not None
        assert list(pool.body["identity"]["userAssignedIdentities"]) == list(asked.pool_description.identities)
        network = pool.body["properties"]["networkConfiguration"]
        assert network["publicIPAddressConfiguration"] == {"provision": "NoPublicIPAddresses"}
        assert "sig=" not in plan.model_dump_json()

        result = map_flow(asked)
        told = [Path(task.stdout or "").read_text() for task in result.tasks]
        assert told == ["hello " + path.read_text() for path in sorted(two_files.iterdir())]
        assert left_behind(account) == []


def test_storage_that_is_signed_in_to_gives_a_delegation_key_for_links(
    signed_in: SignedIn, saved: Callable[[AzureBatchAccount], str], tmp_path: Path
) -> None:
    with signed_in("--tokens") as account:
        files = tmp_path / "certificate.pem", tmp_path / "key.pem"
        with signed_in_storage(*files, tmp_path) as url:
            storage = AzureStorageCredentials(account_url=url, credential=account.credential)
            both = account.model_copy(update={"storage": storage})
            # Nodes do not trust the certificate of the test: their task is left out.
            result = check(account=saved(both), no_run=True)
            assert result.failed == []
            assert states(result, "skipped") == ["run"]
            assert left_by_checks(both) == []


def test_a_quota_of_no_core(signed_in: SignedIn, saved: Callable[[AzureBatchAccount], str]) -> None:
    with signed_in("--tokens", "--dedicated-core-quota=0") as account:
        result = check(account=saved(account))
        found = the_failure(result, "quotas")
        assert found.advice.startswith("Ask for more cores")
        assert found.command.startswith("az batch account show --name localbatch --resource-group lab --query ")
        assert states(result, "skipped") == ["delegation", "run"]
        assert left_by_checks(account) == []


def test_an_account_that_lets_the_identity_do_nothing(
    signed_in: SignedIn, saved: Callable[[AzureBatchAccount], str]
) -> None:
    with signed_in() as account:  # it takes no tokens
        found = the_failure(check(account=saved(account)), "batch")
    scope = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/lab/providers/Microsoft.Batch/batchAccounts/localbatch"
    assert isinstance(account.credential, ManagedIdentity)
    assert found.command == (
        f'az role assignment create --assignee {account.credential.client_id} --role "Azure Batch Data Contributor" '
        f"--scope {scope}"
    )
