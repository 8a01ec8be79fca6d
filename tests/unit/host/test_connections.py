"""The service's connections."""

import asyncio
import socket

import pytest

from localbatch.host.serving import bind


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_small_answers_do_not_wait_for_acknowledgements_of_those_before(host: str) -> None:
    delays: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = writer.get_extra_info("socket")
        delays.set_result(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 0)
        writer.close()
        await writer.wait_closed()

    with bind(host, 0) as listener:
        async with await asyncio.start_server(accept, sock=listener):
            _, writer = await asyncio.open_connection(host, listener.getsockname()[1])
            assert not await delays
            writer.close()
            await writer.wait_closed()
