"""The session that clients of one service share, against a server that says what it gets."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from azure.core.pipeline.transport import HttpRequest

from prefect_azure_batch.blocks.clients import shared_transport
from prefect_azure_batch.blocks.session import ServiceSession


class _Echo(BaseHTTPRequestHandler):
    """Answers with what it was sent, and sets a cookie."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        told = {
            "body": body.decode(),
            "from": self.client_address[1],
            "headers": {name.lower(): value for name, value in self.headers.items()},
        }
        content = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Set-Cookie", "a=b")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Echo) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/x?a=b%20c"
        server.shutdown()
        thread.join()


def test_one_connection_serves_one_request_after_another_and_no_cookie_is_kept(url: str) -> None:
    transport = shared_transport(url)
    answers = []
    for _ in range(3):
        response = transport.send(HttpRequest("POST", url, headers={"X-None": "1"}, data=b"x"))
        answers.append(json.loads(response.body()))
    assert len({answer["from"] for answer in answers}) == 1
    assert ["cookie" in answer["headers"] for answer in answers] == [False] * 3


def test_a_text_is_sent_whole_whatever_its_letters(url: str) -> None:
    with ServiceSession(1) as session:
        told = session.request("POST", url, data="größe", headers={"Content-Length": "5"}, verify=True).json()
    assert (told["body"], told["headers"]["content-length"]) == ("größe", "7")


def test_a_form_is_sent_as_requests_does_it(url: str) -> None:
    with ServiceSession(1) as session:
        told = session.request("POST", url, data={"a": "b c"}).json()
    assert (told["body"], told["headers"]["content-type"]) == ("a=b+c", "application/x-www-form-urlencoded")
