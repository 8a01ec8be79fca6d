"""Processes below a process, read from /proc, signals to them, and their ends. The standard library alone."""

import os

_SHELL_SIGNAL_BASE = 128


def descendants(ancestor: int) -> set[int]:
    """Returns all processes below one, however deep."""
    children = children_by_parent()
    found: set[int] = set()
    pending = [ancestor]
    while pending:
        below = children.get(pending.pop(), [])
        found.update(below)
        pending += below
    return found


def children_by_parent() -> dict[int, list[int]]:
    """Returns the process ids of all children by the id of their parent."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (parent := _parent(name)):
            children.setdefault(parent, []).append(int(name))
    return children


def send_signal(pid: int, number: int) -> bool:
    """Sends a signal to a process, or to a group for a negative number; tells whether there was one."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    except PermissionError:
        return number == 0  # a program of another user; there is nothing that could be done
    return True


def exit_code(status: int) -> int:
    """Returns what a shell reports for a program's end; what Batch reports for one ended by a signal is not known.

    Args:
        status: exit code, or the negative number of the signal that ended it.
    """
    return _SHELL_SIGNAL_BASE - status if status < 0 else status


def _parent(name: str) -> int | None:
    try:
        with open(f"/proc/{name}/stat", "rb") as stream:
            # The name of the program stands in brackets and may hold anything, brackets too.
            return int(stream.read().rpartition(b")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return None
