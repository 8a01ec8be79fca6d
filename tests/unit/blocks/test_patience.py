"""How often and how long requests are tried again, against a service that answers as it is told."""

import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NoReturn

import pytest
from azure.core import PipelineClient
from azure.core.exceptions import AzureError, ClientAuthenticationError
from azure.core.pipeline.policies import HTTPPolicy
from azure.core.rest import HttpRequest
from azure.storage.blob import BlobClient

from prefect_azure_batch.blocks.patience import BatchRetry, BlobRetry, Patience

Answer = tuple[int, dict[str, str]]
RESET: Answer = (0, {})
Serve = Callable[..., str]


@pytest.fixture
def requests_seen() -> list[tuple[str, bytes]]:
    return []


@pytest.fixture
def serve(requests_seen: list[tuple[str, bytes]]) -> Iterator[Serve]:
    """Serves these answers in turn, the last of them for ever."""
    servers = []

    def serve(*answers: Answer) -> str:
        left = list(answers)

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                requests_seen.append((self.command, body))
                status, headers = left.pop(0) if len(left) > 1 else left[0]
                if not status:
                    self.close_connection = True
                    return
                self.send_response(status)
                for name, value in {"Content-Length": "0", **headers}.items():
                    self.send_header(name, value)
                self.end_headers()

            do_GET = do_PUT = do_POST = answer

            def log_message(self, format: str, *arguments: Any) -> None:
                return

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def post(url: str, patience: Patience) -> int:
    policies: list[HTTPPolicy[Any, Any]] = [BatchRetry(patience, 0.01)]
    with PipelineClient[Any, Any](url, policies=policies) as client:
        return int(client.send_request(HttpRequest("POST", url, json={"a": 1})).status_code)


def put(url: str, patience: Patience) -> None:
    with BlobClient(url, "box", "blob", retry_policy=BlobRetry(patience, 0.01)) as client:
        client.upload_blob(b"content", overwrite=True)


BUSY = [(429, {"Retry-After": "0"}), (503, {}), (500, {}), RESET]


@pytest.mark.parametrize("answer", BUSY)
def test_a_request_is_repeated_for_as_long_as_patience_lasts(
    serve: Serve, requests_seen: list[tuple[str, bytes]], answer: Answer
) -> None:
    assert post(serve(*[answer] * 8, (201, {})), Patience(20)) == 201
    assert requests_seen == [("POST", b'{"a": 1}')] * 9


@pytest.mark.parametrize("answer", BUSY)
def test_a_blob_is_sent_again_with_its_content(
    serve: Serve, requests_seen: list[tuple[str, bytes]], answer: Answer
) -> None:
    put(serve(*[answer] * 5, (201, {})), Patience(20))
    assert requests_seen == [("PUT", b"content")] * 6


@pytest.mark.parametrize("answer", BUSY)
def test_a_service_that_answers_nobody_is_given_up(serve: Serve, answer: Answer) -> None:
    begun = time.monotonic()
    url = serve(answer)
    with pytest.raises(AzureError):
        put(url, Patience(0.5))
    if answer == RESET:
        with pytest.raises(AzureError):
            post(url, Patience(0.5))
    else:
        assert post(url, Patience(0.5)) == answer[0]
    assert 1 <= time.monotonic() - begun < 15


def test_what_is_refused_is_not_repeated(serve: Serve, requests_seen: list[tuple[str, bytes]]) -> None:
    assert post(serve((409, {})), Patience(5)) == 409
    assert len(requests_seen) == 1


class NoToken:
    """A credential that gives no token."""

    asked = 0

    def get_token(self, *scopes: str, **options: Any) -> NoReturn:
        self.asked += 1
        raise ClientAuthenticationError("no token")


def test_a_credential_that_gives_no_token_is_asked_once() -> None:
    credential = NoToken()
    retry = BlobRetry(Patience(5), 0.01)
    client = BlobClient("https://127.0.0.1:1", "box", "blob", credential=credential, retry_policy=retry)
    with client, pytest.raises(ClientAuthenticationError):
        client.upload_blob(b"content")
    assert credential.asked == 1


def test_an_answer_to_another_request_prolongs_patience() -> None:
    now = [0.0]
    patience = Patience(10, lambda: now[0])
    now[0] = 9
    assert not patience.is_over(0)
    now[0] = 11
    assert patience.is_over(0)
    patience.note(503)
    patience.note(429)
    assert patience.is_over(0)
    patience.note(404)
    assert not patience.is_over(0)
    now[0] = 601
    patience.note(200)
    assert patience.is_over(0)


def test_with_an_account_that_has_never_answered_patience_is_lost_once() -> None:
    now = [0.0]
    patience = Patience(5, clock=lambda: now[0])
    assert not patience.is_over(0)
    now[0] = 6
    assert patience.is_over(0)
    assert patience.is_over(6)
    patience.note(503)
    assert patience.is_over(6)
    patience.note(200)
    assert not patience.is_over(6)
    now[0] = 12
    assert patience.is_over(6)
    assert not patience.is_over(12)


def test_a_request_that_is_not_served_for_long_is_told_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    moments = iter((5.0, 21.0, 30.0, 80.0, 82.0))
    patience = Patience(30.0, lambda: next(moments))
    for _ in range(5):
        patience.tell(0.0, "Blob storage", "HTTP 500")
    assert [record.getMessage() for record in caplog.records] == [
        "Blob storage has not served a request for 21 s (HTTP 500): it is tried again.",
        "Blob storage has not served a request for 82 s (HTTP 500): it is tried again.",
    ]
