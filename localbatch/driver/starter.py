"""The service's side of supervisor.py: starts commands and follows them to their end."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from localbatch.driver.supervisor import READY, Order, Report

_STOP = b"s"
_LOST: Report = {"errno": 0, "reason": "The supervisor was killed."}
_TRIES = 5
_PROGRAM = Path(__file__).with_name("supervisor.py")


class LaunchError(Exception):
    """A command could not be started.

    Attributes:
        number: the error number of the system.
    """

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(reason)
        self.number = number


class RunningCommand:
    """A command under a supervisor of its own.

    Args:
        open_channel: makes a socket that leads to a new supervisor.
        order: what it is to do.
    """

    def __init__(self, open_channel: Callable[[], socket.socket], order: Order) -> None:
        self._writer: asyncio.StreamWriter | None = None
        self._stopping = False
        self._started: asyncio.Future[Report] = asyncio.get_running_loop().create_future()
        self._life = asyncio.ensure_future(self._live(open_channel, order))

    async def start(self) -> Report:
        """Waits until the command runs; if that is cancelled, the command is ended.

        Raises:
            LaunchError: it could not be started.
        """
        try:
            report = await asyncio.shield(self._started)
        except asyncio.CancelledError:
            await self.end()
            raise
        if "errno" in report:
            raise LaunchError(report["errno"], report["reason"])
        return report

    async def wait(self) -> int:
        """Waits until the command and all its descendants have ended.

        Returns:
            The exit code; for a command ended by a signal the signal's negative number.
        """
        return await asyncio.shield(self._life)

    async def end(self) -> None:
        """Ends the command and all its descendants, gently at first, and waits for it however often it is cancelled."""
        self._stopping = True
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(_STOP)
        cancelled = False
        while not self._life.done():
            try:
                await asyncio.wait([self._life])
            except asyncio.CancelledError:
                cancelled = True
        if cancelled:
            raise asyncio.CancelledError

    async def _live(self, open_channel: Callable[[], socket.socket], order: Order) -> int:
        first = last = _LOST
        try:
            reader, self._writer = await _connect(open_channel)
            self._writer.write(json.dumps(order).encode() + b"\n" + (_STOP if self._stopping else b""))
            first = await _read(reader)
            self._started.set_result(first)
            last = first if "errno" in first else await _read(reader)
        except OSError as error:
            first = {"errno": error.errno or 0, "reason": error.strerror or str(error)}
        finally:
            if not self._started.done():
                self._started.set_result(first)
            if self._writer is not None:
                self._writer.close()
        return last.get("code", -signal.SIGKILL)


class Starter:
    """The process that starts all commands. It is started when it is first needed, and again if it was killed.

    Args:
        inherited: file descriptors that it and its supervisors, but no commands, keep open.
    """

    def __init__(self, inherited: tuple[int, ...] = ()) -> None:
        self._inherited = inherited
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    def start(self, order: Order) -> RunningCommand:
        """Has a command started."""
        return RunningCommand(self._open_channel, order)

    def close(self) -> None:
        """Ends the process; commands that still run end with their own channels."""
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            self._process.wait()
        self._control = self._process = None

    def _open_channel(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                socket.send_fds(self._ready_control(), [b"c"], [theirs.fileno()])
            except ConnectionError:
                self.close()
                socket.send_fds(self._ready_control(), [b"c"], [theirs.fileno()])
        ours.setblocking(False)
        return ours

    def _ready_control(self) -> socket.socket:
        if self._control is None:
            self._control, theirs = socket.socketpair()
            with theirs:
                # Nothing of our environment: it may hold secrets, and every command's own comes with its order.
                self._process = subprocess.Popen(
                    [sys.executable, "-I", "-S", "-X", "utf8", str(_PROGRAM), *map(str, self._inherited)],
                    pass_fds=self._inherited,
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    env={},
                    cwd="/",
                    start_new_session=True,
                )
        return self._control


async def _connect(open_channel: Callable[[], socket.socket]) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    for _ in range(_TRIES):
        reader, writer = await asyncio.open_connection(sock=open_channel())
        with suppress(ConnectionError):
            if await reader.read(len(READY)):
                return reader, writer
        # A starter that was just being killed has taken the socket with it. Nothing has run yet.
        writer.close()
    raise ConnectionError(_LOST["reason"])


async def _read(reader: asyncio.StreamReader) -> Report:
    with suppress(ConnectionError):
        if line := await reader.readline():
            report: Report = json.loads(line)
            return report
    return _LOST
