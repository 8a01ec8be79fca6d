"""Processes below a process, read from /proc, and signals to them. Of Linux; the standard library alone."""

import os


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


def _parent(name: str) -> int | None:
    try:
        with open(f"/proc/{name}/stat", "rb") as stream:
            # The name of the program stands in brackets and may hold anything, brackets too.
            return int(stream.read().rpartition(b")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return None
