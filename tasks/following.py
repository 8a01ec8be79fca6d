"""Streams of running tasks as lines: what is read of them next, what is shown of that, and whose are followed.

A stream is read piece by piece while it grows. A line is shown when it is whole, so that neither a character nor a
secret is shown in halves.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from itertools import islice

from prefect_azure_batch.blocks.hiding import without_hidden
from prefect_azure_batch.blocks.queries import without_queries
from prefect_azure_batch.tasks.errors import BadInput
from prefect_azure_batch.tasks.records import AddedTask

FEW = 10
"""So many tasks are followed without being asked for, if a run has no more."""
MOST = 20
"""So many are followed if they are asked for."""
PRIMARY = "primary"
"""The first node of a multi-instance task; the others are ``subtask-1`` and so on."""
NONE = "none"
"""Asked for in place of an input: nothing is followed."""

PIECE_BYTES = 64 * 1024
"""What is read of a stream at a time, its end; what came before that and was not read is left out."""

_LINES_A_SECOND = 20.0
_BURST = 200
_LONGEST_LINE = 16 * 1024
_SHOWN_CHARACTERS = 1000
_NAME_LENGTH = 40
_SHOWN_INPUTS = 3
_UNITS = (("MB", 1e6), ("kB", 1e3), ("bytes", 1))
# Colours, titles of windows and the like, and what else moves a terminal's cursor: a log has none of that.
_CONTROLS = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-~]|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
)


class Stream:
    """A file that a task writes, on its way to lines.

    Attributes:
        position: how much of the file has been read, or left out.
    """

    def __init__(self) -> None:
        """Begins at the file's beginning."""
        self.position = 0
        self._held = b""
        self._is_cut = False  # up to the end of its line, what comes is dropped

    def span(self, size: int) -> tuple[int, int, int] | None:
        """What to read next of the file, now that it has a size: begin, end, and the bytes left out before that.

        Returns:
            None if it has not grown.
        """
        if size <= self.position:
            return None
        left_out = max(0, size - PIECE_BYTES - self.position)
        if left_out:
            self._held, self._is_cut = b"", True
            self.position += left_out
        return self.position, size, left_out

    def take(self, piece: bytes) -> list[str]:
        """Takes what was read; gives the lines that are whole now."""
        self.position += len(piece)
        if self._is_cut:
            _, newline, piece = piece.partition(b"\n")
            if not newline:
                return []
            piece, self._is_cut = b"\n" + piece, False
        whole, newline, rest = (self._held + piece).rpartition(b"\n")
        rest = rest[rest.rfind(b"\r", 0, -1) + 1 :]  # what a progress bar has written over is of no use
        self._held, self._is_cut = rest[:_LONGEST_LINE], len(rest) > _LONGEST_LINE
        return _lines(whole) if newline else []

    def end(self) -> list[str]:
        """Gives the last line, though nothing has ended it; the file does not grow any more."""
        held, self._held = self._held, b""
        return _lines(held)


def _lines(text: bytes) -> list[str]:
    """The lines of a text for people: no secrets, no empty ones, none that is very long."""
    lines = (_without_controls(line) for line in text.decode(errors="replace").split("\n"))
    # Links are what tasks have that may be signed.
    shown = without_hidden(without_queries("\n".join(line for line in lines if line))).split("\n")
    return [_shortened(line) for line in shown if line]


def _without_controls(line: str) -> str:
    return _CONTROLS.sub("", line.rstrip("\r").rpartition("\r")[2]).rstrip()


def _shortened(line: str) -> str:
    rest = len(line) - _SHOWN_CHARACTERS
    return f"{line[:_SHOWN_CHARACTERS]} … {rest:,} characters left out" if rest > 0 else line


class Limiter:
    """How many lines of a stream are shown: some at once, and so many a second."""

    def __init__(self, streams: int, clock: Callable[[], float]) -> None:
        """Takes the number of streams that share what is shown a second, and a clock of seconds."""
        self._rate, self._clock = _LINES_A_SECOND / streams, clock
        self._left, self._then = float(_BURST), clock()

    def allow(self, wanted: int) -> int:
        """How many of so many lines may be shown now."""
        now = self._clock()
        self._left, self._then = min(_BURST, self._left + (now - self._then) * self._rate), now
        allowed = min(wanted, int(self._left))
        self._left -= allowed
        return allowed


def left_out(lines: int, size: int, kept: str) -> str:
    """Says what is not shown of a stream.

    Args:
        lines: how many that have been read.
        size: bytes that have not been read.
        kept: where all of it is kept.
    """
    parts = [_size(size)] if size else []
    parts += [f"{lines:,} lines" if lines > 1 else "1 line"] if lines else []
    return f"… {' and '.join(parts)} left out; the whole is kept in {kept}"


def _size(size: int) -> str:
    unit, factor = next(pair for pair in _UNITS if size >= pair[1])
    return f"{size / factor:,.1f} {unit}" if factor > 1 else f"{size} {unit}"


def matches(pattern: str, label: str, task_id: str) -> bool:
    """Whether a task is meant by what a user calls it: its input's path or name, a pattern of those, or its id."""
    names = (label, label.rpartition("/")[2])
    return pattern in (*names, task_id) or any(fnmatchcase(name, pattern) for name in names)


def chosen(tasks: Iterable[AddedTask], patterns: Sequence[str], total: int) -> list[AddedTask]:
    """Those of some tasks that are followed.

    Args:
        tasks: all that there are.
        patterns: what is asked for; none for what is sensible.
        total: tasks of the whole run.
    """
    if not patterns:
        return list(tasks) if total <= FEW else []
    return [task for task in tasks if any(matches(pattern, task.label, task.task_id) for pattern in patterns)]


def check_followed(patterns: Sequence[str], tasks: Callable[[], Iterable[tuple[str, str]]], what: str) -> None:
    """Refuses to follow what there is not, and more than can be.

    Args:
        patterns: what is asked for.
        tasks: gives the labels and ids of all tasks.
        what: they are made for, in the plural.

    Raises:
        BadInput: says so.
    """
    wanted = [pattern for pattern in patterns if pattern != NONE]
    if len(wanted) != len(patterns) and len(patterns) > 1:
        raise BadInput(f"--follow: {NONE} stands alone: leave it out, or all else")
    if not wanted:
        return
    lost, found = set(wanted), 0
    for task in tasks():
        hits = {pattern for pattern in wanted if matches(pattern, *task)}
        lost, found = lost - hits, found + bool(hits)
    if lost:
        known = [label for label, _ in islice(tasks(), _SHOWN_INPUTS + 1)]
        more = ["..."] if len(known) > _SHOWN_INPUTS else []
        wrong = next(pattern for pattern in wanted if pattern in lost)
        raise BadInput(
            f"--follow: {wrong!r} is none of the {what}, no pattern of them, and no task's id; they are called "
            f"{', '.join(known[:_SHOWN_INPUTS] + more)}"
        )
    if found > MOST:
        raise BadInput(
            f"--follow: {found:,} tasks are meant, and {MOST} at most are followed: name fewer; all logs are kept."
        )


def node_names(instances: int) -> list[str]:
    """What the nodes of a multi-instance task are called in its logs."""
    return [PRIMARY, *(f"subtask-{number}" for number in range(1, instances))]


def short_names(labels: Sequence[str]) -> list[str]:
    """Short names for what people know by paths: the last part, or more of it where two have the same."""
    last = [label.rpartition("/")[2] or label for label in labels]
    names = [name if last.count(name) == 1 else label for name, label in zip(last, labels, strict=True)]
    return [name if len(name) <= _NAME_LENGTH else f"…{name[1 - _NAME_LENGTH :]}" for name in names]


def first_and_last(begin: bytes, end: bytes, most: int) -> list[str]:
    """The first and the last lines of a stream, for people.

    Args:
        begin: all of it, or its beginning.
        end: its end, where the beginning is not all; it may begin within a line.
        most: lines of each.
    """
    if not end:
        every = _lines(begin)
        return every if len(every) <= 2 * most else [*every[:most], "…", *every[-most:]]
    first, last = _lines(begin.rpartition(b"\n")[0] or begin), _lines(end.partition(b"\n")[2] or end)
    return [*first[:most], "…", *last[-most:]]
