"""Processes of this machine, read from /proc."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic


@dataclass(frozen=True)
class Process:
    """A process, told from a later one of the same number by its start time."""

    pid: int
    started: str

    def alive(self) -> bool:
        """Whether it still runs; a zombie does not."""
        fields = _stat(self.pid)
        return fields is not None and fields[19] == self.started and fields[0] != "Z"


def _stat(pid: int) -> list[str] | None:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def process(pid: int) -> Process | None:
    """Returns a process by its id; None if there is none."""
    fields = _stat(pid)
    return None if fields is None else Process(pid, fields[19])


def descendants(pid: int) -> list[Process]:
    """All processes below one, itself included."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, pending = [], [pid]
    while pending:
        current = pending.pop()
        pending += children.get(current, [])
        if fields := _stat(current):
            found.append(Process(current, fields[19]))
    return found


def wait_until(condition: Callable[[], bool], seconds: float, pause: float = 0.05) -> None:
    """Waits until something holds; where a look costs much, with a longer pause between two.

    Raises:
        AssertionError: it did not in time.
    """
    deadline = monotonic() + seconds
    while not condition():
        assert monotonic() < deadline, f"not true within {seconds} s"
        threading.Event().wait(pause)
