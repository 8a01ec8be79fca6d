"""Shows how far a run is: on a terminal all the time, in a log once a minute, in the Prefect UI four times a minute."""

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

from prefect_azure_batch.flows.progress_artifact import ProgressArtifact
from prefect_azure_batch.flows.progress_state import Snapshot, in_a_line, in_markdown
from prefect_azure_batch.flows.run_progress import RunProgress
from prefect_azure_batch.flows.terminal_view import TerminalView
from prefect_azure_batch.tasks.beside import beside
from prefect_azure_batch.tasks.meter import Meter

_INTERVAL, _PER_SECOND = 0.5, 5
_LOG_SECONDS, _ARTIFACT_SECONDS = 60.0, 15.0
_FIRST_ARTIFACT_SECONDS = 2.0
"""What is over sooner needs no artifact of its progress."""

_logger = logging.getLogger(__name__)


@contextmanager
def show_progress(meter: Meter) -> Iterator[RunProgress]:
    """Shows how far a run is until the context is left; the phases that it had stay on the terminal then.

    Args:
        meter: knows what the run's nodes have cost.

    Yields:
        What the stages tell how far they are.
    """
    progress, console = RunProgress(meter), Console(stderr=True)
    is_live = console.is_terminal and not console.is_dumb_terminal and not _logs_are_shown()
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
            self._show(replace(self._progress.look(), nodes=None, rate=None), is_over=True)

    def _show(self, seen: Snapshot, *, is_over: bool = False) -> None:
        text = in_markdown(seen, datetime.now(UTC))
        if is_over and seen.counts.completed < seen.total:
            text += "\n\nThe run has ended before its tasks."
        self._artifact.show(seen.percent, text)


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
