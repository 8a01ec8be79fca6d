"""What is shown while a run waits: a bar on a terminal, a line a minute in a log, and an artifact in the Prefect UI."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from prefect_azure_batch.flows.report_pictures import clock
from prefect_azure_batch.flows.telling import telling_prefect
from prefect_azure_batch.tasks.beside import beside
from prefect_azure_batch.tasks.poller import JobPoller
from prefect_azure_batch.tasks.records import Counts

ARTIFACT_KEY = "batch-progress"

_INTERVAL = 0.5
_LOG_SECONDS, _ARTIFACT_SECONDS = 60.0, 15.0
_FIRST_ARTIFACT_SECONDS = 2.0
"""What is over sooner needs no artifact of its progress."""

_logger = logging.getLogger(__name__)


class Pace:
    """How fast tasks end, and how long the rest of them takes at that."""

    def __init__(self, total: int) -> None:
        """Takes the number of all tasks."""
        self._total = total
        self._begin: tuple[float, int] | None = None

    def left(self, now: float, completed: int) -> float | None:
        """Seconds until all have ended; None if nobody can tell yet.

        Args:
            now: seconds on a clock that only goes forward.
            completed: tasks that have ended.
        """
        if self._begin is None:
            self._begin = (now, completed)
        since, first = self._begin
        if completed == first or now == since:
            return None
        return (self._total - completed) * (now - since) / (completed - first)


def describe(counts: Counts, total: int, left: float | None, waits_for: str) -> str:
    """How far a run is, in a line.

    Args:
        counts: its tasks by state; those that nobody has added yet wait, too.
        total: all of its tasks.
        left: seconds until its end; None if nobody can tell.
        waits_for: what tasks wait for; empty for their turn.
    """
    failed = f" ({counts.failed} failed)" if counts.failed else ""
    waiting = max(0, total - counts.completed - counts.running)
    text = f"{counts.completed} of {total} tasks have ended{failed}, {counts.running} run, {waiting} wait"
    if waits_for and waiting and not counts.running:
        return f"{text} for {waits_for}"
    return text if left is None or not waiting + counts.running else f"{text}; about {clock(left)} left"


class _Artifact:
    """The progress artifact of a flow run, made once and changed in place."""

    def __init__(self) -> None:
        self._id: UUID | None = None
        self._told = ""

    def show(self, percent: float, text: str) -> None:
        if text == self._told:
            return
        self._told = text
        with telling_prefect("the progress"):
            if self._id is None:
                found = create_progress_artifact(progress=percent, key=ARTIFACT_KEY, description=text)
                self._id = found if isinstance(found, UUID) else None
            else:
                update_progress_artifact(self._id, progress=percent, description=text)


@contextmanager
def show_progress(poller: JobPoller, total: int) -> Iterator[None]:
    """Shows how many tasks wait, run and have ended, until the context is left.

    Args:
        poller: knows the counts.
        total: tasks of the run.
    """
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    bars = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    with bars:
        bar = bars.add_task("Tasks", total=total)

        def show(text: str, completed: int) -> None:
            bars.update(bar, completed=completed, description=text)

        follower = _Follower(poller, total, show, logs=not console.is_terminal)
        with beside(follower.follow, "progress"):
            yield


class _Follower:
    """Looks at a poller's counts and shows them wherever it is time to."""

    def __init__(self, poller: JobPoller, total: int, show: Callable[[str, int], None], *, logs: bool) -> None:
        self._poller, self._total, self._show, self._logs = poller, total, show, logs
        self._pace, self._artifact = Pace(total), _Artifact()

    def follow(self, done: threading.Event) -> None:
        begun = time.monotonic()
        next_log, next_artifact = begun + _LOG_SECONDS, begun + _FIRST_ARTIFACT_SECONDS
        while not done.wait(_INTERVAL):
            now, text = time.monotonic(), self._text()
            self._show(text, self._poller.counts.completed)
            if now >= next_log and self._logs:
                next_log = now + _LOG_SECONDS
                _logger.info("%s.", text)
            if now >= next_artifact:
                next_artifact = now + _ARTIFACT_SECONDS
                self._artifact.show(self._percent, text)
        if time.monotonic() >= begun + _FIRST_ARTIFACT_SECONDS:
            self._artifact.show(self._percent, self._text())

    @property
    def _percent(self) -> float:
        return 100.0 * min(self._poller.counts.completed, self._total) / max(self._total, 1)

    def _text(self) -> str:
        counts = self._poller.counts
        left = self._pace.left(time.monotonic(), counts.completed) if counts.running or counts.completed else None
        return describe(counts, self._total, left, self._poller.waits_for)


@contextmanager
def show_status(text: str) -> Iterator[Callable[[str], None]]:
    """Shows one line that says what is being waited for, until the context is left.

    Yields:
        A function that changes the line.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda text: None
        return
    with console.status(text) as status:
        yield status.update
