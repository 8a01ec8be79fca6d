"""The service's side of supervisor.py: starts commands and follows them to their end."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Self

from localbatch.driver.supervisor import Order, Report

_PROGRAM = Path(__file__).with_name("supervisor.py")


class LaunchError(Exception):
    """A command could not be started.

    Attributes:
        number: the error number of the system.
    """

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(reason)
        self.number = number


class Command:
    """A command that runs under a supervisor of its own.

    Attributes:
        pid: its process id.
        plain: why it sees the machine's own name instead of the node's; None if it sees the node's.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pid: int, plain: str | None) -> None:
        self.pid = pid
        self.plain = plain
        self._reader = reader
        self._writer = writer
        self._ended = asyncio.ensure_future(self._follow())

    @classmethod
    async def start(cls, channel: socket.socket, order: Order) -> Self:
        """Hands the order to the supervisor at the other end of the channel.

        Raises:
            LaunchError: the program could not be started.
        """
        reader, writer = await asyncio.open_connection(sock=channel)
        try:
            writer.write(json.dumps(order).encode() + b"\n")
            report = await _read(reader)
            if report is None or "errno" in report:
                raise _launch_error(report)
        except BaseException:
            writer.close()
            raise
        return cls(reader, writer, report["pid"], report.get("plain"))

    def stop(self) -> None:
        """Has the command and all its descendants ended, gently at first; returns at once."""
        if not self._writer.is_closing():
            self._writer.write(b"s")

    async def wait(self) -> int:
        """Waits until the command and all its descendants have ended.

        Returns:
            The exit code; for a command ended by a signal the signal's negative number.
        """
        return await asyncio.shield(self._ended)

    async def end(self) -> int:
        """Stops the command and waits for its end, however often the waiting is cancelled."""
        self.stop()
        cancelled = False
        while not self._ended.done():
            try:
                await self.wait()
            except asyncio.CancelledError:
                cancelled = True
        if cancelled:
            raise asyncio.CancelledError
        return self._ended.result()

    async def _follow(self) -> int:
        report = await _read(self._reader)
        self._writer.close()
        return -signal.SIGKILL if report is None else report["code"]


class Starter:
    """The process that starts all commands. It is started when it is first needed, and again if it was killed."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    async def start(self, order: Order) -> Command:
        """Starts a command.

        Raises:
            LaunchError: the program could not be started.
        """
        return await Command.start(self._open_channel(), order)

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
                    [sys.executable, "-I", "-S", "-X", "utf8", str(_PROGRAM)],
                    stdin=theirs,
                    env={},
                    cwd="/",
                    start_new_session=True,
                )
        return self._control


async def _read(reader: asyncio.StreamReader) -> Report | None:
    line = await reader.readline()
    if not line:
        return None
    report: Report = json.loads(line)
    return report


def _launch_error(report: Report | None) -> LaunchError:
    if report is None:
        return LaunchError(0, "the supervisor was killed")
    return LaunchError(report["errno"], report["reason"])
