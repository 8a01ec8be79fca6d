"""``ssh`` between the nodes of one task: the command goes to the supervisor of the node it names."""

import contextlib
import json
import os
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from localbatch.driver.mpi.variables import LAUNCH_DIRECTORY

REFUSED = 255
"""The exit code of ssh for everything that is not the command's own end."""

# Without a command, what comes by standard input is run.
_SHELL = "exec /bin/sh"
_WITH_VALUE = set("BbcDEeFIiJLlmOoPpQRSWw")


@dataclass(frozen=True)
class Call:
    """What ssh is asked for.

    Attributes:
        host: address or name, without a user.
        command: text for a shell on that host.
        no_input: standard input is not passed on.
    """

    host: str
    command: str
    no_input: bool = False


def parse(arguments: Sequence[str]) -> Call:
    """Reads the arguments of ssh: options, host, command."""
    rest = list(arguments)
    no_input = False
    while rest and rest[0].startswith("-"):
        option = rest.pop(0)
        if option == "--":
            break
        no_input |= option == "-n"
        if len(option) == 2 and option[1] in _WITH_VALUE and rest:
            rest.pop(0)
    host = rest.pop(0).rpartition("@")[2] if rest else ""
    if rest and rest[0] == "--":
        rest.pop(0)
    return Call(host, " ".join(rest), no_input)


def main() -> NoReturn:
    """Runs one command on another node and ends with its exit code."""
    call = parse(sys.argv[2:])
    if not call.command and os.isatty(0):
        _refuse("only commands can be run on another node, no sessions")
    # No name of a host leads out of the directory.
    if not call.host or "/" in call.host or call.host.startswith("."):
        _refuse(f"{call.host!r} is no host")
    with _connect(call.host) as connection:
        _ask(connection, call)
        answer = connection.makefile("rb").readline().strip()
    if not answer.isdigit():
        _refuse(f"connection to {call.host} was lost")
    os._exit(int(answer))


def _connect(host: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    here = os.open(".", os.O_RDONLY)
    try:
        # The whole path may be longer than the name of a socket may be.
        os.chdir(os.environ[LAUNCH_DIRECTORY])
        connection.connect(host)
    except (OSError, KeyError):
        _refuse(f"connect to host {host} port 22: Connection refused (it is no node of this task)")
    finally:
        os.fchdir(here)
        os.close(here)
    return connection


def _ask(connection: socket.socket, call: Call) -> None:
    line = json.dumps({"command": call.command or _SHELL, "environment": dict(os.environ)}).encode() + b"\n"
    null = os.open(os.devnull, os.O_RDWR)
    streams = [null if call.no_input else _open_or(0, null), _open_or(1, null), _open_or(2, null)]
    # The answer to a short command may be there, and the other end closed, before all of this has returned.
    with contextlib.suppress(BrokenPipeError):
        sent = socket.send_fds(connection, [line], streams)
        while sent < len(line):
            sent += connection.send(line[sent:])
    os.close(null)


def _open_or(descriptor: int, null: int) -> int:
    try:
        os.fstat(descriptor)
    except OSError:
        return null
    return descriptor


def _refuse(reason: str) -> NoReturn:
    os.write(2, f"ssh: {reason}\n".encode())
    os._exit(REFUSED)
