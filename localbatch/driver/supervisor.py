"""Starts the commands of tasks and ends whatever they leave; a program of its own, with the standard library alone.

The service starts it once (the *starter*) and sends it one socket for each command. The starter forks a *supervisor*,
which reads its order from that socket, runs the command, reports its end, and ends every process the command has left.
A supervisor does the same when its socket is closed, so nothing outlives the service, ``kill -9`` included.

Forking takes 3 ms where a fresh interpreter takes 20 to 40, which is felt with thousands of short tasks.

On the socket the supervisor says that it is READY; then come lines of JSON. The service sends an Order, the supervisor
answers with a Report when the command has started (or could not) and with another one at its end. Any further byte from
the service is the request to stop.
"""

import contextlib
import ctypes
import errno
import json
import os
import select
import signal
import socket
import sys
import time
from typing import NoReturn, TypedDict

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_CLONE_NEWNS = 0x00020000
_CLONE_NEWUTS = 0x04000000
_CLONE_NEWUSER = 0x10000000
_MS_BIND = 0x1000
_MS_REC = 0x4000
_MS_SLAVE = 1 << 19

READY = b"r"
"""The first that a supervisor says: it is there to read its order."""

_ON_LINUX = sys.platform == "linux"
_KILL_SECONDS = 10.0
_LOOK_AGAIN_SECONDS = 0.05

_libc = ctypes.CDLL(None, use_errno=True)


class Order(TypedDict):
    """One command to run.

    Attributes:
        words: program and arguments.
        environment: the whole environment.
        directory: working directory.
        stdout: file that standard output is appended to.
        stderr: the same for standard error.
        hostname: name of the node, as the command is to see it.
        hosts: file that the command is to see as ``/etc/hosts``; empty leaves names and addresses as they are.
        grace: seconds between SIGTERM and SIGKILL.
    """

    words: list[str]
    environment: dict[str, str]
    directory: str
    stdout: str
    stderr: str
    hostname: str
    hosts: str
    grace: float


class Report(TypedDict, total=False):
    """What became of an order.

    Attributes:
        pid: process id of the command, once it runs.
        plain: why the command sees the machine's own name instead of the node's, if that could not be had.
        errno: why the command could not be started.
        reason: the same in words.
        code: exit code at its end; the negative number of the signal that ended it.
    """

    pid: int
    plain: str
    errno: int
    reason: str
    code: int


class _NoIsolation(Exception):
    """The kernel or its settings do not allow a name of one's own."""


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
            for pid in _children_by_parent().get(os.getpid(), ()):
                if pid not in self._supervisors:
                    _signal(pid, signal.SIGKILL)


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
    """Runs one command to its end.

    Args:
        channel: where the order comes from and the reports go.
    """

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        channel.sendall(READY)
        line, self._asked_to_stop = _read_order(channel)
        self._order: Order = json.loads(line)
        self._child = 0
        self._code: int | None = None
        self._wakeup = _wake_on_ended_child()

    def run(self) -> None:
        """From the order to the last report."""
        if _ON_LINUX:
            _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        report = self._launch()
        self._send(report)
        if "pid" not in report:
            return
        try:
            self._wait_for_end()
        finally:
            self._end_all()
        self._send({"code": -signal.SIGKILL if self._code is None else self._code})

    def _send(self, report: Report) -> None:
        self._channel.sendall(json.dumps(report).encode() + b"\n")

    def _launch(self) -> Report:
        if not self._order["hosts"]:
            return self._fork(isolated=False)
        report = self._fork(isolated=True)
        if "plain" not in report:
            return report
        return self._fork(isolated=False) | {"plain": report["plain"]}

    def _fork(self, *, isolated: bool) -> Report:
        reading, writing = os.pipe()
        supervisor = os.getpid()
        self._child = os.fork()
        if self._child == 0:
            trouble: Report = {"errno": errno.EINVAL, "reason": "unforeseen"}
            try:
                trouble = _become(self._order, supervisor, isolated=isolated)
            finally:
                os.write(writing, json.dumps(trouble).encode())
                os._exit(127)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            said = pipe.read()  # ends with nothing when the program takes the place of our child
        if not said:
            return {"pid": self._child}
        os.waitpid(self._child, 0)
        answer: Report = json.loads(said)
        return answer

    def _wait_for_end(self) -> None:
        while not self._reap() and self._code is None and not self._asked_to_stop:
            readable, _, _ = select.select([self._channel, self._wakeup], [], [])
            if self._channel in readable:
                self._asked_to_stop = True  # or left alone
            if self._wakeup in readable:
                self._wakeup.recv(4096)

    def _reap(self) -> bool:
        """Collects what has ended; tells whether no child is left, adopted ones included."""
        try:
            for pid, status in iter(_ended_child, None):
                if pid == self._child:
                    self._code = os.waitstatus_to_exitcode(status)
        except ChildProcessError:
            return True
        return False

    def _end_all(self) -> None:
        for number, seconds in ((signal.SIGTERM, self._order["grace"]), (signal.SIGKILL, _KILL_SECONDS)):
            deadline = time.monotonic() + seconds
            asked: set[int] = set()
            while not (self._reap() and _ON_LINUX) and (left := self._left()):
                if time.monotonic() >= deadline:
                    break
                for pid in left if number == signal.SIGKILL else left - asked:
                    _signal(pid, number)
                asked |= left
                if select.select([self._wakeup], [], [], _LOOK_AGAIN_SECONDS)[0]:
                    self._wakeup.recv(4096)

    def _left(self) -> set[int]:
        if _ON_LINUX:
            return _descendants(os.getpid())
        # Elsewhere orphans cannot be adopted: what stayed in the command's group is found, as one negative number.
        return {-self._child} if _signal(-self._child, 0) else set()


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


def _read_order(channel: socket.socket) -> tuple[bytes, bool]:
    data = b""
    while b"\n" not in data:
        piece = channel.recv(65536)
        if not piece:
            os._exit(1)  # there is nobody any more who could want it
        data += piece
    line, _, rest = data.partition(b"\n")
    return line, bool(rest)


def _become(order: Order, supervisor: int, *, isolated: bool) -> Report:
    """Turns this process into the command; returns only what went wrong."""
    try:
        _prepare(order, supervisor, isolated=isolated)
        os.execvpe(order["words"][0], order["words"], order["environment"])  # noqa: S606 - no shell is wanted
    except _NoIsolation as error:
        return {"plain": str(error)}
    except OSError as error:
        return {"errno": error.errno or errno.EINVAL, "reason": f"{order['words'][0]}: {error.strerror}"}
    except ValueError as error:  # a NUL, or an equals sign in the name of a variable
        return {"errno": errno.EINVAL, "reason": str(error)}


def _prepare(order: Order, supervisor: int, *, isolated: bool) -> None:
    os.setsid()
    if isolated:
        _take_name(order["hostname"], order["hosts"])
    if _ON_LINUX:
        # After the isolation, which clears it.
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != supervisor:
            os._exit(127)
    os.umask(0o022)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for descriptor, path in ((1, order["stdout"]), (2, order["stderr"])):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644), descriptor)
    os.chdir(order["directory"])
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)


def _take_name(hostname: str, hosts: str) -> None:
    """Gives this process, and no other, a host name and an /etc/hosts of its own.

    An ordinary user needs a user namespace for it, in which he stays who he is.
    """
    user, group = os.geteuid(), os.getegid()
    _call("unshare", _CLONE_NEWUTS | _CLONE_NEWNS | (_CLONE_NEWUSER if user else 0))
    own = {"setgroups": "deny", "uid_map": f"{user} {user} 1", "gid_map": f"{group} {group} 1"}
    try:
        for file, text in own.items() if user else ():
            with open(f"/proc/self/{file}", "w") as stream:
                stream.write(text)
    except OSError as error:
        raise _NoIsolation(str(error)) from error
    # What the machine mounts later is still seen here, what is mounted here is seen nowhere else.
    _call("mount", b"none", b"/", None, ctypes.c_ulong(_MS_REC | _MS_SLAVE), None)
    _call("mount", os.fsencode(hosts), b"/etc/hosts", None, ctypes.c_ulong(_MS_BIND), None)
    name = os.fsencode(hostname)
    _call("sethostname", name, ctypes.c_size_t(len(name)))


def _call(function: str, *arguments: object) -> None:
    try:
        result = getattr(_libc, function)(*arguments)
    except AttributeError as error:
        raise _NoIsolation(f"{function}: this system has no such call") from error
    if result != 0:
        raise _NoIsolation(f"{function}: {os.strerror(ctypes.get_errno())}")


def _descendants(ancestor: int) -> set[int]:
    children = _children_by_parent()
    found: set[int] = set()
    pending = [ancestor]
    while pending:
        below = children.get(pending.pop(), [])
        found.update(below)
        pending += below
    return found


def _children_by_parent() -> dict[int, list[int]]:
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (parent := _parent(name)):
            children.setdefault(parent, []).append(int(name))
    return children


def _parent(name: str) -> int | None:
    try:
        with open(f"/proc/{name}/stat", "rb") as stream:
            # The name of the program stands in brackets and may hold anything, brackets too.
            return int(stream.read().rpartition(b")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return None


def _signal(pid: int, number: int) -> bool:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    except PermissionError:
        return number == 0  # a program of another user; there is nothing that could be done
    return True


if __name__ == "__main__":
    main()
