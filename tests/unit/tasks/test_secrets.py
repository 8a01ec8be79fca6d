"""How a secret of Key Vault gets into a variable: the script that nodes run, with a service of this machine for both.

It stands for the instance metadata service and for the vault, and answers as Microsoft's pages say that they do; what
they really answer nobody has tried.
"""

import json
import os
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs, urlsplit

import pytest

from prefect_azure_batch.tasks.command import shell_command
from prefect_azure_batch.tasks.errors import BadInput
from prefect_azure_batch.tasks.secret_sources import SecretSource, parse_source
from prefect_azure_batch.tasks.secrets import NO_SECRET, with_secrets

VALUE = 'it\'s $(a) "value"\nof two lines, größer\n\n'
IDENTITY = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/reader"


class Vault(ThreadingHTTPServer):
    """Hands out tokens and one secret; notes what it was asked for."""

    def __init__(self, busy: int) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.busy, self.asked = busy, list[str]()


class _Answer(BaseHTTPRequestHandler):
    server: Vault

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        where, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        if self.server.busy:
            self.server.busy -= 1
            self._send(429, {})
        elif where == "/metadata/identity/oauth2/token":
            known = self.headers["Metadata"] == "true" and query["api-version"] == ["2018-02-01"]
            self._send(200 if known else 400, {"access_token": "a-token", "token_type": "Bearer"})
        elif self.headers["Authorization"] != "Bearer a-token" or query["api-version"] != ["7.4"]:
            self._send(401, {})
        else:
            self._send(200 if where == "/secrets/known" else 403, {"value": VALUE})

    def _send(self, status: int, body: dict[str, str]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@contextmanager
def vault(busy: int = 0) -> Iterator[tuple[Vault, str]]:
    """The service, and its address."""
    with Vault(busy) as service:
        thread = Thread(target=service.serve_forever)
        thread.start()
        try:
            yield service, f"http://127.0.0.1:{service.server_port}"
        finally:
            service.shutdown()
            thread.join()


def run(script: str, address: str, directory: Path) -> "subprocess.CompletedProcess[str]":
    environment = os.environ | {"AZURE_POD_IDENTITY_AUTHORITY_HOST": address, "http_proxy": ""}
    return subprocess.run(
        shlex.split(shell_command(script)), cwd=directory, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(("identity", "busy"), [("", 0), (IDENTITY, 2)])
def test_a_node_fetches_a_secret_of_key_vault_by_its_identity(tmp_path: Path, identity: str, busy: int) -> None:
    with vault(busy) as (service, address):
        source = SecretSource("TOKEN", "keyvault", f"{address}/secrets/known", identity)
        script = with_secrets('printf %s "$TOKEN"; env | grep -c "^TOKEN=" >&2', [source], keeps_files=False)
        done = run(script, address, tmp_path)
    assert (done.stdout, done.stderr, done.returncode) == (VALUE, "1\n", 0)
    assert VALUE not in script
    asked = [parse_qs(urlsplit(path).query).get("msi_res_id") for path in service.asked if "oauth2" in path]
    assert asked[-1] == ([identity] if identity else None)
    assert len(service.asked) == 2 + busy


def test_a_secret_that_may_not_be_read_is_told_and_nothing_runs(tmp_path: Path) -> None:
    with vault() as (_, address):
        source = SecretSource("TOKEN", "keyvault", f"{address}/secrets/other")
        done = run(with_secrets("echo ran", [source], keeps_files=False), address, tmp_path)
    told, last = done.stderr.splitlines()
    assert (done.stdout, done.returncode) == ("", NO_SECRET)
    assert told == f"{address.removeprefix('http://')}: HTTP Error 403: Forbidden"
    assert last == "The secret TOKEN could not be fetched from Key Vault."


def test_a_secret_that_has_not_come_is_told_and_nothing_runs(tmp_path: Path) -> None:
    script = with_secrets("echo ran", [SecretSource("TOKEN", "prefect", "block")], keeps_files=False)
    done = run(script, "", tmp_path)
    assert (done.stdout, done.returncode) == ("", NO_SECRET)
    assert done.stderr.endswith("The secret TOKEN has not come to this node.\n")


@pytest.mark.parametrize(
    "text", ["", "block", "prefect:", "env:HOME", "keyvault:lab", "keyvault:https://lab.example.com/secrets/a",
             "keyvault:http://lab.vault.azure.net/secrets/a", "keyvault:https://lab.vault.azure.net/keys/a"]
)  # fmt: skip
def test_what_names_no_secret_is_refused_with_what_would(text: str) -> None:
    with pytest.raises(BadInput, match=r"TOKEN names no secret: its source is prefect:BLOCK, or keyvault:https://"):
        parse_source("TOKEN", text)


def test_a_source_is_taken_apart() -> None:
    assert parse_source("A", "prefect:my-block") == SecretSource("A", "prefect", "my-block")
    link = "https://lab.vault.azure.net/secrets/db-password"
    assert parse_source("A", f"keyvault:{link}/", "me") == SecretSource("A", "keyvault", link, "me")
