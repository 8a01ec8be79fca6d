"""One poller per job, whatever the number of tasks and of those who wait.

It asks for the counts first, which is one cheap call, then lists only the tasks that have ended since. The interval
grows while nothing changes, and with the time that the tasks which are left will take: so the calls for a job are some
tens, whatever the number of its tasks, while it takes minutes. A few tasks can be watched one by one besides.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Protocol

from azure.batch import BatchClient, models
from azure.core.exceptions import ResourceNotFoundError

from prefect_azure_batch.tasks.conditions import Condition, Scene, Watch
from prefect_azure_batch.tasks.diagnosis import (
    diagnose_instances,
    diagnose_pool,
    follows_load,
    read_nodes,
    read_pool,
)
from prefect_azure_batch.tasks.errors import (
    BatchFlowError,
    DeadlineExceeded,
    JobEnded,
    PoolUnusable,
    ServiceFailure,
    translated,
)
from prefect_azure_batch.tasks.intervals import FAREWELL, FIRST_INTERVAL, GROWTH, LONGEST_INTERVAL, Rhythm
from prefect_azure_batch.tasks.job import diagnose_preparation
from prefect_azure_batch.tasks.node_states import NodesSeen, NodeStates
from prefect_azure_batch.tasks.records import Counts, SeenTask, TaskEnd
from prefect_azure_batch.tasks.scaling import ScalingLog
from prefect_azure_batch.tasks.task_pages import pages_of_ends

_FIRST_CHECK = 2.0
_LONGEST_CHECK = 10.0
_LONG_SILENCE = 30.0
_FAILURES_IN_A_ROW = 6
_OVERLAP = timedelta(seconds=2)
# After each task of a list, for the next list has those of the overlap again.
_REST_FOR_EACH = 0.002
# Between two looks at the tasks that are watched, when something has changed.
_SHORTEST_LOOK = 1.0
_SELECT = ["id,state,stateTransitionTime,creationTime,executionInfo,nodeInfo"]
_REASONS = {
    "maxwallclocktimeexpiry": "its time was over: --hours, or --lease-minutes with nobody able to renew it",
    "userterminate": "somebody terminated it",
    "flowruncancelled": "its flow run was cancelled in Prefect",
    "budgetspent": "the run has cost its --budget",
}
# The counts have both as running, and do not change from the one to the other.
_RUNNING_STATES = {"preparing", "running"}
_ENDED_JOB_STATES = {"terminating", "completed", "deleting"}

_logger = logging.getLogger(__name__)


class Ends(Protocol):
    """Takes how the tasks of a job have ended."""

    def add(self, ends: Mapping[str, TaskEnd]) -> int:
        """Takes some, by task ids; returns how many of them are new."""
        ...


class _InMemory(dict[str, TaskEnd]):
    def add(self, ends: Mapping[str, TaskEnd]) -> int:
        before = len(self)
        self.update(ends)
        return len(self) - before


class JobPoller:
    """Follows a job's tasks on a thread of its own until it is closed."""

    def __init__(
        self,
        client: BatchClient,
        job_id: str,
        pool_id: str,
        deadline: timedelta,
        instances: int | None = None,
        ends: Ends | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Makes a poller; ``start`` starts it.

        Args:
            client: the Batch client.
            job_id: the job.
            pool_id: its pool, which is looked at when no task moves.
            deadline: how long the tasks may take from now on.
            instances: nodes that a multi-instance task of the job needs; None if there is none.
            ends: takes how tasks have ended; not given: they are kept here, for ``wait``.
            clock: seconds on a clock that only goes forward.
        """
        self._client, self._job_id, self._pool_id = client, job_id, pool_id
        self._clock, self._deadline = clock, clock() + deadline.total_seconds()
        self._allowed, self._instances = deadline, instances
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._known = _InMemory()
        self._ends = self._known if ends is None else ends
        self._number, self._listed = 0, 0
        self._counts = Counts()
        self._watched, self._seen = set[str](), dict[str, SeenTask]()
        self._can_look, self._is_news, self._last_sight = True, True, -LONGEST_INTERVAL
        self._error: BatchFlowError | None = None
        self._seen_until: datetime | None = None
        self._rhythm = Rhythm()
        self._nodes = NodesSeen(client, pool_id, clock)
        self._scaling = ScalingLog()
        self._is_scaled: bool | None = None  # nobody has looked yet
        self._last_check, self._check_interval = clock(), _FIRST_CHECK
        self._watch, self._last_change, self._last_look = Watch(clock), clock(), clock()
        self._thread = threading.Thread(target=self._run, name=f"poller-{job_id}", daemon=True)

    def start(self) -> None:
        """Starts polling."""
        self._thread.start()

    def close(self) -> None:
        """Stops polling; whoever still waits gets ``JobEnded``."""
        self._fail(JobEnded(f"Waiting for the tasks of job {self._job_id!r} was stopped."))
        if self._thread.is_alive():
            self._thread.join(FAREWELL)

    @property
    def stopped(self) -> bool:
        """Whether it has failed or was closed: it learns nothing new."""
        return self._error is not None

    @property
    def nodes(self) -> NodeStates | None:
        """The nodes of the pool by state, as last seen; None if nobody has looked."""
        return self._nodes.last

    @property
    def counts(self) -> Counts:
        """The job's tasks by state, as last seen."""
        return self._counts

    def watch(self, task_ids: Iterable[str]) -> None:
        """Has it see some tasks one by one until they have ended: few, for one request names them all."""
        self._watched.update(task_ids)
        self._is_news = True

    @property
    def seen(self) -> dict[str, SeenTask]:
        """The tasks that are watched, by their ids, as last seen; without those that nobody has seen."""
        return dict(self._seen)

    def wait(self, task_ids: Iterable[str]) -> list[TaskEnd]:
        """Waits until all of these tasks have ended.

        Raises:
            BatchFlowError: they cannot end any more, or not in time.
        """
        wanted = list(task_ids)
        self.wait_until(lambda: all(name in self._known for name in wanted))
        return [self._known[name] for name in wanted]

    def wait_until(self, is_over: Callable[[], bool], seconds: float | None = None) -> None:
        """Waits until something holds, which is looked at again whenever tasks have ended.

        Args:
            is_over: what is to hold.
            seconds: how long to wait at most.

        Raises:
            BatchFlowError: tasks cannot end any more, or not in time, and it does not hold.
        """
        if not self._rhythm.is_known:
            self._rhythm.hasten()
            self._wake.set()
        with self._changed:
            self._changed.wait_for(lambda: self._error or is_over(), seconds)
            if self._error and not is_over():
                raise self._error

    def _run(self) -> None:
        failures = 0
        while self._error is None:
            self._listed, begun = 0, self._clock()
            try:
                with translated(f"follow job {self._job_id!r}"):
                    self._poll()
                failures = 0
            except BatchFlowError as error:
                failures += 1
                self._rhythm.slow_down()
                if not error.retryable:
                    self._fail(error)
                elif failures == _FAILURES_IN_A_ROW:  # a stage that is repeated would begin it all again
                    self._fail(ServiceFailure(f"{error} It was tried for long enough."))
                elif failures == 1 and self._error is None:
                    _logger.warning("%s It is tried again.", error)
            except Exception as error:  # the outermost loop of a thread: who waits must hear of it
                _logger.exception("The poller of job %s failed", self._job_id)
                self._fail(ServiceFailure(f"Following job {self._job_id!r} failed: {error}"))
            if self._clock() > self._deadline:
                self._fail(DeadlineExceeded(f"The tasks of job {self._job_id!r} did not end within {self._allowed}."))
            self._stop.wait(min(max(FIRST_INTERVAL, _REST_FOR_EACH * self._listed), LONGEST_INTERVAL))
            self._wake.wait(begun + self._rhythm.interval - self._clock())
            self._wake.clear()

    def _fail(self, error: BatchFlowError) -> None:
        with self._changed:
            self._error = self._error or error
            self._changed.notify_all()
        self._stop.set()
        self._wake.set()

    def _poll(self) -> None:
        counts = self._read_counts()
        changed = self._rhythm.note(self._clock(), counts)
        if changed:
            self._last_change, self._is_news = self._clock(), True
        self._counts = counts
        if counts.running:
            self._nodes.count()
            self._look_at_watched()
        if counts.completed > self._number:
            self._read_ends()
        if self._clock() - self._last_check > self._check_interval:
            self._last_check = self._clock()
            self._check_interval = min(self._check_interval * GROWTH, _LONGEST_CHECK)
            self._look_at_scaling()
            if changed and counts.running:  # the job has not ended, and its nodes are there
                self._watch.look(None)
            else:
                self._check(counts)

    def _check(self, counts: Counts) -> None:
        """Looks whether the job goes on, and why its tasks do not."""
        job = self._check_job()
        if counts.running:
            self._watch_running(job)
        elif not counts.active:
            self._watch.look(None)
        else:
            scene = Scene(job, *diagnose_pool(self._client, self._pool_id, job))
            self._nodes.take(scene.pool, scene.nodes)
            self._tell(self._watch.look(scene))
            diagnose_preparation(self._client, self._job_id)
            if self._instances is not None:
                diagnose_instances(self._client, self._pool_id, self._instances)

    def _look_at_watched(self) -> None:
        """Sees which of the tasks that are watched run, and where: soon after something has changed, else seldom."""
        wanted = sorted(self._watched - {name for name, seen in self._seen.items() if seen.end})
        pause = _SHORTEST_LOOK if self._is_news else LONGEST_INTERVAL
        if not wanted or not self._can_look or self._clock() - self._last_sight < pause:
            return
        self._last_sight, self._is_news = self._clock(), False
        text = " or ".join(f"id eq '{name}'" for name in wanted)
        try:
            with translated("see which tasks run"):
                found = list(self._client.list_tasks(self._job_id, filter=text, select=_SELECT))
        except BatchFlowError as error:  # nobody needs it but those who look on
            self._can_look = error.retryable
            if not error.retryable:
                _logger.warning("%s Their logs are not followed any more.", error)
            return
        # How a task has ended comes with the ends of all.
        going = (task for task in found if str.lower(task.state or "") != "completed")
        self._seen.update((task.id or "", _seen_task(task)) for task in going)

    def _look_at_scaling(self) -> None:
        """Tells what the pool's formula has decided on, where it follows the load."""
        if self._is_scaled is False:
            return
        pool = read_pool(self._client, self._pool_id)
        self._is_scaled = follows_load(pool)
        if self._is_scaled:
            self._scaling.look(pool)

    def _watch_running(self, job: models.BatchJob) -> None:
        """Looks, now and then, whether the nodes of tasks that seem to run are there."""
        if self._clock() - self._last_change < _LONG_SILENCE:
            self._watch.look(None)
        elif self._clock() - self._last_look > _LONG_SILENCE:
            self._last_look = self._clock()
            pool, nodes = read_pool(self._client, self._pool_id), read_nodes(self._client, self._pool_id)
            self._nodes.take(pool, nodes)
            self._tell(self._watch.look(Scene(job, pool, nodes), running=True))

    def _tell(self, found: tuple[Condition, str] | None) -> None:
        """Tells why tasks wait, and gives up where waiting does not help."""
        if found is not None:
            condition, text = found
            if condition.is_hopeless:
                raise PoolUnusable(text)
            _logger.warning("Tasks of job %s do not go on. %s", self._job_id, text)

    def _read_counts(self) -> Counts:
        try:
            counts = self._client.get_job_task_counts(self._job_id).task_counts
        except ResourceNotFoundError:
            raise JobEnded(f"The job {self._job_id!r} was deleted before its tasks had ended.") from None
        return Counts(counts.active, counts.running, counts.succeeded, counts.failed)

    def _read_ends(self) -> None:
        since = f"{self._seen_until - _OVERLAP:%Y-%m-%dT%H:%M:%SZ}" if self._seen_until else ""
        until = self._seen_until
        for found, last in pages_of_ends(self._client, self._job_id, since):
            until = max(until or last, last)
            self._listed += len(found)
            self._seen.update(
                (name, SeenTask(False, end.node_id, end.started, end))
                for name, end in found.items()
                if name in self._watched
            )
            if new := self._ends.add(found):
                with self._changed:
                    self._number += new
                    self._changed.notify_all()
        self._seen_until = until  # not before all pages were read: they are in the order of ids, not of time

    def _check_job(self) -> models.BatchJob:
        job = self._client.get_job(self._job_id, select=["id,state,creationTime,metadata,executionInfo"])
        if str.lower(job.state or "") not in _ENDED_JOB_STATES:
            return job
        self._seen_until = None
        self._read_ends()
        reason = job.execution_info.termination_reason if job.execution_info else None
        why = self._which_ended_it() if str.lower(reason or "") == "taskfailed" else ""
        why = why or _REASONS.get(str.lower(reason or ""), reason or job.state or "")
        self._fail(JobEnded(f"The job {self._job_id!r} ended ({why}) before its tasks had."))
        return job

    def _which_ended_it(self) -> str:
        """Names the task that has ended the job by its exit code; empty if it cannot be found any more."""
        text = "state eq 'completed' and executionInfo/result eq 'failure'"
        failed = self._client.list_tasks(self._job_id, filter=text, select=["id,executionInfo,exitConditions"])
        found = next((task for task in failed if _ends_job(task)), None)
        if found is None or found.execution_info is None:
            return ""
        return f"task {found.id} ended with exit code {found.execution_info.exit_code}, which ends the run: --stop-on"


def _ends_job(batch_task: models.BatchTask) -> bool:
    """Whether a task has ended with an exit code that ends its job."""
    info, conditions = batch_task.execution_info, batch_task.exit_conditions
    codes = [each.code for each in (conditions.exit_codes or [] if conditions else []) if _terminates(each)]
    return info is not None and info.exit_code in codes


def _terminates(mapping: models.ExitCodeMapping) -> bool:
    return str.lower(mapping.exit_options.job_action or "") == "terminate"


def _seen_task(batch_task: models.BatchTask) -> SeenTask:
    node_id = (batch_task.node_info.node_id or "") if batch_task.node_info else ""
    info = batch_task.execution_info
    is_running = str.lower(batch_task.state or "") in _RUNNING_STATES
    return SeenTask(is_running, node_id, info.start_time if info else None)
