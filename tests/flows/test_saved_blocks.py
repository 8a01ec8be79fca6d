"""Blocks stored by a Prefect server: secrets go there and come back, and are shown to nobody."""

from typing import Any

import pytest
from prefect.blocks.core import Block
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import BlockDocumentUpdate
from prefect.plugins import load_prefect_collections

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.blocks.azure_batch_pool import AzureBatchPool
from prefect_azure_batch.blocks.azure_storage import AzureStorageCredentials
from prefect_azure_batch.blocks.credentials import (
    BatchSharedKey,
    DefaultCredential,
    ServicePrincipal,
    StorageAccountKey,
    StorageSas,
)
from prefect_azure_batch.blocks.pool_description import PoolDescription
from prefect_azure_batch.flows.account import open_account
from prefect_azure_batch.flows.check_parameters import CheckParameters
from prefect_azure_batch.flows.pools import with_pool_block
from prefect_azure_batch.tasks.errors import BadInput

pytestmark = pytest.mark.usefixtures("prefect_server")

KEY = "aGlkZGVuIGtleQ=="
URL = "https://lab.blob.core.windows.net"


def storage(credential: Any) -> AzureStorageCredentials:
    return AzureStorageCredentials(account_url=URL, credential=credential)


def batch() -> AzureBatchAccount:
    return AzureBatchAccount(
        endpoint="https://lab.westeurope.batch.azure.com",
        credential=BatchSharedKey(account_name="lab", account_key=KEY),
        storage=storage(StorageAccountKey(account_name="lab", account_key=KEY)),
    )


@pytest.mark.parametrize(
    "credential",
    [
        StorageAccountKey(account_name="lab", account_key=KEY),
        StorageSas(sas_token=f"sv=1&ss=b&srt=co&sig={KEY}"),
        ServicePrincipal(tenant_id="t", client_id="c", client_secret=KEY),
        DefaultCredential(),
    ],
)
def test_a_saved_credential_comes_back_whole(credential: Any) -> None:
    storage(credential).save("kept", overwrite=True)
    loaded = AzureStorageCredentials.load("kept")
    assert isinstance(loaded, AzureStorageCredentials)
    assert loaded.credential == credential


def test_a_batch_account_brings_its_storage_along() -> None:
    batch().save("whole", overwrite=True)
    loaded = AzureBatchAccount.load("whole")
    assert isinstance(loaded, AzureBatchAccount)
    assert (loaded.credential, loaded.storage.credential) == (batch().credential, batch().storage.credential)


def test_a_batch_account_refers_to_a_storage_block_saved_before() -> None:
    batch().storage.save("shared", overwrite=True)
    saved = AzureStorageCredentials.load("shared")
    assert isinstance(saved, AzureStorageCredentials)
    batch().model_copy(update={"storage": saved}).save("referring", overwrite=True)
    loaded = AzureBatchAccount.load("referring")
    assert isinstance(loaded, AzureBatchAccount)
    assert loaded.storage.credential == batch().storage.credential


@pytest.mark.parametrize(
    "said",
    [
        {"nodes": 4, "autoscale": {"scenario": "pending"}},
        {"autoscale": {"formula": "$TargetDedicatedNodes = 1;"}},
        {"existing": "mine"},
        {"needs": {"cpus": 4}},
        {"mounts": [{"kind": "blob", "path": "data", "container": "data", "key_secret": "key"}]},
    ],
)
def test_a_saved_pool_says_no_more_than_was_said(said: dict[str, Any]) -> None:
    description = PoolDescription.model_validate(said)
    AzureBatchPool(pool=description).save("pool", overwrite=True)
    loaded = AzureBatchPool.load("pool")
    assert isinstance(loaded, AzureBatchPool)
    assert loaded.pool == description
    assert loaded.pool.model_fields_set == description.model_fields_set


def spoil(name: str, kind: str, **fields: Any) -> None:
    """Changes fields of a saved block as the form in Prefect's UI does: nothing checks them."""
    with get_client(sync_client=True) as client:
        saved = client.read_block_document_by_name(name, kind, include_secrets=True)
        data = {key: value for key, value in saved.data.items() if key != "storage"} | fields
        client.update_block_document(saved.id, BlockDocumentUpdate(data=data))


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        (
            {"endpoint": "lab.westeurope.batch.azure.com"},
            "endpoint: endpoint 'lab.westeurope.batch.azure.com' must begin",
        ),
        (
            {"credential": {"kind": "shared_key", "account_name": "lab", "account_key": "hidden!"}},
            "credential.shared_key.account_key: The account key is not base64",
        ),
    ],
)
def test_an_account_block_that_cannot_be_is_told_in_one_line(fields: dict[str, Any], complaint: str) -> None:
    batch().save("spoiled", overwrite=True)
    spoil("spoiled", "azure-batch-account", **fields)
    with (
        pytest.raises(BadInput, match="--account: the Azure Batch account block 'spoiled' cannot be used: ") as told,
        open_account("spoiled"),
    ):
        pass
    assert complaint in str(told.value)
    assert len(str(told.value).splitlines()) == 1
    assert "hidden" not in str(told.value)


def test_a_pool_block_that_cannot_be_is_told_in_one_line() -> None:
    AzureBatchPool(pool=PoolDescription(nodes=1)).save("spoiled", overwrite=True)
    spoil("spoiled", "azure-batch-pool", pool={"nodes": -1})
    with pytest.raises(BadInput) as told:
        with_pool_block(CheckParameters(pool_block="spoiled"))
    assert str(told.value).startswith("--pool-block: the Azure Batch Pool block 'spoiled' cannot be used: pool.nodes: ")


async def test_the_api_masks_secrets_for_those_who_do_not_ask_for_them() -> None:
    await batch().save("shown", overwrite=True)
    async with get_client() as client:
        documents = await client.read_block_documents(include_secrets=False)
    assert documents
    assert KEY not in "".join(document.model_dump_json() for document in documents)


def test_prefect_finds_the_blocks_by_their_entry_points() -> None:
    found = load_prefect_collections()
    modules = {getattr(module, "__name__", "") for module in found.values()}
    assert {"prefect_azure_batch.blocks.azure_batch", "prefect_azure_batch.blocks.azure_storage"} <= modules


async def test_a_block_loads_by_the_type_and_name_under_which_any_version_saved_it() -> None:
    # Prefect knows a saved block by its type's slug, whatever module its class was in.
    await batch().save("of-any-version", overwrite=True)
    loaded = await Block.load("azure-batch-account/of-any-version")
    assert isinstance(loaded, AzureBatchAccount)
    await loaded.storage.save("of-any-version", overwrite=True)
    assert isinstance(await Block.load("azure-storage-credentials/of-any-version"), AzureStorageCredentials)
