"""``mpirun`` and ``mpiexec`` as a task finds them: the MPI's own program does the work.

With Hydra (MPICH, Intel MPI) the exit code of the rank that failed first becomes that of mpirun, where Hydra itself
says only that something was killed; see ``rank.py``. Intel MPI is led to ``rank.py`` by a variable. MPICH knows none,
so the program's name is put behind it on the command line.
"""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from localbatch.driver.mpi.variables import LAUNCH_DIRECTORY, NODE_VARIABLES, RANK_CODES
from localbatch.driver.process_tree import exit_code

_NOT_FOUND = 127
# What Hydra ends with when a rank was killed: one of its own, or the number of SIGKILL, as it happens; or that of
# SIGPIPE, where it was just about to tell something to the rank's node.
_KILLED = (255, 9, 137, 141)

# Options of MPICH's mpirun by the number of values that follow; as `mpirun --help` of MPICH 3.4 to 5.0 lists them.
_VALUES = {
    0: "genvnone genvall envnone envall enable-x disable-x disable-auto-cleanup disable-hostname-propagation "
    "hybrid-hosts info pmi-port prepend-rank l print-all-exitcodes print-rank-map profile skip-launch-node verbose v",
    1: "genvlist envlist f hosts host hostfile machinefile machine rankmap wdir wd n np ppn perhost path umask "
    "launcher launcher-exec bootstrap bootstrap-exec rmk topolib bind-to map-by membind demux errfile-pattern "
    "outfile-pattern gpus-per-proc iface localhost nameserver order-nodes prepend-pattern usize memory-alloc-kinds",
    2: "genv env",
}
_OPTIONS = {name: count for count, names in _VALUES.items() for name in names.split()}


def main() -> NoReturn:
    """Runs the MPI's own launcher and ends with its exit code, or with that of the rank that failed."""
    name, arguments = sys.argv[1], sys.argv[2:]
    directory = Path(os.environ[LAUNCH_DIRECTORY])
    program = find(name, os.environ.get("PATH", ""), directory)
    if program is None:
        os.write(2, f"{name}: command not found: there is no MPI on this node\n".encode())
        os._exit(_NOT_FOUND)
    # In a command that came from another node and now starts ranks itself, this one is the caller.
    os.environ.pop(NODE_VARIABLES, None)
    if not is_hydra(program):
        os.execv(program, [str(program), *arguments])  # noqa: S606 - no shell is wanted
    if (program.parent / "mpichversion").exists():
        arguments = with_rank_program(arguments, str(directory / "bin" / "rank")) or arguments
    os._exit(_run(program, arguments, directory))


def find(name: str, path: str, directory: Path) -> Path | None:
    """Returns the next program of that name behind our own."""
    for each in path.split(os.pathsep):
        program = Path(each or ".", name)
        if os.access(program, os.X_OK) and directory not in program.resolve().parents and program.is_file():
            return program
    return None


def is_hydra(program: Path) -> bool:
    """Tells whether a launcher is Hydra, that of MPICH and of Intel MPI."""
    own = program.resolve()
    return (own.parent / "mpiexec.hydra").exists() and own.name not in ("orterun", "prterun", "prte")


def with_rank_program(arguments: Sequence[str], rank: str) -> list[str] | None:
    """Returns the arguments of MPICH's mpirun with a program put before each of the user's; None if they are unknown.

    Args:
        arguments: options and program, several such sections separated by ``:``.
        rank: the program to put there.
    """
    found: list[str] = []
    left = list(arguments)
    in_options = True
    while left:
        word = left.pop(0)
        if in_options and word.startswith("-") and word != "-":
            name, equals, _ = word.lstrip("-").partition("=")
            count = _OPTIONS.get(name)
            if count is None or len(left) < count:
                return None
            values = [] if equals else left[:count]
            left = left[len(values) :]
            found += [word, *values]
            continue
        if in_options:
            found.append(rank)
        in_options = word == ":"
        found.append(word)
    return None if in_options else found


def _run(program: Path, arguments: Sequence[str], directory: Path) -> int:
    descriptor, codes = tempfile.mkstemp(prefix="codes-", dir=directory)
    os.close(descriptor)
    try:
        launcher = subprocess.Popen([program, *arguments], env=os.environ | {RANK_CODES: codes})
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda number, _: launcher.send_signal(number))
        code = exit_code(launcher.wait())
        failed = Path(codes).read_text().split()
    finally:
        Path(codes).unlink(missing_ok=True)
    return int(failed[0]) if code in _KILLED and failed else code
