"""Asks a running service for a fault: the one client of its own operations, which no SDK has."""

import http.client
import json
from base64 import b64decode
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

from localbatch.connection import Endpoints
from localbatch.signature import sign, string_to_sign
from localbatch.wire import format_http_date

_QUERY = "api-version=2025-06-01"
_SECONDS = 30.0


class FaultRefused(Exception):
    """The service did not do what was asked for; the message says why."""


def ask_for_fault(endpoints: Endpoints, path: str, body: Mapping[str, str], account: str | None) -> None:
    """Sends one signed request.

    Args:
        endpoints: where the service is, and its key.
        path: of the operation, below ``/localbatch``.
        body: what is said of the fault.
        account: the Batch account that is meant; None is the service's own.

    Raises:
        FaultRefused: the service refused, or did not answer.
    """
    target = f"/localbatch{quote(path)}"
    data = json.dumps(body).encode()
    headers = {
        "Content-Type": "application/json",
        "Content-Length": str(len(data)),
        "ocp-date": format_http_date(datetime.now(UTC)),
    }
    name = account or endpoints.batch_account
    signature = sign(string_to_sign("POST", target, _QUERY, headers, name), b64decode(endpoints.batch_key))
    headers["Authorization"] = f"SharedKey {name}:{signature}"
    try:
        status, answer = _send(endpoints.batch_endpoint, f"{target}?{_QUERY}", data, headers)
    except OSError as error:
        raise FaultRefused(f"nothing answers at {endpoints.batch_endpoint}: {error}") from error
    if status >= 400:
        document = json.loads(answer)
        raise FaultRefused(f"{document['code']}: {document['message']['value'].splitlines()[0]}")


def _send(endpoint: str, target: str, data: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
    parts = urlsplit(endpoint)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=_SECONDS)
    try:
        connection.request("POST", target, data, headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()
