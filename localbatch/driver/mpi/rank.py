"""Stands before each rank where a launcher can be made to start it through another program.

1. Hydra gives every rank the variables of the node on which mpirun runs: the rank's own node's are put back.
2. Where nodes have different paths (no mount namespaces), a working directory or program within another node's tree
   becomes the same place within the rank's own.
3. Hydra does not notice when the last rank of a node ends with an exit code or can't be started; all others then wait
   for ever. Death by a signal it does notice: so that is what becomes of an exit code, which is written down before.
"""

import contextlib
import ctypes
import json
import os
import signal
import sys
from collections.abc import Mapping
from typing import NoReturn

from localbatch.driver.mpi.variables import NODE_VARIABLES, RANK_CODES
from localbatch.driver.process_tree import exit_code

_PR_SET_PDEATHSIG = 1
_NOT_STARTED = 127
_PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGCONT)


def own_path(path: str, root: str) -> str:
    """Returns the place within one node's tree for a path in the tree of another one of its pool; others stay."""
    nodes = os.path.dirname(root) + os.sep
    if not path.startswith(nodes):
        return path
    _, _, inside = path[len(nodes) :].partition(os.sep)
    return os.path.join(root, inside) if inside else root


def main() -> NoReturn:
    """Turns into the program that its arguments name, or runs it and tells how it failed."""
    words = sys.argv[1:]
    os.environ.update(json.loads(os.environ.pop(NODE_VARIABLES, "{}")))
    root = os.environ.get("AZ_BATCH_NODE_ROOT_DIR")
    if root:
        directory = own_path(os.getcwd(), root)
        if os.path.isdir(directory):
            os.chdir(directory)
            os.environ["PWD"] = directory
        words[0] = own_path(words[0], root)
    if is_watched(os.environ):
        _run_watched(words)
    _become(words)


def is_watched(environment: Mapping[str, str]) -> bool:
    """Tells whether the rank's end has to be told to its launcher in another way: Hydra's."""
    return "PMI_RANK" in environment and "OMPI_COMM_WORLD_RANK" not in environment and RANK_CODES in environment


def _become(words: list[str]) -> NoReturn:
    try:
        os.execvp(words[0], words)  # noqa: S606 - no shell is wanted
    except OSError as error:
        os.write(2, f"{words[0]}: {error.strerror}\n".encode())
        os._exit(_NOT_STARTED)


def _pass_on(child: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # it has just ended
        os.kill(child, number)


def _run_watched(words: list[str]) -> NoReturn:
    codes, rank = os.environ[RANK_CODES], os.environ["PMI_RANK"]
    child = os.fork()
    if child == 0:
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        _become(words)
    for number in _PASSED_ON:
        signal.signal(number, lambda number, _: _pass_on(child, number))
    _, status = os.waitpid(child, 0)
    for number in _PASSED_ON:
        signal.signal(number, signal.SIG_IGN)
    code = os.waitstatus_to_exitcode(status)
    if code == 0:
        os._exit(0)
    how = f"exit code {code}" if code > 0 else f"signal {-code}"
    os.write(2, f"localbatch: rank {rank} on node {os.environ.get('AZ_BATCH_NODE_ID', '-')}: {how}\n".encode())
    descriptor = os.open(codes, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, f"{exit_code(code)}\n".encode())
    os.kill(os.getpid(), signal.SIGKILL)
    os._exit(_NOT_STARTED)
