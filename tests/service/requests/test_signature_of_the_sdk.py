"""What the official SDK signs, verified as it arrives over a socket; so the recipe is the SDK's and not just ours."""

import base64
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from azure.batch import BatchClient
from azure.batch import models as batch
from azure.core import MatchConditions
from azure.core.credentials import AzureNamedKeyCredential
from azure.core.exceptions import HttpResponseError

from localbatch.wire.errors import ServiceError, error_body
from localbatch.wire.formats import JsonObject
from localbatch.wire.signature import verify

KEY = b"0123456789abcdef0123456789abcdef"
ODD_POOL = "a pool/ü+%2F?#é"
ODD_FILE = "wd/a b+c%2F/é&=;'\"#?.txt"


@dataclass
class Arrivals:
    """What came in: request targets with the accounts they were signed for."""

    targets: list[str] = field(default_factory=list)
    accounts: list[str] = field(default_factory=list)


class Listener(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answerer)
        self.arrivals = Arrivals()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answerer(BaseHTTPRequestHandler):
    """Verifies each request and answers with as little as the SDK is content with."""

    def answer(self) -> None:
        assert isinstance(self.server, Listener)
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        path, _, query = self.path.partition("?")
        now = datetime.now(UTC)
        try:
            account = verify(self.command, path, query, dict(self.headers.items()), [KEY], now)
        except ServiceError as error:
            self.send(error.status, error_body(error, self.server.url, "some-request", now))
            return
        self.server.arrivals.targets.append(self.path)
        self.server.arrivals.accounts.append(account)
        self.send(self.success(path), {"value": []})

    def success(self, path: str) -> int:
        if self.command == "POST" and path.count("/") == 1:
            return 201
        return 202 if self.command in ("POST", "DELETE") else 200

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = answer

    def send(self, status: int, document: JsonObject) -> None:
        body = json.dumps(document).encode() if self.command != "HEAD" else b""
        self.send_response(status)
        self.send_header("Content-Type", "application/json;odata=minimalmetadata")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Keeps the output of the tests quiet."""


@pytest.fixture
def listener() -> Iterator[Listener]:
    with Listener() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def connect(listener: Listener, account: str = "local", key: bytes = KEY) -> BatchClient:
    return BatchClient(listener.url, AzureNamedKeyCredential(account, base64.b64encode(key).decode()), retry_total=0)


@pytest.fixture
def client(listener: Listener) -> Iterator[BatchClient]:
    with connect(listener) as client:
        yield client


def test_a_path_with_escapes_is_signed_as_sent(client: BatchClient, listener: Listener) -> None:
    b"".join(client.download_task_file("job-1", "täsk 1", ODD_FILE, service_timeout=30))
    target = listener.arrivals.targets[0]
    assert "/files/wd%2Fa%20b%2Bc%252F%2F%C3%A9%26%3D%3B%27%22%23%3F.txt" in target
    assert "timeOut=30" in target


def test_an_odd_pool_id_is_signed_as_sent(client: BatchClient, listener: Listener) -> None:
    client.get_pool(ODD_POOL, select=["id", "state"], expand=["stats"], service_timeout=30)
    assert listener.arrivals.targets[0].startswith("/pools/a%20pool%2F%C3%BC%2B%252F%3F%23%C3%A9?")


def test_a_query_with_case_spaces_and_quotes_is_signed_by_its_values(client: BatchClient) -> None:
    words = "state eq 'active' and startswith(id, 'é+&=%2F')"
    assert list(client.list_pools(filter=words, select=["id,state"], max_results=5, service_timeout=30)) == []


def test_a_body_is_signed_by_its_length_and_type(client: BatchClient) -> None:
    client.create_job(batch.BatchJobCreateOptions(id="j", pool_info=batch.BatchPoolInfo(pool_id="é")))
    client.update_pool("p", batch.BatchPoolUpdateOptions(metadata=[]), service_timeout=30)


def test_requests_without_a_body_are_signed_with_a_length_of_zero(client: BatchClient) -> None:
    client.begin_delete_job("j", service_timeout=30, polling_interval=0, force=True)
    client.begin_stop_pool_resize("p", polling_interval=0)


def test_conditions_and_ranges_are_signed(client: BatchClient) -> None:
    yesterday = datetime.now(UTC) - timedelta(days=1)
    client.get_pool(
        "p",
        if_modified_since=yesterday,
        if_unmodified_since=yesterday,
        etag="0x8DA9061B2F7BB2F",
        match_condition=MatchConditions.IfNotModified,
    )
    client.get_pool("p", etag="0x8DA9061B2F7BB2F", match_condition=MatchConditions.IfModified)
    b"".join(client.download_node_file("p", "n", "startup/stdout.txt", ocp_range="bytes=0-9"))
    client.get_node_file_properties("p", "n", "startup/stdout.txt")


@pytest.mark.parametrize("account", ["local", "UPPER", "with-dash_and.dot"])
def test_the_account_is_the_name_that_signs(listener: Listener, account: str) -> None:
    with connect(listener, account) as client:
        client.get_pool("p")
    assert listener.arrivals.accounts == [account]


def test_a_wrong_key_is_refused_with_403(listener: Listener) -> None:
    with connect(listener, key=b"another key") as client, pytest.raises(HttpResponseError) as caught:
        client.get_pool("p")
    assert caught.value.status_code == 403
    assert "(AuthenticationFailed) Server failed to authenticate the request." in str(caught.value)
    assert listener.arrivals.targets == []


def test_a_clock_that_is_an_hour_off_is_refused_with_403(client: BatchClient) -> None:
    with pytest.raises(HttpResponseError, match="AuthenticationFailed") as caught:
        client.get_pool("p", ocp_date=datetime.now(UTC) - timedelta(hours=1))
    assert caught.value.status_code == 403
