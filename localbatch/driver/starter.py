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

from localbatch.driver.interface import Usage
from localbatch.driver.isolation import Place
from localbatch.driver.supervisor import READY, Order, Report

_STOP = b"stop\n"
_LOST: Report = {"errno": 0, "reason": "The supervisor was killed."}
_TRIES = 5
_PACKAGES = str(Path(__file__).resolve().parents[2])


def program(packages: str) -> str:
    """Returns the code of the starter's program.

    Args:
        packages: the directory that holds this package; of what lies there, it imports nothing else.
    """
    return f"import sys; sys.path.append({packages!r}); from localbatch.driver.supervisor import main; main()"


class LaunchError(Exception):
    """A command could not be started.

    Attributes:
        number: the error number of the system.
    """

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(reason)
        self.number = number


class Session:
    """Commands under a supervisor of their own, one after the other.

    What a command leaves in the background lives until the session ends: with its last order, or when it is ended.

    Args:
        open_channel: makes a socket that leads to a new supervisor.
        place: the node the commands see.

    Attributes:
        usage: what its processes have used, once it has ended.
    """

    def __init__(self, open_channel: Callable[[], socket.socket], place: Place) -> None:
        self._writer: asyncio.StreamWriter | None = None
        self._unsent = _line(place)
        self._is_last = False
        self.usage = Usage()
        self._reports: asyncio.Queue[Report] = asyncio.Queue()
        self._life = asyncio.ensure_future(self._live(open_channel))

    async def start(self, order: Order) -> Report:
        """Has a command started and waits until it runs; if that is cancelled, the session is ended.

        Raises:
            LaunchError: it could not be started.
        """
        self._is_last = order["last"]
        self._send(_line(order))
        try:
            report = await self._next_report()
        except asyncio.CancelledError:
            await self.end()
            raise
        if "errno" in report:
            raise LaunchError(report["errno"], report["reason"])
        return report

    async def wait(self) -> int:
        """Waits until the command has ended, and with the last one of the session all its descendants.

        Returns:
            The exit code; for a command ended by a signal the signal's negative number.
        """
        report = await self._next_report()
        if self._is_last:
            await self.ended()
        return report.get("code", -signal.SIGKILL)

    async def ended(self) -> None:
        """Waits until the session is over and all its processes are gone, whoever ended it."""
        await asyncio.shield(self._life)

    async def end(self) -> None:
        """Ends all processes of the session, gently at first, and waits for it however often it is cancelled."""
        self._send(_STOP)
        cancelled = False
        while not self._life.done():
            try:
                await asyncio.wait([self._life])
            except asyncio.CancelledError:
                cancelled = True
        if cancelled:
            raise asyncio.CancelledError

    def _send(self, line: bytes) -> None:
        if self._writer is None:
            self._unsent += line
        elif not self._writer.is_closing():
            self._writer.write(line)

    async def _next_report(self) -> Report:
        report = await self._reports.get()
        if report is _LOST:
            self._reports.put_nowait(_LOST)  # for whoever asks next
        return report

    async def _live(self, open_channel: Callable[[], socket.socket]) -> None:
        lost = _LOST
        try:
            reader, self._writer = await _connect(open_channel)
            self._writer.write(self._unsent)
            while (report := await _read(reader)) is not None:
                self.usage = Usage(*report["used"]) if "used" in report else self.usage
                self._reports.put_nowait(report)
        except OSError as error:
            lost = {"errno": error.errno or 0, "reason": error.strerror or str(error)}
        finally:
            if lost is not _LOST:
                self._reports.put_nowait(lost)
            self._reports.put_nowait(_LOST)
            if self._writer is not None:
                self._writer.close()


class Starter:
    """The process that starts all commands. It is started when it is first needed, and again if it was killed.

    Args:
        inherited: file descriptors that it and its supervisors, but no commands, keep open.
    """

    def __init__(self, inherited: tuple[int, ...] = ()) -> None:
        self._inherited = inherited
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    def open(self, place: Place) -> Session:
        """Opens a session on a node."""
        return Session(self._open_channel, place)

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
                    [sys.executable, "-I", "-S", "-X", "utf8", "-c", program(_PACKAGES), *map(str, self._inherited)],
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


async def _read(reader: asyncio.StreamReader) -> Report | None:
    with suppress(ConnectionError):
        if line := await reader.readline():
            report: Report = json.loads(line)
            return report
    return None


def _line(message: Order | Place) -> bytes:
    return json.dumps(message).encode() + b"\n"
