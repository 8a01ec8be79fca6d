"""A local Azure under Azure's own names, signed in to by a managed identity: what a VM in Azure has, on one machine.

The identity's endpoint is that of App Service, whose address azure-identity takes from the environment. Azure's names
lead to the local service by a proxy, which clients take from the environment likewise. Nothing is patched.
"""

import json
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from urllib.parse import parse_qs, urlsplit

from localbatch.credentials import LocalCredential
from localbatch.host.azurite_cache import ensure_installed
from localbatch.host.npm_packages import node_program

BATCH_HOST = "localbatch.local.batch.azure.com"
MANAGEMENT_HOST = "management.azure.com"


@contextmanager
def identity_endpoint(key: bytes) -> Iterator[dict[str, str]]:
    """Hands out tokens of the local Azure while the context lasts; gives the environment that leads there.

    Args:
        key: what the tokens are signed with.
    """
    credential = LocalCredential(key)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            (resource,) = parse_qs(urlsplit(self.path).query)["resource"]
            token = credential.get_token(f"{resource}/.default")
            answer = {"access_token": token.token, "expires_on": str(token.expires_on), "token_type": "Bearer"}
            body = json.dumps(answer | {"resource": resource}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            return

    with _serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as port:
        yield {"IDENTITY_ENDPOINT": f"http://127.0.0.1:{port}/token", "IDENTITY_HEADER": "any"}


@contextmanager
def signed_in_storage(certificate: Path, key: Path, folder: Path) -> Iterator[str]:
    """A storage account that takes tokens, as long as the context; gives the address of its Blob service.

    It is Azurite by its own command line: the local Azure's takes no tokens.

    Args:
        certificate: for 127.0.0.1.
        key: of the certificate.
        folder: takes what it writes.
    """
    program = ensure_installed() / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
    encrypted = ["--oauth", "basic", "--cert", str(certificate), "--key", str(key)]
    usual = ["--blobPort", "0", "--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry"]
    environment = {"PATH": os.environ["PATH"], "AZURITE_ACCOUNTS": "signedin:aGlkZGVuIGtleQ=="}
    process = subprocess.Popen(
        [node_program(), program, *usual, *encrypted], env=environment, cwd=folder, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        listening = next(line for line in process.stdout if "successfully listens on" in line)
        yield f"{listening.split()[-1]}/signedin"
    finally:
        process.terminate()
        process.communicate()


@contextmanager
def names_of_azure(port: int) -> Iterator[dict[str, str]]:
    """Has every https address lead to a port of this machine while the context lasts; gives the environment for that.

    Args:
        port: where the local service listens.
    """

    class Tunnel(BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port)) as service:
                while b"\r\n\r\n" not in self.request.recv(65536):
                    pass
                self.request.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                answers = threading.Thread(target=_pass_on, args=(service, self.request), daemon=True)
                answers.start()
                _pass_on(self.request, service)
                answers.join()

    server = ThreadingTCPServer(("127.0.0.1", 0), Tunnel)
    server.daemon_threads = True
    with _serving(server) as proxy:
        yield {"HTTPS_PROXY": f"http://127.0.0.1:{proxy}", "NO_PROXY": "127.0.0.1"}


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)


@contextmanager
def _serving(server: ThreadingTCPServer | ThreadingHTTPServer) -> Iterator[int]:
    server.block_on_close = False
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
