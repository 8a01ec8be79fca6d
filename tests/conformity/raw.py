"""Requests as bytes, signed or not, for what no official client would send."""

import http.client
import json
import socket
from base64 import b64decode
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from localbatch.wire.connection import Endpoints
from localbatch.wire.formats import format_http_date
from localbatch.wire.signature import sign, string_to_sign
from tests.conformity.answers import NEWEST, Exchange

PATIENCE = 30.0


@dataclass(frozen=True)
class RawClient:
    """An account's requests, each on a connection of its own.

    Args:
        service: where to send them.
        account: whose name they are signed with.
    """

    service: Endpoints
    account: str

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of the service."""
        parts = urlsplit(self.service.batch_endpoint)
        return str(parts.hostname), int(parts.port or 0)

    def head(self, verb: str, target: str, headers: Iterable[tuple[str, str]] = ()) -> list[tuple[str, str]]:
        """Makes the headers of a signed request.

        Args:
            verb: the HTTP verb.
            target: path and query.
            headers: further ones, which are signed where the recipe says so.
        """
        host, port = self.address
        known = [("Host", f"{host}:{port}"), ("ocp-date", format_http_date(datetime.now(UTC))), *headers]
        path, _, query = target.partition("?")
        first = dict(reversed([(name.lower(), value) for name, value in known]))
        text = string_to_sign(verb, path, query, first, self.account)
        signature = sign(text, b64decode(self.service.batch_key))
        return [*known, ("Authorization", f"SharedKey {self.account}:{signature}")]

    def send(
        self, verb: str, target: str, headers: Iterable[tuple[str, str]] = (), body: bytes | None = None
    ) -> Exchange:
        """Sends a signed request, with the version and what a body needs unless they are given."""
        if "api-version=" not in target:
            target += f"{'&' if '?' in target else '?'}api-version={NEWEST}"
        given = list(headers)
        names = {name.lower() for name, _ in given}
        if "content-length" not in names and "transfer-encoding" not in names:
            given.append(("Content-Length", str(len(body or b""))))
        if body is not None and "content-type" not in names:
            given.append(("Content-Type", "application/json; odata=minimalmetadata"))
        return self.exchange(verb, target, self.head(verb, target, given), body or b"")

    def exchange(self, verb: str, target: str, headers: Iterable[tuple[str, str]], body: bytes = b"") -> Exchange:
        """Sends a request as it is given."""
        lines = [f"{verb} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers), "Connection: close"]
        raw = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body
        with socket.create_connection(self.address, PATIENCE) as connection:
            connection.sendall(raw)
            response = http.client.HTTPResponse(connection, method=verb)
            response.begin()
            answer = response.read()
            found = dict(response.getheaders())
        return Exchange(verb, target, response.status, Headers(found), answer)

    def speak(self, raw: bytes) -> bytes:
        """Sends bytes and returns all that comes back until the service closes the connection."""
        pieces = []
        # It may close the connection before it has heard everything.
        with socket.create_connection(self.address, PATIENCE) as connection, suppress(OSError):
            connection.sendall(raw)
            connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(65536):
                pieces.append(piece)
        return b"".join(pieces)


class Headers(dict[str, str]):
    """Headers by names in any case."""

    def __init__(self, values: dict[str, str]) -> None:
        super().__init__({name.lower(): value for name, value in values.items()})

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def __contains__(self, name: object) -> bool:
        return super().__contains__(str(name).lower())

    def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override]
        """Returns a header."""
        return super().get(name.lower(), default)


def code_of(exchange: Exchange) -> str:
    """Returns the code of an error."""
    return str(json.loads(exchange.body or b"{}").get("code"))
