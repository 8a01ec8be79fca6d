"""Asks a running service for faults: the one client of its own operations, which no SDK has."""

import http.client
import json
from base64 import b64decode
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

from localbatch.wire.connection import Endpoints, LocalAzureError
from localbatch.wire.formats import format_http_date
from localbatch.wire.signature import sign, string_to_sign

_QUERY = "api-version=2025-06-01"
_SECONDS = 30.0


class FaultRequests:
    """What can be made to fail in a local Azure, for tests of what is to happen then.

    Attributes:
        endpoints: where it is.
    """

    endpoints: Endpoints

    def preempt_node(self, pool_id: str, node_id: str, *, account: str | None = None) -> None:
        """Takes a spot node away, as Azure does when it needs the machine: its tasks wait for other nodes.

        Args:
            pool_id: the pool.
            node_id: the node.
            account: the Batch account; None is the service's own.

        Raises:
            LocalAzureError: there is no such node, or it is not a spot node that is up.
        """
        _ask_for_fault(self.endpoints, f"/pools/{pool_id}/nodes/{node_id}/preempt", account)

    def lose_node(self, pool_id: str, node_id: str, *, account: str | None = None) -> None:
        """Has the service hear no more of a node: its state is ``unknown``, and its tasks wait for other nodes.

        Args:
            pool_id: the pool.
            node_id: the node.
            account: the Batch account; None is the service's own.

        Raises:
            LocalAzureError: there is no such node, or its state does not allow it.
        """
        _ask_for_fault(self.endpoints, f"/pools/{pool_id}/nodes/{node_id}/lose", account)

    def spoil_node(
        self, pool_id: str, node_id: str, *, code: str = "", message: str = "", account: str | None = None
    ) -> None:
        """Makes a node ``unusable``; its tasks wait for other nodes.

        Args:
            pool_id: the pool.
            node_id: the node.
            code: code of the error that the node shows.
            message: its text.
            account: the Batch account; None is the service's own.

        Raises:
            LocalAzureError: there is no such node, or its state does not allow it.
        """
        _ask_for_fault(self.endpoints, f"/pools/{pool_id}/nodes/{node_id}/spoil", account, code=code, message=message)

    def fail_allocation(self, pool_id: str, *, code: str = "", message: str = "", account: str | None = None) -> None:
        """Has the next allocation of a pool end with a resize error and without new nodes.

        Args:
            pool_id: the pool, which need not exist yet.
            code: code of the resize error, such as ``AccountCoreQuotaReached``; ``AllocationFailed`` if not given.
            message: its text.
            account: the Batch account; None is the service's own.

        Raises:
            LocalAzureError: the service refused.
        """
        _ask_for_fault(self.endpoints, f"/pools/{pool_id}/failallocation", account, code=code, message=message)


def _ask_for_fault(endpoints: Endpoints, path: str, account: str | None, **body: str) -> None:
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
        raise LocalAzureError(f"nothing answers at {endpoints.batch_endpoint}: {error}") from error
    if status >= 400:
        document = json.loads(answer)
        raise LocalAzureError(f"{document['code']}: {document['message']['value'].splitlines()[0]}")


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
