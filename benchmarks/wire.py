"""What a map sends to Azure and gets back, by the stage that it is for: relays in front of a local Azure count it."""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from benchmarks.counting import origin, served
from localbatch.host.faults import Message, Receive, Send
from localbatch.host.relay import Relay
from localbatch.wire.connection import Endpoints

STAGES = ("Batch: run", "Batch: add", "Batch: wait", "Blob: find", "Blob: upload", "Blob: collect", "Blob: keep")
"""What requests are for. run: pool, nodes and job; find: what earlier runs have done; keep: records and ledgers."""
NODES = "Blob: nodes"
"""What the nodes themselves ask of storage, by signed links."""

_BATCH = (
    ("Batch: add", re.compile(r"POST /jobs/[^/]+/(addtaskcollection|tasks)\b")),
    ("Batch: wait", re.compile(r"GET /jobs/[^/]+(/taskcounts|/tasks|)(\?|$)")),
)
_BLOB = (
    (NODES, re.compile(r"[?&]sig=")),
    ("Blob: upload", re.compile(r" /[^/]+/batch-inputs\b")),
    ("Blob: find", re.compile(r"comp=list.*delimiter=|^GET [^?]+/(ledger|manifest)\.jsonl|^GET [^?]+/run\.json")),
    ("Blob: keep", re.compile(r"/(ledger|manifest)\.jsonl|/run\.json|^PUT /[^/]+/[^/?]+\?restype=container$")),
)


def batch_stage(request: str) -> str:
    """What a request to Batch is for, told by its method, path and query."""
    return next((stage for stage, pattern in _BATCH if pattern.search(request)), "Batch: run")


def blob_stage(request: str) -> str:
    """What a request to Blob storage is for, told by its method, path and query."""
    return next((stage for stage, pattern in _BLOB if pattern.search(request)), "Blob: collect")


class Wire:
    """What has gone over the wire.

    Attributes:
        calls: requests by stage.
        sent, received: bytes of their bodies and of those of the answers, by stage.
    """

    def __init__(self) -> None:
        self.calls, self.sent, self.received = Counter[str](), Counter[str](), Counter[str]()


class _Weighing:
    """A relay that weighs what it passes on."""

    def __init__(self, endpoint: str, wire: Wire, *, is_batch: bool) -> None:
        self._relay, self._wire = Relay(endpoint), wire
        self._stage_of = batch_stage if is_batch else blob_stage

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Serves one request, or the beginning and end of the application's life."""
        if scope["type"] != "http":
            await self._relay(scope, receive, send)
            return
        query = scope["query_string"].decode()
        stage = self._stage_of(f"{scope['method']} {scope['path']}{'?' + query if query else ''}")
        self._wire.calls[stage] += 1

        async def weigh_sent() -> Message:
            message = await receive()
            self._wire.sent[stage] += len(message.get("body", b""))
            return message

        async def weigh_received(message: Message) -> None:
            self._wire.received[stage] += len(message.get("body", b""))
            await send(message)

        await self._relay(scope, weigh_sent, weigh_received)


@contextmanager
def weighed(endpoints: Endpoints) -> Iterator[tuple[Endpoints, Wire]]:
    """The way to the same services by relays that weigh, and what they have weighed."""
    wire, account = Wire(), urlsplit(endpoints.blob_endpoint).path
    with ExitStack() as stack:
        batch = stack.enter_context(served(_Weighing(origin(endpoints.batch_endpoint), wire, is_batch=True)))
        blob = stack.enter_context(served(_Weighing(origin(endpoints.blob_endpoint), wire, is_batch=False)))
        yield replace(endpoints, batch_endpoint=batch, blob_endpoint=blob + account), wire
