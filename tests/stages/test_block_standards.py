"""Prefect's own requirements of a block, and what the form in its UI and its store make of ours."""

from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import pytest
from prefect.blocks.core import Block
from prefect.testing.standard_test_suites.blocks import BlockStandardTestSuite

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.blocks.azure_batch_pool import AzureBatchPool
from prefect_azure_batch.blocks.azure_storage import AzureStorageCredentials
from prefect_azure_batch.blocks.credentials import (
    BatchSharedKey,
    DefaultCredential,
    ManagedIdentity,
    ServicePrincipal,
    StorageAccountKey,
    StorageConnectionString,
    StorageSas,
)

KINDS = [
    BatchSharedKey,
    DefaultCredential,
    ManagedIdentity,
    ServicePrincipal,
    StorageAccountKey,
    StorageConnectionString,
    StorageSas,
]


class _Standards(BlockStandardTestSuite):
    def test_has_a_valid_image(self, block: type[Block]) -> None:
        """Takes the place of a test that downloads the picture."""
        address = urlsplit(str(block._logo_url))
        assert (address.scheme, PurePosixPath(address.path).suffix) == ("https", ".png")


class TestStorageBlock(_Standards):
    @pytest.fixture
    def block(self) -> type[Block]:
        return AzureStorageCredentials


class TestBatchBlock(_Standards):
    @pytest.fixture
    def block(self) -> type[Block]:
        return AzureBatchAccount


class TestPoolBlock(_Standards):
    @pytest.fixture
    def block(self) -> type[Block]:
        return AzureBatchPool


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_of_a_credential_has_a_description(kind: Any) -> None:
    assert [name for name, field in kind.model_fields.items() if not (field.description or "").endswith(".")] == []


@pytest.mark.parametrize(
    ("block", "secrets"),
    [
        (
            AzureStorageCredentials,
            {
                "credential.account_key",
                "credential.connection_string",
                "credential.sas_token",
                "credential.client_secret",
            },
        ),
        (AzureBatchAccount, {"credential.account_key", "credential.client_secret"}),
    ],
)
def test_prefect_knows_every_secret_field_and_encrypts_it(block: type[Block], secrets: set[str]) -> None:
    known = set(block.model_json_schema()["secret_fields"])
    assert secrets <= known


def test_the_names_do_not_collide_with_blocks_of_prefect_azure() -> None:
    slugs = {AzureStorageCredentials.get_block_type_slug(), AzureBatchAccount.get_block_type_slug()}
    assert slugs == {"azure-storage-credentials", "azure-batch-account"}
