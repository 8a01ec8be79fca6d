"""Starting one process: from the fork to the program in its place. The standard library alone."""

import ctypes
import errno
import json
import os
import signal
import sys
from collections.abc import Sequence
from typing import TypedDict

_PR_SET_PDEATHSIG = 1
_LONGEST_NAME = 255
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ)

_libc = ctypes.CDLL(None, use_errno=True)


class Trouble(TypedDict):
    """Why a program could not be started.

    Attributes:
        errno: the error number of the system.
        reason: the same in words.
    """

    errno: int
    reason: str


def spawn(words: list[str], environment: dict[str, str], directory: str, streams: Sequence[int]) -> int | Trouble:
    """Starts a program in a session of its own; it is killed when this process ends.

    Args:
        words: program and arguments.
        environment: the whole environment.
        directory: where it runs.
        streams: file descriptors of its standard input, output and error.

    Returns:
        Its process id, or why there is none.
    """
    reading, writing = os.pipe()
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        trouble = Trouble(errno=errno.EINVAL, reason="unforeseen")
        try:
            trouble = _become(words, environment, directory, streams, parent)
        finally:
            os.write(writing, json.dumps(trouble).encode())
            os._exit(127)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read()  # ends with nothing when the program takes the place of our child
    if not said:
        return child
    os.waitpid(child, 0)
    answer: Trouble = json.loads(said)
    return answer


def _become(
    words: list[str], environment: dict[str, str], directory: str, streams: Sequence[int], parent: int
) -> Trouble:
    """Turns this process into the program; returns only what went wrong."""
    try:
        _prepare(directory, streams, parent)
        os.execvpe(words[0], words, environment)  # noqa: S606 - no shell is wanted
    except OSError as error:
        name = words[0][:_LONGEST_NAME]
        return Trouble(errno=error.errno or errno.EINVAL, reason=f"{name}: {error.strerror}")
    except ValueError as error:  # a NUL, or an equals sign in the name of a variable
        return Trouble(errno=errno.EINVAL, reason=str(error))


def _prepare(directory: str, streams: Sequence[int], parent: int) -> None:
    os.setsid()
    if sys.platform == "linux":
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(127)
    os.umask(0o022)
    for number, descriptor in enumerate(streams):
        os.dup2(descriptor, number)
    os.chdir(directory)
    signal.set_wakeup_fd(-1)
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_DFL)
