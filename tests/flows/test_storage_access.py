"""Runs whose nodes reach storage in each of the ways there are."""

import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import ResourceTypes, generate_account_sas

from localbatch.driver.blob_containers import AUTHORITIES_VARIABLE
from localbatch.launcher import LocalAzure
from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.blocks.azure_storage import AzureStorageCredentials
from prefect_azure_batch.blocks.credentials import BatchSharedKey, ManagedIdentity, StorageSas
from prefect_azure_batch.blocks.pool_description import PoolDescription
from prefect_azure_batch.flows.map_flow import map_flow
from prefect_azure_batch.flows.map_parameters import MapParameters
from prefect_azure_batch.flows.plan import PlanRefused
from prefect_azure_batch.flows.results import MapResult, TasksFailed
from prefect_azure_batch.tasks.cleanup import delete_created
from prefect_azure_batch.tasks.errors import BadInput
from prefect_azure_batch.tasks.findings import Finding
from prefect_azure_batch.tasks.records import Created, PoolPlan
from tests.flows.conftest import left_behind
from tests.support.certificates import write_certificate
from tests.support.delegation import identity_endpoint, oauth_azurite
from tests.support.identities import IDENTITY, OTHER, make_identity_pool

pytestmark = pytest.mark.usefixtures("prefect_server")

HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Asked:
    """Runs a map of two inputs on an account."""

    account: AzureBatchAccount
    files: Path
    directory: Path

    def __call__(self, **parameters: Any) -> MapResult:
        # A copy of a block that was saved under another name would be saved there again.
        AzureBatchAccount(**dict(self.account)).save("accessing", overwrite=True)
        (self.directory / "app").mkdir(exist_ok=True)
        (self.directory / "app" / "count").write_text('wc -c < "$1"')
        given = {
            "account": "accessing",
            "inputs": [str(self.files)],
            "app": str(self.directory / "app"),
            "command": "bash {app}/count {input} > 'the size'",
            "outputs": ["the size"],
            "results": str(self.directory / "out"),
            "resume": False,
        }
        return map_flow(MapParameters.model_validate(given | parameters))

    def made(self) -> list[str]:
        """All that there is in Azure."""
        service = self.account.storage.get_client()
        containers = [container.name for container in service.list_containers()]
        blobs = [name for each in containers for name in service.get_container_client(each).list_blob_names()]
        client = self.account.get_client()
        jobs, pools = [str(job.id) for job in client.list_jobs()], [str(pool.id) for pool in client.list_pools()]
        return [*containers, *blobs, *jobs, *pools]


def planned(asked: Asked, **parameters: Any) -> Finding:
    """What a plan says of storage; its requests show no signature."""
    plan = asked(plan=True, **parameters).plan
    assert plan is not None
    (finding,) = (finding for finding in plan.findings if finding.what == "storage")
    has_links = finding.text.startswith("links")
    assert set(re.findall(r"sig=.{8}", plan.model_dump_json())) == ({"sig=(hidden)"} if has_links else set())
    return finding


def sizes(result: MapResult) -> list[int]:
    return [int(Path(task.outputs[0]).read_text()) for task in result.tasks]


def sas(account: AzureBatchAccount, rights: str = "rcwdl", life: timedelta = 26 * HOUR) -> AzureBatchAccount:
    """The account with nothing but a signature for its storage."""
    storage = account.storage
    token = generate_account_sas(
        storage.account_name,
        storage.credential.account_key.get_secret_value(),  # type: ignore[union-attr]
        ResourceTypes(container=True, object=True),
        rights,
        datetime.now(UTC) + life,
    )
    by_sas = AzureStorageCredentials(account_url=storage.blob_endpoint, credential=StorageSas(sas_token=token))
    return account.model_copy(update={"storage": by_sas})


@pytest.mark.parametrize("results", [None, "az://by-sas/out"])
def test_a_signature_with_the_rights_that_are_named_suffices_for_a_whole_run(
    account: AzureBatchAccount, two_files: Path, tmp_path: Path, results: str | None
) -> None:
    result = Asked(sas(account), two_files, tmp_path)(keep=0, results=results or str(tmp_path / "out"))
    assert (result.counts.succeeded, result.leftovers) == (2, [])
    assert results or sizes(result) == [5, 10]
    assert left_behind(account) == []


@pytest.mark.parametrize(
    ("rights", "life", "complaint"),
    [
        ("rcwl", 26 * HOUR, r"does not permit d \(delete\)"),
        ("rl", 26 * HOUR, r"does not permit c \(create\), w \(write\), d \(delete\)"),
        ("rcwdl", 24 * HOUR, r"ends at .* UTC, and the run needs it until .* UTC: ask for --hours 22 at most"),
        ("rcwdl", HOUR, r"ends at .* UTC, and the run needs it until .* UTC: make another"),
    ],
)
def test_a_signature_that_falls_short_is_refused_before_anything_is_made(
    account: AzureBatchAccount,
    two_files: Path,
    tmp_path: Path,
    rights: str,
    life: timedelta,
    complaint: str,
) -> None:
    asked = Asked(sas(account, rights, life), two_files, tmp_path)
    before = Asked(account, two_files, tmp_path).made()
    with pytest.raises(BadInput, match=complaint) as refused:
        asked()
    assert "\n" not in str(refused.value)
    assert "sig=" not in str(refused.value)
    assert Asked(account, two_files, tmp_path).made() == before


@pytest.fixture(scope="module")
def signed_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AzureBatchAccount]:
    """An account whose storage knows this machine's identity and no key."""
    certificate, key = write_certificate(tmp_path_factory.mktemp("certificate"))
    with (
        pytest.MonkeyPatch.context() as patch,
        identity_endpoint() as machine,
        oauth_azurite(certificate, key) as storage,
    ):
        for name, value in {**machine, "REQUESTS_CA_BUNDLE": str(certificate)}.items():
            patch.setenv(name, value)
        patch.setenv(AUTHORITIES_VARIABLE, str(certificate))
        with LocalAzure(storage=False, attach=False) as azure:
            found = azure.endpoints
            yield AzureBatchAccount(
                endpoint=found.batch_endpoint,
                credential=BatchSharedKey(account_name=found.batch_account, account_key=found.batch_key),
                storage=AzureStorageCredentials(account_url=storage.blob_endpoint, credential=ManagedIdentity()),
            )


def test_who_signs_in_without_a_key_runs_by_user_delegation(
    signed_in: AzureBatchAccount, two_files: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    asked = Asked(signed_in, two_files, tmp_path)
    assert planned(asked, hours=166).text.startswith("links: user delegation, read on each blob, create and write on ")
    start_task = {"command": "test -e a.txt", "files": [str(two_files / "a.txt")]}
    with caplog.at_level("INFO"):
        result = asked(hours=166, new_pool={"nodes": 1, "start_task": start_task})
    assert sizes(result) == [5, 10]
    assert left_behind(signed_in) == []
    assert "links: user delegation, read on each blob, create and write on the container of results" in caplog.text
    assert "sig=" not in caplog.text


def test_a_run_longer_than_any_user_delegation_is_refused_before_anything_is_made(
    signed_in: AzureBatchAccount, two_files: Path, tmp_path: Path
) -> None:
    asked = Asked(signed_in, two_files, tmp_path)
    before = asked.made()
    with pytest.raises(BadInput, match=r"live for seven days at most.*: ask for --hours 166 at most, "):
        asked(hours=167)
    with pytest.raises(PlanRefused, match=r"storage: Links .* live for seven days at most"):
        asked(hours=167, plan=True)
    assert asked.made() == before


@pytest.fixture(scope="module")
def identity_pool(local_azure: LocalAzure, account: AzureBatchAccount) -> Iterator[str]:
    plan = PoolPlan(
        f"pool-{uuid.uuid4()}", PoolDescription(nodes=1, identities=(OTHER, IDENTITY)), run_id=f"run-{uuid.uuid4()}"
    )
    yield make_identity_pool(local_azure, account, plan)
    delete_created(account, Created(pool_id=plan.pool_id))


def test_nodes_with_an_identity_run_with_no_link_at_all(
    account: AzureBatchAccount, identity_pool: str, two_files: Path, tmp_path: Path
) -> None:
    asked, pool = Asked(account, two_files, tmp_path), {"existing": identity_pool, "storage_identity": IDENTITY}
    assert planned(asked, new_pool=pool).text == "by the nodes' identity Nodes, as its roles permit; no links"
    assert sizes(asked(new_pool=pool)) == [5, 10]
    with pytest.raises(TasksFailed) as failed:
        asked(new_pool=pool, command="cat {input}; exit 3")
    assert [task.exit_code for task in failed.value.result.tasks] == [3, 3]
    assert [Path(task.stdout or "").read_text() for task in failed.value.result.tasks] == ["alpha", "beta gamma"]


def test_an_identity_that_reaches_no_storage_fails_with_what_to_do(
    account: AzureBatchAccount, signed_in: AzureBatchAccount, identity_pool: str, two_files: Path, tmp_path: Path
) -> None:
    # Here the identities of a pool reach the storage account beside the Batch account, and no other.
    elsewhere = account.model_copy(update={"storage": signed_in.storage})
    pool = {"existing": identity_pool, "storage_identity": OTHER}
    with pytest.raises(TasksFailed) as failed:
        Asked(elsewhere, two_files, tmp_path)(new_pool=pool, app=None, command="cat {input}", outputs=[])
    for task in failed.value.result.tasks:
        assert task.error is not None
        assert re.search(r"BlobAccessDenied: .* or the identity of the nodes has no role there: docs/", task.error)


def test_an_identity_that_the_pool_has_not_is_refused_before_anything_is_made(
    account: AzureBatchAccount, identity_pool: str, two_files: Path, tmp_path: Path
) -> None:
    asked = Asked(account, two_files, tmp_path)
    before = asked.made()
    with pytest.raises(BadInput, match=r"storage_identity: the nodes of pool .* have no identity"):
        asked(new_pool={"existing": identity_pool, "storage_identity": f"{IDENTITY}-of-another"})
    assert asked.made() == before
