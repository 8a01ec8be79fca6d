"""What the tests of the local Batch service share: one running service, and an account of its own for each test."""

from collections.abc import Iterator

import pytest
from azure.batch import BatchClient

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
