"""Starts the commands of tasks and ends whatever they leave; a program of its own, with the standard library alone.

The service starts it once (the *starter*) and sends it one socket for each session. The starter forks a *supervisor*,
which reads from that socket on which node it is and what to run, reports how each command ends, and at the end of the
session ends every process its commands have left. A supervisor does the same when its socket is closed, so nothing
outlives the service, ``kill -9`` included.

Forking takes 3 ms where a fresh interpreter takes 20 to 40, which is felt with thousands of short tasks.

On the socket the supervisor says that it is READY; then come lines of JSON. The service sends a Place and then Orders,
one after the other; to each the supervisor answers with a Report when the command has started (or could not) and with
another one at its end. Most sessions have one order. A task on several nodes has two on the first of them: what the
coordination command leaves in the background lives on beside the application command. Any line that is no JSON is the
request to stop. A session that ends otherwise may be followed by another one on the same node, whose first line is an
Order.
"""

import contextlib
import ctypes
import json
import os
import resource
import select
import signal
import socket
import sys
import time
from typing import NoReturn, TypeAlias, TypedDict

from localbatch.driver.isolation import NoIsolation, Place, isolate
from localbatch.driver.launches import Launches
from localbatch.driver.process_tree import children_by_parent, descendants, send_signal
from localbatch.driver.spawning import Trouble, spawn

_PR_SET_CHILD_SUBREAPER = 36

READY = b"r"
"""The first that a supervisor says: it is there to read its orders."""

_ON_LINUX = sys.platform == "linux"
_KILL_SECONDS = 10.0
_CLEANUP_SECONDS = 60.0
_LOOK_AGAIN_SECONDS = 0.05
_BLOCK_BYTES = 512

_libc = ctypes.CDLL(None, use_errno=True)

Used: TypeAlias = tuple[float, float, int, int]


class Order(TypedDict):
    """One command to run.

    Attributes:
        words: program and arguments.
        environment: the whole environment.
        mounted: variables that are different where the node's tree is seen at the place's ``mount``.
        directory: working directory, below the node's root.
        stdout: file that standard output is appended to.
        stderr: the same for standard error.
        last: end the session with it, and whatever runs in the background by then.
        cleanup: programs with their arguments to be run in its environment when the session ends, however it does.
    """

    words: list[str]
    environment: dict[str, str]
    mounted: dict[str, str]
    directory: str
    stdout: str
    stderr: str
    last: bool
    cleanup: list[list[str]]


class Report(TypedDict, total=False):
    """What became of an order.

    Attributes:
        pid: process id of the command, once it runs.
        plain: why the command sees the machine's own name instead of the node's, if that could not be had.
        errno: why the command could not be started.
        reason: the same in words.
        code: exit code at its end; the negative number of the signal that ended it.
        used: with the last report of a session, what all its processes have used: seconds in user and in kernel mode,
            bytes read and written.
    """

    pid: int
    plain: str
    errno: int
    reason: str
    code: int
    used: Used


def main() -> None:
    """Forks a supervisor for each socket that comes in, until the service closes the line."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    for descriptor in map(int, sys.argv[1:]):
        os.set_inheritable(descriptor, False)
    with socket.socket(fileno=0) as control:
        Starter(control).run()


class Starter:
    """Forks supervisors, and ends the commands of one that was killed.

    Args:
        control: where the sockets come from.
    """

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._supervisors: set[int] = set()
        self._wakeup = _wake_on_ended_child()

    def run(self) -> None:
        """Serves until the other end is closed."""
        if _ON_LINUX:
            _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        while True:
            readable, _, _ = select.select([self._control, self._wakeup], [], [])
            if self._wakeup in readable:
                self._wakeup.recv(4096)
                self._reap()
            if self._control in readable and not self._fork():
                return

    def _fork(self) -> bool:
        data, sockets, _, _ = socket.recv_fds(self._control, 1, 1)
        for descriptor in sockets:
            os.set_inheritable(descriptor, False)
            pid = os.fork()
            if pid == 0:
                self._control.close()
                self._wakeup.close()
                _supervise_and_exit(descriptor)
            os.close(descriptor)
            self._supervisors.add(pid)
        return bool(data)

    def _reap(self) -> None:
        was_one_killed = False
        with contextlib.suppress(ChildProcessError):
            for pid, status in iter(_ended_child, None):
                was_one_killed |= pid not in self._supervisors or os.WIFSIGNALED(status)
                self._supervisors.discard(pid)
        # What a supervisor leaves when it is killed comes to us, generation after generation.
        if was_one_killed:
            for pid in children_by_parent().get(os.getpid(), ()):
                if pid not in self._supervisors:
                    send_signal(pid, signal.SIGKILL)


def _supervise_and_exit(descriptor: int) -> NoReturn:
    try:
        os.setsid()
        with socket.socket(fileno=descriptor) as channel:
            Supervisor(channel).run()
    except ConnectionError:
        os._exit(1)  # the service is gone, and so is the command by now
    except Exception:
        sys.excepthook(*sys.exc_info())
        os._exit(1)
    finally:
        os._exit(0)


class Supervisor:
    """Runs the commands of one session to their end.

    Args:
        channel: where the orders come from and the reports go.
    """

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        channel.sendall(READY)
        self._lines: list[bytes] = []
        self._unread = b""
        self._asked_to_stop = False
        self._child = 0
        self._groups: set[int] = set()
        self._code: int | None = None
        self._cleanup: list[tuple[list[str], dict[str, str]]] = []
        self._wakeup = _wake_on_ended_child()
        self._launches: Launches | None = None

    def run(self) -> None:
        """From the first order to the last report, of one session after the other."""
        if _ON_LINUX:
            _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        line = self._next_line()
        if line is None:
            return
        self._place: Place = json.loads(line)
        self._plain = self._isolate()
        if self._place["listen"]:
            self._launches = Launches(self._place["listen"])
        while (line := self._next_line()) is not None:
            self._run_session(line)

    def _run_session(self, first: bytes) -> None:
        before = _used()
        self._groups.clear()
        self._cleanup.clear()
        report: Report = {}
        try:
            report = self._follow_orders(first) or report
        finally:
            self._clean_up()
            self._end_all()
        report["used"] = _difference(_used(), before)
        self._send(report)

    def _isolate(self) -> str:
        if not self._place["hosts"]:
            return "not asked for"
        try:
            isolate(self._place)
        except NoIsolation as error:
            return str(error)
        return ""

    def _follow_orders(self, first: bytes) -> Report | None:
        """Runs one order after the other; returns the report that is due when all has ended."""
        line: bytes | None = first
        while line is not None:
            order: Order = json.loads(line)
            self._cleanup += [(words, order["environment"]) for words in order["cleanup"]]
            child = self._launch(order)
            if not isinstance(child, int):
                self._send({"errno": child["errno"], "reason": child["reason"]})
                return None
            self._send({"pid": child, "plain": self._plain} if self._plain else {"pid": child})
            self._child, self._code = child, None
            self._groups.add(child)
            report: Report = {"code": self._follow_child()}
            if order["last"] or self._asked_to_stop:
                return report
            self._send(report)
            line = self._next_line()
        return None

    def _follow_child(self) -> int:
        while not self._reap() and self._code is None and not self._asked_to_stop:
            self._await_events()
        return -signal.SIGKILL if self._code is None else self._code

    def _launch(self, order: Order) -> int | Trouble:
        environment, directory = order["environment"], order["directory"]
        if not self._plain and self._place["mount"]:
            environment |= order["mounted"]
            inside = os.path.relpath(directory, self._place["root"])
            directory = os.path.join(self._place["mount"], inside)
        if self._launches is not None:
            self._launches.environment, self._launches.directory = environment, directory
        streams: list[int] = []
        try:
            streams.append(os.open(os.devnull, os.O_RDONLY))
            for path in (order["stdout"], order["stderr"]):
                streams.append(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644))
            return spawn(order["words"], environment, directory, streams)
        except OSError as error:
            return Trouble(errno=error.errno or 0, reason=str(error))
        finally:
            for descriptor in streams:
                os.close(descriptor)

    def _send(self, report: Report) -> None:
        self._channel.sendall(json.dumps(report).encode() + b"\n")

    def _next_line(self) -> bytes | None:
        """Waits for the next order; None is the request to stop."""
        while not self._lines and not self._asked_to_stop:
            self._await_events()
            self._reap()
        return None if self._asked_to_stop else self._lines.pop(0)

    def _await_events(self) -> None:
        launches = self._launches.sockets() if self._launches else []
        readable, _, _ = select.select([self._channel, self._wakeup, *launches], [], [])
        if self._channel in readable:
            self._read_channel()
        if self._wakeup in readable:
            self._wakeup.recv(4096)
        if self._launches is not None:
            self._launches.handle(readable)

    def _read_channel(self) -> None:
        piece = self._channel.recv(65536)
        *lines, self._unread = (self._unread + piece).split(b"\n")
        self._lines += lines
        # Left alone counts as asked to stop.
        self._asked_to_stop |= not piece or any(not line.startswith(b"{") for line in lines)

    def _reap(self) -> bool:
        """Collects what has ended; tells whether no child is left, adopted ones included."""
        try:
            for pid, status in iter(_ended_child, None):
                code = os.waitstatus_to_exitcode(status)
                if pid == self._child:
                    self._code = code
                elif self._launches is not None:
                    self._launches.ended(pid, code)
        except ChildProcessError:
            return True
        return False

    def _clean_up(self) -> None:
        for words, environment in self._cleanup:
            nowhere = os.open(os.devnull, os.O_RDWR)
            child = spawn(words, environment, "/", [nowhere] * 3)
            os.close(nowhere)
            if not isinstance(child, int):
                continue
            self._child, self._code = child, None
            self._await_child(time.monotonic() + _CLEANUP_SECONDS)

    def _await_child(self, deadline: float) -> None:
        while not self._reap() and self._code is None and time.monotonic() < deadline:
            if select.select([self._wakeup], [], [], _LOOK_AGAIN_SECONDS)[0]:
                self._wakeup.recv(4096)

    def _end_all(self) -> None:
        for number, seconds in ((signal.SIGTERM, self._place["grace"]), (signal.SIGKILL, _KILL_SECONDS)):
            deadline = time.monotonic() + seconds
            asked: set[int] = set()
            while not (self._reap() and _ON_LINUX) and (left := self._left()):
                if time.monotonic() >= deadline:
                    break
                for pid in left if number == signal.SIGKILL else left - asked:
                    send_signal(pid, number)
                asked |= left
                if select.select([self._wakeup], [], [], _LOOK_AGAIN_SECONDS)[0]:
                    self._wakeup.recv(4096)

    def _left(self) -> set[int]:
        if _ON_LINUX:
            return descendants(os.getpid())
        # Elsewhere orphans cannot be adopted: what stayed in the commands' groups is found, by negative numbers.
        groups = self._groups | (self._launches.groups if self._launches else set())
        return {-group for group in groups if send_signal(-group, 0)}


def _used() -> Used:
    """Tells what the children that were collected have used, with all of theirs."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime, usage.ru_stime, usage.ru_inblock * _BLOCK_BYTES, usage.ru_oublock * _BLOCK_BYTES


def _difference(now: Used, before: Used) -> Used:
    return now[0] - before[0], now[1] - before[1], now[2] - before[2], now[3] - before[3]


def _wake_on_ended_child() -> socket.socket:
    """Returns a socket that can be read from when a child has ended."""
    wakeup, waker = socket.socketpair()
    waker.setblocking(False)
    signal.set_wakeup_fd(waker.detach(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    return wakeup


def _ended_child() -> tuple[int, int] | None:
    """Collects a child that has ended; raises ChildProcessError if there is none at all."""
    pid, status = os.waitpid(-1, os.WNOHANG)
    return (pid, status) if pid else None


if __name__ == "__main__":
    main()
