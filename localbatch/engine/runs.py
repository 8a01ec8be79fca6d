"""Tasks that run: from the node they were put on to their end, retry or requeue."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial

from localbatch.driver.interface import Failure, Outcome
from localbatch.engine.background import settle
from localbatch.engine.context import Context, moved
from localbatch.engine.ends import TaskEnds
from localbatch.engine.failure_log import tell_failure
from localbatch.engine.fleet import Node, TaskRun
from localbatch.engine.orders import OrderError, manager_of, multi_instance_order, task_order
from localbatch.engine.outcomes import completion, ended_by_request, fresh_execution, runs_again, spent
from localbatch.engine.preparation import Preparations
from localbatch.engine.subtasks import Subtasks
from localbatch.rules.states import TASK
from localbatch.store.jobs import JobRecord
from localbatch.store.tasks import TaskRecord
from localbatch.views.links import task_directory
from localbatch.wire.errors import FAILURES

logger = logging.getLogger("localbatch")


class TaskRuns:
    """All tasks that are on a node now.

    Args:
        context: the engine's surroundings.
        preparations: what runs the jobs' preparation tasks.
        on_completed: called with the ``seq`` of a job one of whose tasks has completed.
        on_action: called with the ``seq`` of a job and what the end of one of its tasks asks to be done to it.
    """

    def __init__(
        self,
        context: Context,
        preparations: Preparations,
        on_completed: Callable[[int], None],
        on_action: Callable[[int, str], None],
    ) -> None:
        self._context, self._preparations, self._on_completed = context, preparations, on_completed
        self._ends = TaskEnds(context, on_action)
        self._subtasks = Subtasks(context)
        self._runs: dict[int, TaskRun] = {}
        self._by_job: dict[int, dict[int, TaskRun]] = {}

    def is_running(self, task: int) -> bool:
        """Tells whether a task is still on a node, though its record may say that it has ended."""
        return task in self._runs

    def running_of(self, job: int) -> int:
        """Counts the tasks of a job that are on a node."""
        return len(self._by_job.get(job, {}))

    def begin(self, job: JobRecord, task: TaskRecord, nodes: Sequence[Node]) -> None:
        """Puts a waiting task on a node, or a multi-instance task on several. The caller has a transaction open."""
        now = self._context.clock.now()
        prepared = all(self._preparations.is_done(node, job) for node in nodes)
        former = self._nodes_of(job, task)
        stays = [node.id for node in former] == [node.id for node in nodes]
        changes = moved(TASK, task, "running" if prepared else "preparing", now) | fresh_execution()
        changes |= {"pool_id": nodes[0].place.pool_id, "node_id": nodes[0].id, "started": now if prepared else None}
        task = self._context.store.tasks.change(task, **changes)
        self._subtasks.begin(task, nodes[1:])
        settings = manager_of(job) if task.manager else None
        exclusive = settings is not None and settings.run_exclusive
        run = TaskRun(job.seq, task.seq, task.required_slots, tuple(nodes), task.manager, exclusive)
        self._runs[task.seq] = run
        self._by_job.setdefault(job.seq, {})[task.seq] = run
        for number, node in enumerate(nodes):
            self._take(node, run, number if task.instances else None)
        leftovers = [] if stays else former
        keep = task.retries > 0 and stays
        run.work = self._context.background.start(self._run(run, job, task, leftovers, keep))
        # Not in the work itself, which never begins if it is cancelled early enough.
        run.work.add_done_callback(lambda _work: self._release(run))

    def _take(self, node: Node, run: TaskRun, number: int | None) -> None:
        node.runs[run.task] = run
        node.recent.append((run.task, number))
        if node.record.state == "idle":
            self._context.set_node_state(node, "running")
        else:
            self._context.fleet.refresh(node)

    async def _run(self, run: TaskRun, job: JobRecord, task: TaskRecord, leftovers: Sequence[Node], keep: bool) -> None:
        await self._clear(leftovers, job, task)
        if task.state == "preparing" and not await self._prepare(run, job):
            return
        try:
            outcome = await self._execute(run, job, task, keep)
        except OrderError as error:
            outcome = self._failed(error.failure)
        except Exception as error:
            logger.exception("Running task %s failed", task.id)
            category, message = FAILURES["Unknown"]
            outcome = self._failed(Failure(category, "Unknown", message, (("Message", str(error)),)))
        self._finish(run, outcome)

    async def _execute(self, run: TaskRun, job: JobRecord, task: TaskRecord, keep: bool) -> Outcome:
        if not task.instances:
            order = task_order(self._context, run.primary, job, task, keep_directory=keep)
            return await self._context.driver.execute(order, _ignore_start)
        together = multi_instance_order(self._context, run.nodes, job, task, keep_directory=keep)
        return await self._context.driver.execute_together(together, partial(self._subtasks.note, task.seq))

    async def _prepare(self, run: TaskRun, job: JobRecord) -> bool:
        done = await asyncio.gather(*(self._preparations.make_ready(node, job) for node in run.nodes))
        ready = all(done)
        task = self._context.store.tasks.get(run.task)
        if task is None or task.state != "preparing":
            return False
        now = self._context.clock.now()
        if ready:
            self._context.store.tasks.change(task, **moved(TASK, task, "running", now), started=now)
        else:
            for node, is_ready in zip(run.nodes, done, strict=True):
                if not is_ready:
                    node.barred.add(run.job)
            self._context.store.forget_subtasks(task.seq)
            self._context.store.tasks.change(task, **moved(TASK, task, "active", now), **fresh_execution())
        return ready

    def _failed(self, failure: Failure) -> Outcome:
        now = self._context.clock.now()
        return Outcome(now, now, None, failure)

    def _finish(self, run: TaskRun, outcome: Outcome) -> None:
        store = self._context.store
        with store.transaction():
            task = store.tasks.get(run.task)
            if task is None or task.state != "running":
                return
            now = self._context.clock.now()
            if runs_again(outcome, task.retries, _retry_limit(task)):
                changes = moved(TASK, task, "active", now) | fresh_execution() | spent(task, now, outcome.usage)
                store.tasks.change(task, **changes, retries=task.retries + 1, retried=now)
                return
            if outcome.failure is not None:
                self._tell(run, task, outcome)
            self._ends.complete(task, completion(outcome) | spent(task, now, outcome.usage))
            node = run.primary
            counters = {"tasks_run": node.record.tasks_run + 1}
            if outcome.failure is None:
                counters["tasks_succeeded"] = node.record.tasks_succeeded + 1
            node.record = store.nodes.change(node.record, **counters)
        self._on_completed(run.job)

    def _tell(self, run: TaskRun, task: TaskRecord, outcome: Outcome) -> None:
        job = self._context.store.jobs.get(task.job)
        tell_failure(f"Task {task.id} of job {job.id if job else ''}", run.primary.id, outcome)

    def _release(self, run: TaskRun) -> None:
        del self._runs[run.task]
        siblings = self._by_job[run.job]
        del siblings[run.task]
        if not siblings:
            del self._by_job[run.job]
        for node in run.nodes:
            del node.runs[run.task]
            if not node.runs:
                self._context.quiet.add(node)
            self._context.fleet.refresh(node)
        self._context.wake(run.primary.record.pool)

    def end(self, task: TaskRecord) -> TaskRecord:
        """Ends a task by request: its record says so at once, its processes end a little later."""
        now = self._context.clock.now()
        with self._context.store.transaction():
            task = self._ends.complete(task, ended_by_request(now) | spent(task, now))
        self._cancel([task.seq])
        return task

    def end_unnoticed(self, task: TaskRecord) -> TaskRecord:
        """Ends a task that is to be deleted: to its job and to the tasks that wait for it nothing has ended."""
        task = self._ends.close(task, ended_by_request(self._context.clock.now()))
        self._cancel([task.seq])
        return task

    async def end_all(self, job: int) -> None:
        """Ends all tasks of a job that are on a node, and waits until their processes are gone."""
        await self._stop(self._by_job.get(job, {}), self.end)

    async def requeue_all(self, job: int) -> None:
        """Stops all tasks of a job that are on a node; they wait for a node again."""
        await self._stop(self._by_job.get(job, {}), None)

    def preempt(self, run: TaskRun) -> None:
        """Has a task make room for another one; it waits for a node again."""
        run.yielding = True
        self._context.background.start(self._stop([run.task], None))

    async def wait_for(self, job: int) -> None:
        """Waits until no task of a job is on a node any more."""
        await settle(*(run.work for run in self._by_job.get(job, {}).values() if run.work))

    async def discard_all(self, job: int) -> None:
        """Stops all tasks of a job that are on a node, whose records are to be removed."""
        await self.discard(list(self._by_job.get(job, {})))

    def end_on(self, node: Node) -> None:
        """Ends all tasks of a node by request: their records say so at once, their processes end a little later."""
        for task in self._unfinished(list(node.runs)):
            self.end(task)
            self._on_completed(task.job)

    async def leave_node(self, node: Node, *, requeue: bool) -> None:
        """Stops all tasks that are on a node now; they wait for another node, or are ended."""
        if not requeue:
            self.end_on(node)
        await self._stop(node.runs, None)
        self._context.wake(node.record.pool)

    async def _stop(self, tasks: Iterable[int], end: Callable[[TaskRecord], object] | None) -> None:
        stopped = list(tasks)
        if end is not None:
            for task in self._unfinished(stopped):
                end(task)
        await self.discard(stopped)
        if end is None:
            for task in self._unfinished(stopped):
                self.requeue(task)

    async def discard(self, tasks: Iterable[int]) -> None:
        """Stops what runs of tasks, whatever their records say, and waits until their processes are gone."""
        await settle(*self._cancel(tasks))

    def _cancel(self, tasks: Iterable[int]) -> list[asyncio.Task[None]]:
        works = [run.work for task in tasks if (run := self._runs.get(task)) and run.work]
        for work in works:
            work.cancel()
        return works

    def _unfinished(self, tasks: Iterable[int]) -> list[TaskRecord]:
        found = (self._context.store.tasks.get(task) for task in tasks)
        return [task for task in found if task is not None and task.state in ("preparing", "running")]

    def requeue(self, task: TaskRecord) -> None:
        """Has a task wait for a node again, because it lost the one it had."""
        now = self._context.clock.now()
        changes = moved(TASK, task, "active", now) | fresh_execution() | spent(task, now)
        self._context.store.tasks.change(task, **changes, requeues=task.requeues + 1, requeued=now)
        self._context.store.forget_subtasks(task.seq)
        job = self._context.store.jobs.get(task.job)
        if job is not None:
            self._context.wake_for(job)

    async def clear_files(self, job: JobRecord, task: TaskRecord) -> None:
        """Removes the directory of a task from the nodes it ran on."""
        await self._clear(self._nodes_of(job, task), job, task)

    async def _clear(self, nodes: Iterable[Node], job: JobRecord, task: TaskRecord) -> None:
        for node in nodes:
            with suppress(OSError):
                await self._context.driver.clear_directory(node.place, task_directory(job.id, task.id))

    def _nodes_of(self, job: JobRecord, task: TaskRecord) -> list[Node]:
        """Returns those nodes of a task's last run that are still there, the primary's first."""
        pool = self._context.store.find_pool(job.account, task.pool_id) if task.pool_id else None
        if pool is None or task.node_id is None:
            return []
        ids = [task.node_id, *(subtask.node_id for subtask in self._context.store.list_subtasks(task.seq))]
        return [node for node_id in ids if (node := self._context.fleet.find(pool.seq, node_id)) is not None]


def _ignore_start() -> None:
    """The state ``running`` begins before, with the resource files."""


def _retry_limit(task: TaskRecord) -> int:
    constraints = task.body["constraints"]
    limit = constraints.get("maxTaskRetryCount") if isinstance(constraints, dict) else None
    return limit if isinstance(limit, int) else 0
