"""A storage account that one can sign in to: Azurite over https, and an endpoint that gives machines their tokens.

The endpoint is that of Azure App Service, which azure-identity asks where the environment names it, over plain http.
Source: "How to use managed identities for App Service and Azure Functions", Microsoft Learn.
"""

import json
import secrets
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from localbatch.host.azurite import read_line, stop_child
from localbatch.host.azurite_cache import ensure_installed, node_program
from localbatch.wire.tokens import LIFETIME, make_token

ACCOUNT = "signedin"
_READY = b"successfully listens on "
_READY_SECONDS = 60


class _Endpoint(ThreadingHTTPServer):
    """Gives tokens to those who know its secret."""

    daemon_threads = True
    header = secrets.token_hex(8)


class _Handler(BaseHTTPRequestHandler):
    server: _Endpoint

    def do_GET(self) -> None:
        query, known = parse_qs(urlsplit(self.path).query), self.headers["X-IDENTITY-HEADER"] == self.server.header
        begin = datetime.now(UTC)
        token = make_token(b"a key of nobody's" * 2, query["resource"][0], begin)
        answer = {
            "access_token": token,
            "expires_on": str(int((begin + LIFETIME).timestamp())),
            "resource": query["resource"][0],
            "token_type": "Bearer",
        }
        self.send_response(200 if known else 401)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(answer if known else {}).encode())

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@contextmanager
def identity_endpoint() -> Iterator[dict[str, str]]:
    """The variables that make this process a machine with a managed identity."""
    with _Endpoint(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/token"
        try:
            yield {"IDENTITY_ENDPOINT": url, "IDENTITY_HEADER": server.header}
        finally:
            server.shutdown()
            thread.join()


@dataclass(frozen=True)
class SignedInStorage:
    """Where it is, and the key that nobody needs."""

    blob_endpoint: str
    key: str


@contextmanager
def oauth_azurite(certificate: Path, key_file: Path) -> Iterator[SignedInStorage]:
    """Azurite with a certificate, which takes tokens and gives user delegation keys."""
    key = "c2lnbmVkIGluIGJ5IG5vYm9keQ=="
    program = ensure_installed() / "node_modules/azurite/dist/src/blob/main.js"
    options = ["--blobHost=127.0.0.1", "--blobPort=0", "--oauth=basic", f"--cert={certificate}", f"--key={key_file}"]
    flags = ["--disableTelemetry", "--silent", "--disableProductStyleUrl", "--skipApiVersionCheck"]
    with tempfile.TemporaryDirectory() as directory:
        process = subprocess.Popen(
            [node_program(), program, *options, *flags, "--inMemoryPersistence"],
            cwd=directory,
            env={"AZURITE_ACCOUNTS": f"{ACCOUNT}:{key}"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            yield SignedInStorage(f"{_address(process)}/{ACCOUNT}", key)
        finally:
            process.terminate()
            stop_child(process, _READY_SECONDS)


def _address(process: "subprocess.Popen[bytes]") -> str:
    assert process.stdout is not None
    while line := read_line(process.stdout, _READY_SECONDS):
        if _READY in line:
            return line.partition(_READY)[2].decode().strip()
    raise AssertionError("Azurite did not start")
