"""A relay in front of Azurite, so that there is something between it and its clients that can go wrong."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import uvicorn

from localbatch.host.faults import FaultPlan, Message, Receive, Send
from localbatch.host.serving import Unsignalled, bind, plain_http

# Of one connection; each side has its own.
_OF_A_CONNECTION = {b"connection", b"keep-alive", b"transfer-encoding", b"expect"}


class Relay:
    """Passes requests on as they come, and answers as they come back.

    Args:
        endpoint: address of the service behind it.
    """

    def __init__(self, endpoint: str) -> None:
        self._endpoint = httpx.URL(endpoint)
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=64)
        self._client = httpx.AsyncClient(limits=limits, timeout=120, trust_env=False)

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Serves one request, or the beginning and end of the application's life."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._pass_on(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._client.aclose()
        await send({"type": "lifespan.shutdown.complete"})

    async def _pass_on(self, scope: Any, receive: Receive, send: Send) -> None:
        query = b"?" + scope["query_string"] if scope["query_string"] else b""
        headers = [(name, value) for name, value in scope["headers"] if name not in _OF_A_CONNECTION]
        has_body = any(name in (b"content-length", b"transfer-encoding") for name, _ in scope["headers"])
        request = self._client.build_request(
            scope["method"],
            self._endpoint.copy_with(raw_path=scope["raw_path"] + query),
            headers=headers,
            content=_body(receive) if has_body else None,
        )
        try:
            answer = await self._client.send(request, stream=True)
        except httpx.HTTPError:
            await send({"type": "http.response.start", "status": 503, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body"})
            return
        try:
            kept = [(name.lower(), value) for name, value in answer.headers.raw if name.lower() not in _OF_A_CONNECTION]
            await send({"type": "http.response.start", "status": answer.status_code, "headers": kept})
            async for piece in answer.aiter_raw():
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body"})
        finally:
            await answer.aclose()


async def _body(receive: Receive) -> AsyncIterator[bytes]:
    while True:
        message: Message = await receive()
        yield message.get("body", b"")
        if not message.get("more_body"):
            return


@dataclass(frozen=True)
class Relaying:
    """A relay that can be served.

    Attributes:
        origin: where it listens.
    """

    server: uvicorn.Server
    listener: socket.socket
    origin: str


@contextmanager
def relaying(endpoint: str, plan: FaultPlan) -> Iterator[Relaying]:
    """A relay in front of a service, whose answers come as the plan has it, and its socket while the context lasts."""
    with bind("127.0.0.1", 0) as listener:
        config = uvicorn.Config(Relay(endpoint), lifespan="on", **plain_http(plan))
        yield Relaying(Unsignalled(config), listener, f"http://127.0.0.1:{listener.getsockname()[1]}")


async def serve_behind(server: uvicorn.Server, listener: socket.socket, relay: Relaying | None) -> None:
    """Runs a server to its end, and as long the relay, if there is one."""
    if relay is None:
        await server.serve(sockets=[listener])
        return
    passing_on = asyncio.create_task(relay.server.serve(sockets=[relay.listener]))
    try:
        await server.serve(sockets=[listener])
    finally:
        relay.server.should_exit = True
        await passing_on
