"""What is installed once into the user's cache directory, whole or not at all, and shared by all who run it."""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from localbatch.host.ending import ENDING

MARKER = ".complete"
_UNFINISHED = "unfinished-"
_LOOK_SECONDS = 0.1


def cache_directory() -> Path:
    """Returns the directory of this project within the user's cache (``XDG_CACHE_HOME``, else ``~/.cache``)."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "prefect-azure-batch"


@contextlib.contextmanager
def only_one(lock: Path, what: str) -> Iterator[None]:
    """Lets one process at a time install something.

    Args:
        lock: file that says so.
        what: what is installed, for those who wait.
    """
    with lock.open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another process that installs {what}")
            _await_lock(handle)
        yield


def _await_lock(handle: IO[str]) -> None:
    while True:
        ENDING.wait(_LOOK_SECONDS)
        with contextlib.suppress(BlockingIOError):
            return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextlib.contextmanager
def workplace_for(target: Path, what: str, size: str) -> Iterator[Path]:
    """A directory that takes the place of ``target`` when the context is left without an error.

    Args:
        target: where it goes; what lies there is replaced.
        what: what is installed, for the user.
        size: how large it is, for the user.
    """
    for leftover in target.parent.glob(f"{_UNFINISHED}*"):
        shutil.rmtree(leftover, ignore_errors=True)
    say(f"installing {what} into {target} (once; {size})")
    began = time.monotonic()
    workplace = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=target.parent))
    try:
        yield workplace
        (workplace / MARKER).write_text(f"{what}\n")
        _replace(target, workplace)
    finally:
        shutil.rmtree(workplace, ignore_errors=True)
    say(f"{what} is installed ({time.monotonic() - began:.0f} s)")


def _replace(target: Path, workplace: Path) -> None:
    """Puts the new tree in place of a broken one by renaming, so that nobody ever sees half a tree."""
    if target.exists() or target.is_symlink():
        target.rename(target.parent / f"{_UNFINISHED}{workplace.name.removeprefix(_UNFINISHED)}-broken")
    workplace.rename(target)
    for leftover in target.parent.glob(f"{_UNFINISHED}*-broken"):
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink()


def run_installer(
    command: list[str | Path], *, directory: Path, environment: dict[str, str], log: Path, seconds: float
) -> int:
    """Runs an installer in a session of its own, which it does not outlive.

    Args:
        command: program and arguments.
        directory: where it runs.
        environment: the whole environment.
        log: file that takes all it says.
        seconds: how long it may take.

    Returns:
        Its exit code; a negative number if it was ended.
    """
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            cwd=directory,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        return _wait(process, seconds)


def _wait(process: subprocess.Popen[bytes], seconds: float) -> int:
    deadline = time.monotonic() + seconds
    try:
        while (status := process.poll()) is None and time.monotonic() < deadline:
            ENDING.wait(_LOOK_SECONDS)
        return -signal.SIGKILL if status is None else status
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if process.stdin is not None:
            process.stdin.close()


def say(text: str) -> None:
    """Tells the user on standard error what takes its time."""
    sys.stderr.write(f"localbatch: {text}\n")
    sys.stderr.flush()
