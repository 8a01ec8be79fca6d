"""Small requests to a server on this machine: in the event loop, on connections that are kept.

Two uploads and a download or two belong to most tasks, and nearly all of them go to the Blob service beside us. With a
client of the SDK in a thread each of them costs more than the command itself.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

import h11

LARGEST = 1 << 20
"""Bytes of a body that is small."""

_HOST = "127.0.0.1"
_AT_ONCE = 32
_PIECE = 65536
_SECONDS = 30.0
_AGENT = "localbatch"


@dataclass(frozen=True)
class Answer:
    """What a server has answered."""

    status: int
    body: bytes


class _NoAnswer(Exception):
    """There was none that is small and whole."""


@dataclass
class _Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    state: h11.Connection = field(default_factory=lambda: h11.Connection(h11.CLIENT))

    async def ask(self, request: h11.Request, body: bytes) -> Answer:
        parts = [self.state.send(event) for event in (request, h11.Data(data=body), h11.EndOfMessage())]
        self.writer.write(b"".join(part for part in parts if part))
        status, pieces, left = 0, [], LARGEST
        while not isinstance(event := await self._next(), h11.EndOfMessage):
            if isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                pieces.append(bytes(event.data))
                left -= len(event.data)
            elif isinstance(event, h11.ConnectionClosed):
                raise _NoAnswer
            if left < 0:
                raise _NoAnswer
        return Answer(status, b"".join(pieces))

    async def _next(self) -> object:
        while (event := self.state.next_event()) is h11.NEED_DATA:
            self.state.receive_data(await self.reader.read(_PIECE))
        return event

    def is_usable(self) -> bool:
        if self.state.our_state is h11.DONE and self.state.their_state is h11.DONE:
            self.state.start_next_cycle()
        return self.state.our_state is h11.IDLE and not self.reader.at_eof()


class Exchange:
    """Keeps connections to servers on this machine. There is one try, and nothing is followed: see ``ask``."""

    def __init__(self) -> None:
        self._idle: defaultdict[int, list[_Connection]] = defaultdict(list)
        self._room = asyncio.Semaphore(_AT_ONCE)

    async def ask(
        self, verb: str, link: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer | None:
        """Sends one request.

        Returns:
            The answer; None if the link leads elsewhere or there was no small and whole answer, for whatever reason:
            whoever has more time for it is to try.
        """
        parts = _local(link)
        if parts is None or parts.port is None:
            return None
        target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        fields = {"Host": parts.netloc, "User-Agent": _AGENT, "Accept-Encoding": "identity", **(headers or {})}
        if body or verb == "PUT":
            fields["Content-Length"] = str(len(body))
        try:
            request = h11.Request(method=verb, target=target, headers=[*fields.items()])
            async with self._room, asyncio.timeout(_SECONDS):
                return await self._send(parts.port, request, body)
        except (h11.ProtocolError, OSError, ValueError, _NoAnswer):
            return None

    async def _send(self, port: int, request: h11.Request, body: bytes) -> Answer:
        connection = await self._connect(port)
        try:
            answer = await connection.ask(request, body)
        except BaseException:
            connection.writer.close()
            raise
        if connection.is_usable():
            self._idle[port].append(connection)
        else:
            connection.writer.close()
        return answer

    async def _connect(self, port: int) -> _Connection:
        idle = self._idle[port]
        while idle:
            connection = idle.pop()
            if connection.is_usable():
                return connection
            connection.writer.close()
        return _Connection(*await asyncio.open_connection(_HOST, port))

    def close(self) -> None:
        """Closes all connections."""
        for connection in [each for idle in self._idle.values() for each in idle]:
            connection.writer.close()
        self._idle.clear()


def _local(link: str) -> SplitResult | None:
    try:
        parts = urlsplit(link)
        is_local = (parts.scheme, parts.hostname) == ("http", _HOST) and "@" not in parts.netloc and parts.port
    except ValueError:
        return None
    return parts if is_local else None
