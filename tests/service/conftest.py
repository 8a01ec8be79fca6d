"""What the tests of the local Batch service share: one running service, and an account of its own for each test."""

import uuid
from collections.abc import Iterator

import pytest
from azure.batch import BatchClient
from azure.storage.blob import BlobServiceClient, ContainerClient

from localbatch.launcher import LocalAzure
from localbatch.wire.connection import Endpoints
from tests.support.account import Account, open_account


@pytest.fixture(scope="session")
def service() -> Iterator[Endpoints]:
    """A Batch service without Blob service, for all tests that do not need one of their own."""
    with LocalAzure(storage=False, attach=False) as azure:
        yield azure.endpoints


@pytest.fixture
def batch(service: Endpoints) -> Iterator[Account]:
    """An account of the shared service that no other test sees."""
    with open_account(service) as account:
        yield account


@pytest.fixture
def client(batch: Account) -> BatchClient:
    """The official client of that account."""
    return batch.client


@pytest.fixture
def linked(local_azure: LocalAzure) -> Iterator[Account]:
    """An account whose service has a Blob service."""
    with open_account(local_azure.endpoints) as account:
        yield account


@pytest.fixture
def container(local_azure: LocalAzure) -> Iterator[ContainerClient]:
    """A new container of the linked storage account."""
    connection = local_azure.endpoints.storage_connection_string
    with BlobServiceClient.from_connection_string(connection) as blobs:
        yield blobs.create_container(f"c{uuid.uuid4().hex}")
