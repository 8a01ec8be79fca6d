"""What reads the streams of running tasks: which tasks run is known from the poller of their job.

Only files are read here, and the more there are, the less often: two requests a second at most.
"""

import logging
import math
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Protocol, TypeAlias

from azure.batch import BatchClient

from prefect_azure_batch.tasks.errors import BatchFlowError, translated
from prefect_azure_batch.tasks.followed import Attempt, Followed, describe_end
from prefect_azure_batch.tasks.intervals import FAREWELL
from prefect_azure_batch.tasks.poller import JobPoller
from prefect_azure_batch.tasks.records import AddedTask, Run, SeenTask
from prefect_azure_batch.tasks.stream_files import InStorage, OfSubtask, OfTask, StreamFiles
from prefect_azure_batch.tasks.subtasks import list_subtasks

_SHORTEST_PAUSE, _SECONDS_A_REQUEST = 1.5, 0.5
_LAST_SECONDS = FAREWELL - 1

_logger = logging.getLogger(__name__)


class Tell(Protocol):
    """Shows a line to who is there."""

    def __call__(self, line: str, level: int = logging.INFO) -> None:
        """Shows it; the level is for a log."""
        ...


@dataclass(frozen=True)
class TaskLog:
    """The streams of a task, or of a multi-instance task's primary."""

    task_id: str
    followed: Followed
    on_node: OfTask
    stored: InStorage

    def files(self, seen: SeenTask, turn: int) -> Sequence[StreamFiles]:
        """Where they may be, the likeliest place first."""
        return [self.stored, self.on_node] if seen.end else [self.on_node]


class Subtasks:
    """Where the subtasks of a multi-instance task run: listed once a turn until all of an attempt have a directory."""

    def __init__(self, client: BatchClient, run: Run, task: AddedTask) -> None:
        """Takes the client, the run and the task."""
        self._client, self._run, self._task = client, run, task
        self._found: dict[int, OfSubtask] = {}
        self._attempt: Attempt | None = None
        self._turn = 0

    def find(self, seen: SeenTask, turn: int) -> dict[int, OfSubtask]:
        """Those that have a directory, by their ids."""
        if self._attempt != seen.attempt and self._turn != turn:
            self._turn = turn
            known = list_subtasks(self._client, self._run.job_id, self._task.task_id)
            self._found = {
                subtask.id: OfSubtask(self._client, self._run.pool_id, subtask.node_id, subtask.directory)
                for subtask in known
                if subtask.directory
            }
            if known and len(self._found) == len(known):
                self._attempt = seen.attempt
        return self._found


@dataclass(frozen=True)
class SubtaskLog:
    """The streams of a subtask, which begins and ends with its task."""

    task_id: str
    followed: Followed
    subtasks: Subtasks
    number: int

    def files(self, seen: SeenTask, turn: int) -> Sequence[StreamFiles]:
        """Where they are, if they are anywhere."""
        found = self.subtasks.find(seen, turn).get(self.number)
        return [found] if found else []


Log: TypeAlias = TaskLog | SubtaskLog


class Follower:
    """Reads the streams of tasks that run, and once more of those that have ended."""

    def __init__(self, poller: JobPoller, logs: Sequence[Log], tell: Tell) -> None:
        """Takes the poller, which watches the tasks from now on, and what shows their lines."""
        self._poller, self._logs, self._tell = poller, logs, tell
        self._gives_up, self._has_complained, self._turn = False, False, 0
        poller.watch(log.task_id for log in logs)

    def give_up(self) -> None:
        """Has nothing more read: the run has come to a bad end."""
        self._gives_up = True

    def follow(self, left: threading.Event) -> None:
        """Reads now and then until the event is set, and what has come by then once more."""
        pause = _SHORTEST_PAUSE
        try:
            while not left.wait(pause):
                pause = max(_SHORTEST_PAUSE, self._look() * _SECONDS_A_REQUEST)
            self._look(time.monotonic() + _LAST_SECONDS)
        except Exception:  # the outermost loop of a thread, on which nothing else depends
            _logger.exception("The logs of running tasks are not followed any more")

    def _look(self, deadline: float = math.inf) -> int:
        """Shows what is new; gives the number of requests that it took."""
        self._turn += 1
        before, known = self._requests, self._poller.seen
        for log in self._logs:
            seen = known.get(log.task_id)
            if seen is None or log.followed.is_over or self._gives_up or time.monotonic() > deadline:
                continue
            try:
                with translated(f"read the logs of {log.followed.name}"):
                    for line in self._news(log, seen):
                        self._tell(line)
            except BatchFlowError as error:
                self._complain(error)
            if seen.end and isinstance(log, TaskLog):
                level = logging.INFO if seen.end.succeeded else logging.WARNING
                self._tell(describe_end(log.followed.name, seen.end), level)
        return self._requests - before

    @property
    def _requests(self) -> int:
        return sum(log.followed.requests for log in self._logs)

    def _news(self, log: Log, seen: SeenTask) -> Iterator[str]:
        if not seen.end and not seen.is_running:
            return iter(())
        begun, places = log.followed.begin(seen.attempt), log.files(seen, self._turn)
        if seen.end:
            return chain(begun, log.followed.finish(*places))
        return chain(begun, chain.from_iterable(log.followed.read(files) for files in places))

    def _complain(self, error: BatchFlowError) -> None:
        if not self._has_complained:
            self._has_complained = True
            self._tell(f"{error} The run goes on, and all logs are collected at its end.", logging.WARNING)
