"""Nobody holds a connection by sending slowly, and there are only so many of them."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from localbatch.host.connections import MOST_CONNECTIONS, BoundedProtocol

HEAD = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n"


class Hasty(BoundedProtocol):
    longest_request_seconds = 1.0


class Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_up.set()


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    while scope["path"] != "/refused" and (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body"})


async def connect(port: int, raw: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(raw)
    return reader, writer


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """A server that gives requests little time."""
    config = uvicorn.Config(echo, port=0, http=Hasty, ws="none", lifespan="off", log_config=None, timeout_keep_alive=60)
    server = Server(config)
    serving = asyncio.create_task(server._serve())
    await server.is_up.wait()
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await serving


@pytest.mark.parametrize("raw", [b"", b"GET / HT", HEAD[:-2], HEAD, HEAD + b"half", HEAD + b"0123456789" + HEAD])
async def test_a_request_that_does_not_arrive_is_cut_off(port: int, raw: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(raw)
    with suppress(ConnectionError):
        await asyncio.wait_for(reader.read(), 10)
    assert reader.at_eof() or reader.exception()
    writer.close()


async def test_a_connection_that_waits_for_its_next_request_is_not(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(2):
        writer.write(HEAD + b"0123456789")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 2 * Hasty.longest_request_seconds)
    writer.close()


async def test_a_connection_that_waits_makes_room_for_a_new_one(port: int) -> None:
    connections = []
    for _ in range(MOST_CONNECTIONS + 5):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(HEAD + b"0123456789")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        connections.append(writer)
    for writer in connections:
        writer.transport.abort()


@pytest.mark.parametrize("raw", [b"", b"GET / HT", HEAD.replace(b"/", b"/refused", 1)])
async def test_connections_left_alone_keep_nobody_out(port: int, raw: bytes) -> None:
    connections = [await connect(port, raw) for _ in range(MOST_CONNECTIONS + 5)]
    reader, writer = await connect(port, HEAD + b"0123456789")
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
    for _, other in [*connections, (reader, writer)]:
        other.transport.abort()


async def test_there_are_only_so_many_connections(port: int) -> None:
    connections = [await connect(port, HEAD) for _ in range(MOST_CONNECTIONS + 5)]
    last, _ = connections[-1]
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await asyncio.wait_for(last.readexactly(1), 10)
    for _, writer in connections:
        writer.transport.abort()
