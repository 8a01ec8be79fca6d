"""Counts the requests that a local Azure gets, by relays in front of both of its services."""

import asyncio
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import uvicorn

from localbatch.host.faults import Receive, Send
from localbatch.host.relay import Relay
from localbatch.host.serving import bind
from localbatch.wire.connection import Endpoints

App: TypeAlias = Callable[[Any, Receive, Send], Awaitable[None]]

NODE_AGENT = b"localbatch"


class Requests(Counter[str]):
    """Requests by method; ``sent`` is the bytes of their bodies, but for those of simulated nodes."""

    sent = 0


class Counted:
    """A relay that counts what it passes on.

    Attributes:
        counts: requests by method; those that simulated nodes make stand apart, as ``PUT by nodes``.
    """

    def __init__(self, endpoint: str) -> None:
        self.counts = Requests()
        self._relay = Relay(endpoint)

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Serves one request, or the beginning and end of the application's life."""
        if scope["type"] != "http":
            await self._relay(scope, receive, send)
            return
        by_node = any(name == b"user-agent" and value == NODE_AGENT for name, value in scope["headers"])
        self.counts[f"{scope['method']} by nodes" if by_node else scope["method"]] += 1

        async def counting() -> Any:
            message = await receive()
            self.counts.sent += 0 if by_node else len(message.get("body", b""))
            return message

        await self._relay(scope, counting, send)


@contextmanager
def counted(endpoints: Endpoints, *, blobs: bool = True) -> Iterator[tuple[Endpoints, Requests, Requests]]:
    """The way to the same services by counting relays, and what they count: for Batch and, as a rule, for Blob."""
    batch, blob = Counted(origin(endpoints.batch_endpoint)), Counted(origin(endpoints.blob_endpoint))
    with ExitStack() as stack:
        way = replace(endpoints, batch_endpoint=stack.enter_context(served(batch)))
        if blobs:
            account = urlsplit(endpoints.blob_endpoint).path
            way = replace(way, blob_endpoint=stack.enter_context(served(blob)) + account)
        yield way, batch.counts, blob.counts


def origin(url: str) -> str:
    """An address without its path."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


@contextmanager
def served(app: App) -> Iterator[str]:
    """Serves a relay on a port of its own; gives its address."""
    with bind("127.0.0.1", 0) as listener:
        server = uvicorn.Server(uvicorn.Config(app, lifespan="on", log_config=None, access_log=False))
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
