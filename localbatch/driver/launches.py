"""Commands that come to a node from the other nodes of its task, as over ssh. The standard library alone.

The program that asks (``mpi/agent.py``) sends three file descriptors and one line of JSON: the command, which is text
for a shell, and its environment. It hears the exit code when the command has ended. The command runs under the
supervisor of the node, so it ends with the task.
"""

import json
import os
import signal
import socket
import struct
import sys
from collections.abc import Iterator
from typing import TypedDict

from localbatch.driver.mpi.variables import NODE_VARIABLES, OPEN_MPI_MEMORY
from localbatch.driver.process_tree import exit_code, send_signal
from localbatch.driver.spawning import spawn

# Of a node besides those of Batch.
_OWN = ("HOME", "TMPDIR", OPEN_MPI_MEMORY)
_PIECE = 65536
_LONGEST = 16 << 20
_STREAMS = 3
_CREDENTIALS = struct.Struct("3i")


class Request(TypedDict):
    """What is to be run.

    Attributes:
        command: text for a shell.
        environment: that of the program that asks; the node's own variables win over it.
    """

    command: str
    environment: dict[str, str]


class _Caller:
    """One connection: what has come so far, and the command that was started for it."""

    # No dataclass: their module brings megabytes, which every fork of a supervisor would have to map.
    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.streams: list[int] = []
        self.said = b""
        self.child = 0

    def close_streams(self) -> None:
        for descriptor in self.streams:
            os.close(descriptor)
        self.streams.clear()

    def close(self) -> None:
        self.close_streams()
        self.connection.close()


class Launches:
    """Takes commands and answers with their exit codes.

    Args:
        path: the socket, which is made.

    Attributes:
        environment: of the node's task; its Batch variables are those of every command.
        directory: where the commands run.
        groups: ids of the process groups of all commands so far.
    """

    def __init__(self, path: str) -> None:
        self.environment: dict[str, str] = {}
        self.directory = "/"
        self.groups: set[int] = set()
        self._callers: dict[socket.socket, _Caller] = {}
        self._listener = _listen(path)

    def sockets(self) -> list[socket.socket]:
        """Returns what is to be watched."""
        return [self._listener, *self._callers]

    def handle(self, readable: list[socket.socket]) -> None:
        """Goes on with those that can be read."""
        for each in readable:
            if each is self._listener:
                self._accept()
            elif each in self._callers:
                self._hear(self._callers[each])

    def ended(self, pid: int, code: int) -> None:
        """Tells the caller, if that process was started for one, how it ended."""
        for caller in [caller for caller in self._callers.values() if caller.child == pid]:
            self._answer(caller, exit_code(code))

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        if _is_own_user(connection):
            connection.setblocking(False)
            self._callers[connection] = _Caller(connection)
        else:
            connection.close()

    def _hear(self, caller: _Caller) -> None:
        try:
            data, descriptors, _, _ = socket.recv_fds(caller.connection, _PIECE, _STREAMS)
        except BlockingIOError:
            return
        except OSError:
            data, descriptors = b"", []
        caller.streams += descriptors
        caller.said += data
        if not data or len(caller.said) > _LONGEST:
            self._hang_up(caller)
        elif caller.said.endswith(b"\n") and not caller.child:
            self._start(caller)

    def _hang_up(self, caller: _Caller) -> None:
        # As the daemon of ssh does when its client is gone.
        if caller.child:
            send_signal(-caller.child, signal.SIGHUP)
        self._forget(caller)

    def _start(self, caller: _Caller) -> None:
        try:
            request: Request = json.loads(caller.said)
            words = ["/bin/sh", "-c", request["command"]]
            own = dict(self._own_variables())
            environment = request["environment"] | own | {NODE_VARIABLES: json.dumps(own)}
        except (ValueError, KeyError, TypeError):
            self._forget(caller)
            return
        if len(caller.streams) != _STREAMS or not self.environment:
            self._forget(caller)
            return
        child = spawn(words, environment, self.directory, caller.streams)
        caller.close_streams()
        if isinstance(child, int):
            caller.child = child
            self.groups.add(child)
        else:
            self._answer(caller, 127)

    def _own_variables(self) -> Iterator[tuple[str, str]]:
        for name, value in self.environment.items():
            if name.startswith("AZ_BATCH_") or name in _OWN:
                yield name, value

    def _answer(self, caller: _Caller, code: int) -> None:
        try:
            caller.connection.setblocking(True)
            caller.connection.sendall(f"{code}\n".encode())
        except OSError:
            pass  # whoever asked is gone
        self._forget(caller)

    def _forget(self, caller: _Caller) -> None:
        self._callers.pop(caller.connection, None)
        caller.close()


def _listen(path: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # The name of a socket may have about 100 characters; a name relative to its directory is short.
    os.chdir(os.path.dirname(path))
    try:
        listener.bind(os.path.basename(path))
    finally:
        os.chdir("/")
    listener.listen(128)
    return listener


def _is_own_user(connection: socket.socket) -> bool:
    if sys.platform != "linux":
        return True  # the directory of the socket is closed to others
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, user, _ = _CREDENTIALS.unpack(raw)
    return bool(user == os.geteuid())
