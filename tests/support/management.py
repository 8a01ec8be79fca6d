"""The management plane of a local Azure, as its tests reach it."""

from pathlib import Path

from azure.core.credentials import TokenCredential
from azure.core.pipeline import PipelineRequest
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.core.rest import HttpRequest, HttpResponse
from azure.mgmt.batch import BatchManagementClient
from azure.mgmt.batch.models import BatchAccountCreateParameters

from localbatch.credentials import LocalCredential
from localbatch.wire.connection import TOKEN_KEY_FILE, Endpoints

SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
GROUP = "any-group"


class PlainHttp(SansIOHTTPPolicy):  # type: ignore[type-arg]
    """Lets a token pass over http; the other end is this machine."""

    def on_request(self, request: PipelineRequest) -> None:  # type: ignore[type-arg]
        request.context.options["enforce_https"] = False


def make_client(service: Endpoints, credential: TokenCredential | None = None) -> BatchManagementClient:
    """Makes a client that tries once."""
    return BatchManagementClient(
        credential or LocalCredential(token_key(service)),
        SUBSCRIPTION,
        base_url=service.batch_endpoint,
        per_call_policies=[PlainHttp()],
        retry_total=0,
    )


def create_account(client: BatchManagementClient, name: str, group: str = GROUP) -> None:
    """Creates an account, unless it is there."""
    parameters = BatchAccountCreateParameters(location="westeurope")
    client.batch_account.begin_create(group, name, parameters, polling=False)


def token_key(service: Endpoints) -> bytes:
    """Returns what the service's tokens are signed with."""
    return bytes.fromhex((Path(service.root) / TOKEN_KEY_FILE).read_text())


def send(
    client: BatchManagementClient, service: Endpoints, method: str, path: str, content: bytes | None = None
) -> HttpResponse:
    """Sends a request of one's own making; the path begins behind the provider of the resource group."""
    separator = "&" if "?" in path else "?"
    url = f"{service.batch_endpoint}/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers"
    request = HttpRequest(method, f"{url}/Microsoft.Batch{path}{separator}api-version=2025-06-01", content=content)
    return client.send_request(request)
