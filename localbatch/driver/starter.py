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

from localbatch.driver.idle import Channel, IdleSupervisors
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
        starter: makes the supervisor, or has one that waits.
        place: the node the commands see.

    Attributes:
        usage: what its processes have used, once it has ended.
    """

    def __init__(self, starter: "Starter", place: Place) -> None:
        self._writer: asyncio.StreamWriter | None = None
        self._unsent = b""
        self._is_last = self._is_ending = False
        self.usage = Usage()
        self._reports: asyncio.Queue[Report] = asyncio.Queue()
        self._life = asyncio.ensure_future(self._live(starter, place))

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
        self._is_ending = True
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
        if self._life.done():
            return  # the supervisor may have another session by now
        if self._writer is None:
            self._unsent += line
        elif not self._writer.is_closing():
            self._writer.write(line)

    async def _next_report(self) -> Report:
        report = await self._reports.get()
        if report is _LOST:
            self._reports.put_nowait(_LOST)  # for whoever asks next
        return report

    async def _live(self, starter: "Starter", place: Place) -> None:
        lost = _LOST
        channel: Channel | None = None
        is_reusable = False
        try:
            channel = await starter.connect(place)
            self._writer = channel.writer
            self._writer.write(self._unsent)
            while (report := await _read(channel.reader)) is not None:
                self._reports.put_nowait(report)
                if "used" in report:
                    self.usage = Usage(*report["used"])
                    is_reusable = not self._is_ending
                    break
        except OSError as error:
            lost = {"errno": error.errno or 0, "reason": error.strerror or str(error)}
        finally:
            if lost is not _LOST:
                self._reports.put_nowait(lost)
            self._reports.put_nowait(_LOST)
            if channel is not None:
                starter.take_back(channel, is_reusable=is_reusable)


class Starter:
    """The process that starts all commands. It is started when it is first needed, and again if it was killed.

    Args:
        inherited: file descriptors that it and its supervisors, but no commands, keep open.
    """

    def __init__(self, inherited: tuple[int, ...] = ()) -> None:
        self._inherited = inherited
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._idle = IdleSupervisors()

    def open(self, place: Place) -> Session:
        """Opens a session on a node."""
        return Session(self, place)

    async def connect(self, place: Place) -> Channel:
        """Returns the way to a supervisor on a node that has no session.

        Raises:
            OSError: there is none to be had.
        """
        return self._idle.take(place) or await _connect(self._open_channel, place)

    def take_back(self, channel: Channel, *, is_reusable: bool) -> None:
        """Takes the way to a supervisor whose session is over."""
        # One that listens for other nodes belongs to one task.
        if is_reusable and not channel.place["listen"]:
            self._idle.keep(channel)
        else:
            channel.writer.close()

    def forget_node(self, root: Path) -> None:
        """Ends the supervisors that wait on a node which is about to be made or removed."""
        self._idle.dismiss(str(root.absolute()))

    def close(self) -> None:
        """Ends the process; commands that still run end with their own channels."""
        self._idle.close()
        self._end()

    def _end(self) -> None:
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
                self._end()
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


async def _connect(open_channel: Callable[[], socket.socket], place: Place) -> Channel:
    for _ in range(_TRIES):
        reader, writer = await asyncio.open_connection(sock=open_channel())
        with suppress(ConnectionError):
            if await reader.read(len(READY)):
                writer.write(_line(place))
                return Channel(place, reader, writer)
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
