"""Every operation that azure-mgmt-batch can call has an answer of its own."""

import inspect
from collections.abc import Callable, Iterator

import pytest
from azure.core.rest import HttpRequest
from azure.mgmt.batch import BatchManagementClient
from azure.mgmt.batch.operations import _operations

from localbatch.wire.connection import Endpoints
from tests.support.management import make_client

BUILDERS = {
    name.removeprefix("build_").removesuffix("_request"): builder
    for name, builder in inspect.getmembers(_operations, inspect.isfunction)
    if name.startswith("build_")
}
NOT_EMULATED = ("detector", "outbound_network", "private_link", "private_endpoint", "network_security_perimeter")


@pytest.fixture(scope="module")
def client(service: Endpoints) -> Iterator[BatchManagementClient]:
    with make_client(service) as client:
        yield client


def test_all_operations_are_looked_at() -> None:
    assert len(BUILDERS) == 42


@pytest.mark.parametrize("name", sorted(BUILDERS))
def test_an_operation_is_answered_or_refused_by_name(
    service: Endpoints, client: BatchManagementClient, name: str
) -> None:
    request = build(BUILDERS[name])
    request.url = f"{service.batch_endpoint}{request.url}"
    answer = client.send_request(request)
    if any(part in name for part in NOT_EMULATED):
        assert (answer.status_code, answer.json()["error"]["code"]) == (501, "NotEmulated")
    else:
        assert answer.status_code in (200, 202, 204, 400, 404, 409)
        assert "There is no resource" not in answer.text()
        assert answer.headers["x-ms-request-id"]


def build(builder: Callable[..., HttpRequest]) -> HttpRequest:
    """Makes the request of an operation, with names that say nothing."""
    parameters = inspect.signature(builder).parameters.values()
    names = [each.name for each in parameters if each.default is each.empty and each.kind is each.POSITIONAL_OR_KEYWORD]
    return builder(*("nosuchname" for _ in names))
