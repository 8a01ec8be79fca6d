"""Bearer tokens on both planes: over https with a certificate of one's own, and over http where that is asked for."""

import base64
import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from azure.batch import BatchClient
from azure.batch.aio import BatchClient as AsyncBatchClient
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ServiceRequestError
from azure.core.rest import HttpRequest, HttpResponse
from azure.mgmt.batch import BatchManagementClient
from azure.mgmt.batch.models import BatchAccountUpdateParameters, BatchAccountUpdateProperties

from localbatch.launcher import LocalAzure
from localbatch.wire.connection import Endpoints
from localbatch.wire.tokens import BATCH_AUDIENCE, MANAGEMENT_AUDIENCES, make_token
from tests.support.account import open_account
from tests.support.certificates import write_certificate
from tests.support.management import create_account, make_client, token_key

HOUR = timedelta(hours=1)


class Given:
    """A credential that hands out one token."""

    def __init__(self, token: str) -> None:
        self.token = token

    def get_token(self, *scopes: str, **kwargs: Any) -> AccessToken:
        return AccessToken(self.token, 2**33)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module")
def azure(files: tuple[Path, Path]) -> Iterator[LocalAzure]:
    options = ("--tokens", f"--certfile={files[0]}", f"--keyfile={files[1]}")
    with LocalAzure(storage=False, driver="simulated", options=options, attach=False) as azure:
        yield azure


@pytest.fixture(scope="module")
def plain() -> Iterator[LocalAzure]:
    with LocalAzure(storage=False, driver="simulated", options=("--tokens",), attach=False) as azure:
        yield azure


def make(azure: LocalAzure, audience: str = BATCH_AUDIENCE, begin: timedelta = timedelta(0)) -> str:
    return make_token(token_key(azure.endpoints), audience, datetime.now(UTC) + begin)


def answer_to(error: ClientAuthenticationError) -> HttpResponse:
    return cast(HttpResponse, error.response)


def test_a_client_with_a_token_works_over_https(azure: LocalAzure, files: tuple[Path, Path]) -> None:
    credential = azure.batch_credential()
    with BatchClient(azure.endpoints.batch_endpoint, credential, connection_verify=str(files[0])) as client:
        assert list(client.list_pools()) == []
        assert len(list(client.list_supported_images())) > 1


async def test_an_asynchronous_client_with_a_token_works_over_https(
    azure: LocalAzure, files: tuple[Path, Path]
) -> None:
    endpoint, trusted = azure.endpoints.batch_endpoint, str(files[0])
    async with (
        azure.async_credential() as credential,
        AsyncBatchClient(endpoint, credential, connection_verify=trusted) as client,
    ):
        assert [job async for job in client.list_jobs()] == []


def test_the_management_client_works_over_https(azure: LocalAzure, files: tuple[Path, Path]) -> None:
    credential, url = azure.management_credential(), azure.endpoints.batch_endpoint
    with BatchManagementClient(credential, "any", base_url=url, connection_verify=str(files[0])) as client:
        account = client.batch_account.get("any", azure.endpoints.batch_account)
    assert account.allowed_authentication_modes == ["SharedKey", "AAD"]


def test_over_http_a_token_is_sent_where_that_is_asked_for(plain: LocalAzure) -> None:
    with BatchClient(plain.endpoints.batch_endpoint, plain.batch_credential(), retry_total=0) as client:
        assert list(client.list_pools(enforce_https=False)) == []
        with pytest.raises(ServiceRequestError, match="non-TLS"):
            list(client.list_pools())


def test_tokens_are_for_the_account_of_the_service_or_that_of_the_host(plain: LocalAzure) -> None:
    with open_account(plain.endpoints, plain.endpoints.batch_account) as main, open_account(plain.endpoints) as other:
        main.make_job("of-main")
        other.make_job("of-other")
        with BatchClient(plain.endpoints.batch_endpoint, plain.batch_credential()) as client:
            assert client.get_job("of-main", enforce_https=False).id == "of-main"
            request = HttpRequest(
                "GET", "/jobs?api-version=2025-06-01", headers={"Host": f"{other.name}.local.localhost"}
            )
            answer = client.send_request(request, enforce_https=False)
            answer.raise_for_status()
            assert [job["id"] for job in answer.json()["value"]] == ["of-other"]


def test_an_account_may_be_closed_to_signatures_or_to_tokens(plain: LocalAzure) -> None:
    name, group = f"acc{uuid.uuid4().hex[:12]}", "any"
    host = {"Host": f"{name}.localhost"}
    with (
        make_client(plain.endpoints) as management,
        open_account(plain.endpoints, name, keep=True) as signing,
        BatchClient(plain.endpoints.batch_endpoint, plain.batch_credential(), retry_total=0) as client,
    ):

        def statuses(*modes: str) -> list[int]:
            properties = BatchAccountUpdateProperties(allowed_authentication_modes=list(modes))
            management.batch_account.update(group, name, BatchAccountUpdateParameters(properties=properties))
            request = HttpRequest("GET", "/pools?api-version=2025-06-01", headers=host)
            try:
                by_token = client.send_request(request, enforce_https=False).status_code
            except HttpResponseError as error:
                by_token = error.status_code or 0
            return [signing.send("GET", "/pools").status_code, by_token]

        create_account(management, name, group)
        assert statuses("SharedKey", "AAD") == [200, 200]
        assert statuses("AAD") == [403, 200]
        assert statuses("SharedKey", "TaskAuthenticationToken") == [200, 403]


@pytest.mark.parametrize(
    ("audience", "begin", "reason"),
    [
        (BATCH_AUDIENCE, -2 * HOUR, "expired"),
        (BATCH_AUDIENCE, HOUR, "not valid yet"),
        (MANAGEMENT_AUDIENCES[0], timedelta(0), "wrong audience"),
    ],
)
def test_a_token_that_does_not_hold_is_refused(plain: LocalAzure, audience: str, begin: timedelta, reason: str) -> None:
    with (
        BatchClient(plain.endpoints.batch_endpoint, Given(make(plain, audience, begin)), retry_total=0) as client,
        pytest.raises(ClientAuthenticationError, match="AuthenticationFailed") as caught,
    ):
        client.get_pool("pool", enforce_https=False)
    assert caught.value.status_code == 401
    answer = answer_to(caught.value)
    assert f'resource_id="{BATCH_AUDIENCE}"' in answer.headers["WWW-Authenticate"]
    assert reason in answer.text()


def test_a_token_that_was_tampered_with_is_refused(plain: LocalAzure) -> None:
    head, claims, signature = make(plain).split(".")
    changed = json.loads(base64.urlsafe_b64decode(f"{claims}==")) | {"exp": 2**40}
    forged = base64.urlsafe_b64encode(json.dumps(changed).encode()).decode().rstrip("=")
    with (
        BatchClient(plain.endpoints.batch_endpoint, Given(f"{head}.{forged}.{signature}"), retry_total=0) as client,
        pytest.raises(ClientAuthenticationError, match="AuthenticationFailed"),
    ):
        client.get_pool("pool", enforce_https=False)


def test_tokens_are_refused_unless_they_are_switched_on(service: Endpoints) -> None:
    token = make_token(token_key(service), BATCH_AUDIENCE, datetime.now(UTC))
    with (
        BatchClient(service.batch_endpoint, Given(token), retry_total=0) as client,
        pytest.raises(ClientAuthenticationError) as caught,
    ):
        client.get_pool("pool", enforce_https=False)
    assert "--tokens" in answer_to(caught.value).text()


@pytest.mark.parametrize(
    ("audience", "begin", "code"),
    [
        (BATCH_AUDIENCE, timedelta(0), "InvalidAuthenticationTokenAudience"),
        (MANAGEMENT_AUDIENCES[1], -2 * HOUR, "ExpiredAuthenticationToken"),
        (MANAGEMENT_AUDIENCES[1], HOUR, "InvalidAuthenticationToken"),
    ],
)
def test_the_management_plane_checks_tokens_too(plain: LocalAzure, audience: str, begin: timedelta, code: str) -> None:
    credential = Given(make(plain, audience, begin))
    with (
        BatchManagementClient(credential, "any", base_url=plain.endpoints.batch_endpoint, retry_total=0) as client,
        pytest.raises(ClientAuthenticationError, match=code),
    ):
        client.batch_account.get("any", "localbatch", enforce_https=False)
