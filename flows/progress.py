"""Shows how far a run is: on a terminal all the time, in a log once a minute, in the Prefect UI four times a minute.

The stages say what they begin and end; tasks, nodes and money are taken from those who look at them anyway, the run's
poller and its meter.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime

from prefect.exceptions import MissingContextError
from prefect.logging import get_run_logger
from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner

from prefect_azure_batch.flows.pace import Pace
from prefect_azure_batch.flows.progress_artifact import ProgressArtifact
from prefect_azure_batch.flows.progress_state import (
    AWAITING,
    COLLECTING,
    PHASES,
    RUNNING,
    SENDING,
    Phase,
    Snapshot,
    in_a_line,
    in_markdown,
)
from prefect_azure_batch.flows.terminal_view import TerminalView
from prefect_azure_batch.tasks.beside import beside
from prefect_azure_batch.tasks.meter import Meter
from prefect_azure_batch.tasks.node_states import NodeStates
from prefect_azure_batch.tasks.poller import JobPoller
from prefect_azure_batch.tasks.records import Counts

_INTERVAL, _PER_SECOND = 0.5, 5
_LOG_SECONDS, _ARTIFACT_SECONDS = 60.0, 15.0
_FIRST_ARTIFACT_SECONDS = 2.0
"""What is over sooner needs no artifact of its progress."""

_logger = logging.getLogger(__name__)


class RunProgress:
    """What a run has got to; its stages tell it, on any thread.

    Args:
        meter: knows what the run's nodes have cost.
        clock: seconds on a clock that only goes forward.
    """

    def __init__(self, meter: Meter, clock: Callable[[], float] = time.monotonic) -> None:
        self._meter, self._clock, self._lock = meter, clock, threading.RLock()
        self._phases = {name: Phase(name) for name in PHASES}
        self._poller: JobPoller | None = None
        self._nodes: NodeStates | None = None
        self._total, self._uploaded, self._pace = 0, 0, Pace()
        self._collected: Callable[[], int] = lambda: 0

    def begin(self, name: str, total: int | None = None, note: str = "") -> None:
        """A phase begins, unless it has begun already.

        Args:
            name: of the phase.
            total: how much there is to do in it; None if nobody knows.
            note: what else there is to say of it.
        """
        with self._lock:
            phase = self._phases[name]
            begun = self._clock() if phase.begun is None else phase.begun
            known = phase.total if total is None else total
            self._phases[name] = replace(phase, begun=begun, total=known, note=note or phase.note)

    def advance(self, name: str, number: int = 1) -> None:
        """So much more of a phase is done."""
        with self._lock:
            self._phases[name] = replace(self._phases[name], done=self._phases[name].done + number)

    def upload(self, number: int) -> None:
        """So many more inputs are in storage."""
        with self._lock:
            self._uploaded += number

    def end(self, name: str, note: str = "") -> None:
        """A phase ends, if it goes on."""
        with self._lock:
            phase = self._phases[name]
            if phase.is_active:
                self._phases[name] = replace(phase, ended=self._clock(), note=note or phase.note)

    def see_nodes(self, nodes: NodeStates) -> None:
        """Takes the nodes of the pool, seen by whoever waits for them."""
        self._nodes = nodes

    def watch(self, poller: JobPoller, total: int) -> None:
        """Follows the tasks of a job from now on.

        Args:
            poller: of the job.
            total: tasks that it is to have.
        """
        with self._lock:
            self._poller, self._total = poller, total

    def collects(self, number: Callable[[], int], total: int) -> None:
        """Follows the results.

        Args:
            number: gives how many there are.
            total: how many there will be.
        """
        with self._lock:
            self._collected = number
            self._set(COLLECTING, total=total)

    def finish(self, *, broken: bool) -> None:
        """All is over.

        Args:
            broken: by an error; then what went on is broken, too.
        """
        with self._lock:
            self.look()
            for phase in self._phases.values():
                if phase.is_active:
                    self._set(phase.name, ended=self._clock(), broken=broken)

    def look(self) -> Snapshot:
        """All that is known now."""
        with self._lock:
            now, poller = self._clock(), self._poller
            counts = poller.counts if poller else Counts()
            nodes = (poller.nodes if poller else None) or self._nodes
            self._follow_tasks(counts, nodes)
            self._follow_results()
            if counts.running or counts.completed:
                self._pace.note(now, counts.completed)
            return Snapshot(
                now,
                tuple(self._phases.values()),
                counts,
                self._total,
                nodes,
                self._pace.rate(now, counts.completed),
                self._meter.spent,
                self._meter.budget,
            )

    def _follow_tasks(self, counts: Counts, nodes: NodeStates | None) -> None:
        """What the tasks of the job, and the nodes that they wait for, say of the phases."""
        if self._poller is None:
            self._follow_nodes(nodes)
            return
        sending, added = self._phases[SENDING], counts.active + counts.running + counts.completed
        if sending.is_active:
            waits = self._uploaded - added
            self._set(SENDING, done=added, note=f"{self._uploaded:,} uploaded" if waits > 0 else "")
            if sending.total is not None and self._phases[SENDING].done >= sending.total:
                self.end(SENDING)
        if not counts.running and not counts.completed:
            self._follow_nodes(nodes)
            return
        self.end(AWAITING)
        self.begin(RUNNING, self._total)
        self._set(RUNNING, done=counts.completed)
        if counts.completed >= self._total:
            self.end(RUNNING)

    def _follow_nodes(self, nodes: NodeStates | None) -> None:
        if nodes is not None and self._phases[AWAITING].is_active:
            self._set(AWAITING, done=nodes.ready, total=nodes.target or None)

    def _follow_results(self) -> None:
        collecting, done = self._phases[COLLECTING], self._collected()
        if done and collecting.ended is None:
            self.begin(COLLECTING)
            self._set(COLLECTING, done=done)
            if collecting.total is not None and done >= collecting.total:
                self.end(COLLECTING)

    def _set(self, name: str, **changes: object) -> None:
        self._phases[name] = replace(self._phases[name], **changes)  # type: ignore[arg-type]


@contextmanager
def show_progress(meter: Meter) -> Iterator[RunProgress]:
    """Shows how far a run is until the context is left; the phases that it had stay on the terminal then.

    Args:
        meter: knows what the run's nodes have cost.

    Yields:
        What the stages tell how far they are.
    """
    progress, console = RunProgress(meter), Console(stderr=True)
    is_live = console.is_terminal and not _logs_are_shown()
    picture = _Picture(progress, "dots" if console.encoding.startswith("utf") else "line")
    live = Live(picture, console=console, refresh_per_second=_PER_SECOND, redirect_stdout=False) if is_live else None
    broken = True
    with beside(_Follower(progress, logs=not is_live).follow, "progress"):
        try:
            with suppress(OSError):  # a terminal that is gone ends no run
                if live is not None:
                    live.start()
            yield progress
            broken = False
        finally:
            progress.finish(broken=broken)
            with suppress(OSError):
                if live is not None:
                    live.stop()


class _Picture:
    """What is known at the moment at which a terminal shows it."""

    def __init__(self, progress: RunProgress, spinner: str) -> None:
        self._progress, self._spinner = progress, Spinner(spinner)

    def __rich__(self) -> TerminalView:
        return TerminalView(self._progress.look(), datetime.now().astimezone(), self._spinner)


class _Follower:
    """Tells how far a run is wherever it is time to."""

    def __init__(self, progress: RunProgress, *, logs: bool) -> None:
        self._progress, self._logs, self._artifact = progress, logs, ProgressArtifact()

    def follow(self, left: threading.Event) -> None:
        begun = time.monotonic()
        next_log, next_artifact = begun + _LOG_SECONDS, begun + _FIRST_ARTIFACT_SECONDS
        while not left.wait(_INTERVAL):
            now, seen = time.monotonic(), self._progress.look()
            if now >= next_log and self._logs:
                next_log = now + _LOG_SECONDS
                _log(in_a_line(seen, datetime.now().astimezone()))
            if now >= next_artifact:
                next_artifact = now + _ARTIFACT_SECONDS
                self._show(seen)
        if time.monotonic() >= begun + _FIRST_ARTIFACT_SECONDS:
            self._show(self._progress.look())

    def _show(self, seen: Snapshot) -> None:
        self._artifact.show(seen.percent, in_markdown(seen, datetime.now(UTC)))


def _log(text: str) -> None:
    """Tells in the log of this process where it takes such lines, else in that of the flow run."""
    with suppress(MissingContextError):
        logger = _logger if _logger.isEnabledFor(logging.INFO) else get_run_logger()
        logger.info("%s.", text)


def _logs_are_shown() -> bool:
    """Whether Prefect shows its own log of the stages, as in a script: it would go across the picture."""
    shown = any(
        isinstance(each, logging.StreamHandler) and each.level <= logging.INFO for each in logging.root.handlers
    )
    return shown and logging.getLogger("prefect.flow_runs").isEnabledFor(logging.INFO)


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
