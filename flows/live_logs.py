"""Streams of running tasks in the log of the flow run, and on the terminal of who has asked for them."""

import logging
import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from prefect.exceptions import MissingContextError
from prefect.logging import get_run_logger
from prefect.logging.loggers import PrefectLogAdapter
from prefect.settings import get_current_settings

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.flows.environment import is_command_line
from prefect_azure_batch.flows.parameters import RunParameters
from prefect_azure_batch.flows.results import TaskResult
from prefect_azure_batch.flows.telling import is_away
from prefect_azure_batch.tasks.beside import beside
from prefect_azure_batch.tasks.followed import Followed
from prefect_azure_batch.tasks.follower import Follower, Log, SubtaskLog, Subtasks, TaskLog, Tell
from prefect_azure_batch.tasks.following import (
    FEW,
    NONE,
    PRIMARY,
    chosen,
    first_and_last,
    matches,
    node_names,
    short_names,
)
from prefect_azure_batch.tasks.names import LOG_FOLDER
from prefect_azure_batch.tasks.poller import JobPoller
from prefect_azure_batch.tasks.records import AddedTask, Place, Run
from prefect_azure_batch.tasks.stream_files import InStorage, OfTask

_SAMPLES, _SAMPLE_LINES, _SAMPLE_BYTES = 10, 3, 4000
_SHOWN_FAILURES = 50


class LiveLogs:
    """What is told of the streams of a run's tasks: of few, or of those that are asked for, all while they run."""

    def __init__(self, account: AzureBatchAccount, asked: RunParameters, results: Path | Place) -> None:
        """Takes where the results go, too; to be made where the flow run begins its stages."""
        self._account, self._asked, self._results = account, asked, results
        self._patterns = [] if asked.follow == [NONE] else asked.follow
        self._listeners = _Listeners(is_asked_for=bool(self._patterns))
        self._is_on = self._listeners.are_there and asked.follow != [NONE]
        if self._is_on and not self._patterns and any(source.kind == "keyvault" for source in asked.secrets):
            self._is_on = False
            self._listeners.tell(
                "What tasks print is not shown here: they have secrets of Key Vault, which the nodes alone know, and "
                "which could not be hidden. --follow INPUT shows it all the same."
            )
        self._samples = _Samples(self._listeners.tell)

    @contextmanager
    def of_tasks(self, run: Run, poller: JobPoller, tasks: Iterable[AddedTask], total: int) -> Iterator[None]:
        """Follows tasks of a run until the context is left.

        Args:
            run: the run.
            poller: of its job.
            tasks: all tasks of it.
            total: tasks of this flow run, also in jobs of others that it has taken up.
        """
        followed = chosen(tasks, self._patterns, total) if self._is_on else []
        if self._is_on and total > FEW:
            # Of results that stay in storage there are no lines here.
            stays = isinstance(self._results, Place)
            self._samples.begin(total, only_failures=stays or bool(self._patterns))
        names = short_names([task.label for task in followed])
        logs = [self._log_of(run, task, name, len(names)) for task, name in zip(followed, names, strict=True)]
        with self._followed(poller, logs):
            yield

    @contextmanager
    def of_nodes(self, run: Run, poller: JobPoller, task: AddedTask, instances: int) -> Iterator[None]:
        """Follows the nodes of a multi-instance task until the context is left.

        Args:
            run: the run.
            poller: of its job.
            task: the task.
            instances: nodes that it has.
        """
        names = node_names(instances)
        wanted = [name for name in names if any(matches(pattern, name, task.task_id) for pattern in self._patterns)]
        if not self._patterns:
            wanted = names if instances <= FEW else [PRIMARY]
        subtasks = Subtasks(self._account.get_client(), run, task)
        logs = [
            self._log_of(run, task, name, len(wanted))
            if name == PRIMARY
            else SubtaskLog(task.task_id, self._followed_by(name, run, task, name, len(wanted)), subtasks, number)
            for number, name in enumerate(names)
            if name in wanted and self._is_on
        ]
        with self._followed(poller, logs):
            yield

    def note_end(self, result: TaskResult) -> None:
        """Shows the first and last lines of one of many tasks, or why it failed."""
        self._samples.show(result)

    def _log_of(self, run: Run, task: AddedTask, name: str, sharing: int) -> TaskLog:
        client, place = self._account.get_client(), Place(run.outputs.container, task.folder)
        followed = self._followed_by(name, run, task, "", sharing)
        stored = InStorage(self._account.storage.get_client(), place)
        return TaskLog(task.task_id, followed, OfTask(client, run.job_id, task.task_id), stored)

    def _followed_by(self, name: str, run: Run, task: AddedTask, subtask: str, sharing: int) -> Followed:
        return Followed(name, self._kept(run, task, subtask), sharing, time.monotonic)

    def _kept(self, run: Run, task: AddedTask, subtask: str) -> str:
        """Where the streams of a task are in the end; those of a subtask lie deeper if the task has failed."""
        own = f"**/{subtask}" if subtask else ""
        if isinstance(self._results, Place) or self._asked.keep_time:
            return str(Place(run.outputs.container, task.folder) / (own or LOG_FOLDER))
        return str(self._results / task.task_id / own)

    @contextmanager
    def _followed(self, poller: JobPoller, logs: Sequence[Log]) -> Iterator[None]:
        if not logs:
            yield
            return
        follower = Follower(poller, logs, self._listeners.tell)
        with beside(follower.follow, "live-logs"):
            try:
                yield
            except BaseException:
                follower.give_up()
                raise


class _Listeners:
    """Who is told lines: Prefect's log of the flow run, and a person at a terminal who has asked for them."""

    def __init__(self, *, is_asked_for: bool) -> None:
        self._log = _log_of_flow_run()
        self._has_terminal = is_asked_for and is_command_line()

    @property
    def are_there(self) -> bool:
        return self._log is not None or self._has_terminal

    def tell(self, line: str, level: int = logging.INFO) -> None:
        if self._log is not None and not is_away():
            self._log.log(level, "%s", line)
        if self._has_terminal:
            with suppress(OSError, ValueError):  # closed, or without a reader
                sys.stderr.write(f"{line}\n")
                sys.stderr.flush()


def _log_of_flow_run() -> PrefectLogAdapter | None:
    """The log of the flow run; None if nobody would see it there."""
    try:
        run_logger = get_run_logger()
    except MissingContextError:
        return None
    if not isinstance(run_logger, PrefectLogAdapter) or run_logger.logger.disabled:
        return None
    log = run_logger.getChild("tasks")
    if is_command_line():
        # What Prefect itself says there is less, and its console says nothing.
        log.setLevel(logging.INFO)
        if not get_current_settings().logging.to_api.enabled:
            return None
    return log if log.isEnabledFor(logging.INFO) else None


class _Samples:
    """Of many tasks: the first and last lines of those that end first, and the first failures."""

    def __init__(self, tell: Tell) -> None:
        self._tell, self._lock = tell, threading.Lock()
        self._left, self._failures_left = 0, 0

    def begin(self, total: int, *, only_failures: bool) -> None:
        if self._failures_left:
            return
        self._failures_left = _SHOWN_FAILURES
        if not only_failures:
            self._left = _SAMPLES
            self._tell(
                f"There are {total:,} tasks: of the first {_SAMPLES} that end the first and last lines are shown here, "
                "and why tasks fail; --follow shows what you name of them while it runs."
            )

    def show(self, result: TaskResult) -> None:
        with self._lock:
            if result.error:
                self._show_failure(result)
            elif self._left:
                self._left -= 1
                with suppress(OSError):  # somebody has taken it away already
                    for line in _sample(result.stdout):
                        self._tell(f"{_name(result)} | {line}")

    def _show_failure(self, result: TaskResult) -> None:
        if self._failures_left:
            self._failures_left -= 1
            self._tell(f"{_name(result)}: {result.error}", logging.WARNING)
            if not self._failures_left:
                self._tell("Further failures are not shown here; they stand in the results.", logging.WARNING)


def _name(result: TaskResult) -> str:
    (name,) = short_names([result.input])
    return name


def _sample(stdout: str | None) -> list[str]:
    """The first and last lines of a standard output on this machine."""
    if stdout is None:
        return []
    with open(stdout, "rb") as file:
        begin, size = file.read(_SAMPLE_BYTES), os.fstat(file.fileno()).st_size
        file.seek(max(_SAMPLE_BYTES, size - _SAMPLE_BYTES))
        return first_and_last(begin, file.read(), _SAMPLE_LINES)
