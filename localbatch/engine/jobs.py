"""How jobs end, are disabled and are deleted."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Any

from localbatch.bodies.jobs import PoolInfo
from localbatch.engine.background import breathe, give_up, settle
from localbatch.engine.context import Context, moved
from localbatch.engine.preparation import Preparations
from localbatch.engine.release import Releases
from localbatch.engine.runs import TaskRuns
from localbatch.rules.exit_conditions import TERMINATE
from localbatch.rules.states import JOB, refusal
from localbatch.store.commands import seconds_of
from localbatch.store.jobs import JobRecord
from localbatch.views.links import job_directory

_ROWS_AT_ONCE = 500
_LONGEST_ALARM = timedelta(days=3650).total_seconds()


class JobLife:
    """The jobs that are on their way to another state, and the alarms of their time limits.

    Args:
        context: the engine's surroundings.
        preparations: the preparation tasks that run.
        releases: the release tasks that run.
        end_pool: begins to delete the pool of an account and an id, which was made for a job that has ended.
    """

    def __init__(
        self,
        context: Context,
        preparations: Preparations,
        releases: Releases,
        end_pool: Callable[[str, str], None],
    ) -> None:
        self._context, self._preparations, self._releases = context, preparations, releases
        self._end_pool = end_pool
        self._works: dict[int, set[asyncio.Task[None]]] = {}
        self._alarms: dict[int, asyncio.TimerHandle] = {}
        self._unattended: dict[int, asyncio.Task[None]] = {}
        self.runs = TaskRuns(context, preparations, self.check_complete, self.act)

    def begin(self, job: JobRecord) -> None:
        """Begins a new job."""
        self.watch(job)
        self._context.wake_for(job)
        self.check_complete(job.seq)

    def watch(self, job: JobRecord) -> None:
        """Sets the alarm of a job's time limit, which counts from its creation."""
        self._silence(job.seq)
        constraints = job.body["constraints"]
        limit = seconds_of(constraints, "maxWallClockTime") if isinstance(constraints, dict) else None
        if limit is None:
            return
        left = limit - (self._context.clock.now() - job.created).total_seconds()
        if left < _LONGEST_ALARM:
            self._alarms[job.seq] = self._context.clock.call_later(max(0.0, left), partial(self._expire, job.seq))

    def _expire(self, seq: int) -> None:
        job = self._context.store.jobs.get(seq)
        if job is not None and job.state not in ("terminating", "completed", "deleting"):
            self.terminate(job, "MaxWallClockTimeExpiry")

    def _silence(self, seq: int) -> None:
        alarm = self._alarms.pop(seq, None)
        if alarm is not None:
            alarm.cancel()

    def stop(self) -> None:
        """Silences all alarms."""
        for seq in list(self._alarms):
            self._silence(seq)

    def check_complete(self, seq: int) -> None:
        """Ends a job whose manager or whose tasks have all ended, if it is to end then."""
        job = self._context.store.jobs.get(seq)
        if job is not None and job.state in ("active", "disabled") and self._is_left(job):
            self.terminate(job, "JMComplete")
            return
        if job is None or job.state != "active" or job.body["onAllTasksComplete"] != "terminatejob":
            return
        counts = self._context.store.count_tasks(seq)
        if not any(counts[kind].tasks for kind in ("active", "preparing", "running") if kind in counts):
            self.terminate(job, "AllTasksComplete")

    def _is_left(self, job: JobRecord) -> bool:
        """Tells whether a job ends because its manager has."""
        settings = job.body.get("jobManagerTask")
        if not isinstance(settings, dict) or settings["killJobOnCompletion"] is not True:
            return False
        manager = self._context.store.find_manager(job)
        return manager is not None and manager.state == "completed"

    def act(self, seq: int, action: str) -> None:
        """Does to a job what the end of one of its tasks asks for, unless the job is beyond it."""
        job = self._context.store.jobs.get(seq)
        if job is None or refusal("job", action, job.state) is not None:
            return
        if action == TERMINATE:
            self.terminate(job, "TaskFailed")
        else:
            self.disable(job, "requeue")

    def terminate(self, job: JobRecord, reason: str, *, force: bool = False) -> JobRecord:
        """Begins to end a job, or has one that is being ended do so without waiting.

        Args:
            job: the job.
            reason: why, as its ``terminateReason`` is to say.
            force: don't wait until its nodes have ended its tasks and run its release task.
        """
        return self._finish(job, "terminating", terminate_reason=job.terminate_reason or reason, forced=force)

    def delete(self, job: JobRecord, *, force: bool = False) -> JobRecord:
        """Begins to delete a job with all its tasks, or has one that is being deleted go without its release task.

        Args:
            job: the job.
            force: leave the release task out.
        """
        return self._finish(job, "deleting", forced=force)

    def _finish(self, job: JobRecord, state: str, **changes: Any) -> JobRecord:
        self._silence(job.seq)
        if job.state != state:
            changes |= moved(JOB, job, state, self._context.clock.now())
        return self._leave(self._context.store.jobs.change(job, **changes))

    def _leave(self, job: JobRecord) -> JobRecord:
        """Goes on with a job that starts no more tasks: a node that was kept for its manager is free for others."""
        self.go_on(job)
        self._context.wake_for(job)
        return job

    def disable(self, job: JobRecord, tasks: str) -> JobRecord:
        """Begins to disable a job.

        Args:
            job: the job, which may be disabled already.
            tasks: what becomes of its running tasks: ``requeue``, ``terminate`` or ``wait``.
        """
        changes: dict[str, Any] = {"disable_tasks": tasks}
        if job.state == "active":
            changes |= moved(JOB, job, "disabling", self._context.clock.now())
        return self._leave(self._context.store.jobs.change(job, **changes))

    def enable(self, job: JobRecord) -> JobRecord:
        """Begins to enable a disabled job."""
        job = self._context.store.jobs.change(job, **moved(JOB, job, "enabling", self._context.clock.now()))
        self.go_on(job)
        return job

    def go_on(self, job: JobRecord) -> None:
        """Does what the state of a job asks for, in the background; what was begun before is given up."""
        steps = {
            "terminating": self._terminate,
            "deleting": self._delete,
            "disabling": self._disable,
            "enabling": self._enable,
        }
        step = steps.get(job.state)
        if step is not None:
            formers = frozenset(self._works.get(job.seq, ()))
            give_up(*formers)
            work = self._context.background.start(self._after(formers, step, job))
            self._works.setdefault(job.seq, set()).add(work)
            work.add_done_callback(lambda _work: self._forget(job.seq, work))

    async def _after(
        self, formers: frozenset[asyncio.Task[None]], step: Callable[[JobRecord], Awaitable[None]], job: JobRecord
    ) -> None:
        await settle(*formers)
        await step(job)

    def _forget(self, job: int, work: asyncio.Task[None]) -> None:
        self._works[job].discard(work)
        if not self._works[job]:
            del self._works[job]

    async def _wind_down(self, job: JobRecord) -> None:
        await self.runs.end_all(job.seq)
        await self._preparations.stop(job.seq)
        await self._releases.run_all(job)

    def _wind_down_unattended(self, job: JobRecord) -> None:
        if job.seq not in self._unattended:
            work = self._context.background.start(self._wind_down(job))
            self._unattended[job.seq] = work
            work.add_done_callback(lambda _work: self._unattended.pop(job.seq))

    async def _terminate(self, job: JobRecord) -> None:
        if job.forced:
            self._wind_down_unattended(job)
            await breathe()
        else:
            await self._wind_down(job)
        now = self._context.clock.now()
        with self._context.store.transaction():
            job = self._newest(job)
            self._context.store.jobs.change(job, **moved(JOB, job, "completed", now), ended=now)
            self._leave_pool(job)
        self._context.scheduling.set()

    async def _disable(self, job: JobRecord) -> None:
        if job.disable_tasks == "requeue":
            await self.runs.requeue_all(job.seq)
        elif job.disable_tasks == "terminate":
            await self.runs.end_all(job.seq)
        else:
            await self.runs.wait_for(job.seq)
        changes = moved(JOB, job, "disabled", self._context.clock.now())
        self._context.store.jobs.change(self._newest(job), **changes)
        self.check_complete(job.seq)

    async def _enable(self, job: JobRecord) -> None:
        # One turn of the event loop, so that the state in between can be seen.
        await breathe()
        job = self._context.store.jobs.change(self._newest(job), **moved(JOB, job, "active", self._context.clock.now()))
        self._context.wake_for(job)
        self.check_complete(job.seq)

    async def _delete(self, job: JobRecord) -> None:
        if (unattended := self._unattended.get(job.seq)) is not None:
            give_up(unattended)
            await settle(unattended)
        await self.runs.discard_all(job.seq)
        await self._preparations.stop(job.seq)
        await self._releases.stop(job.seq)
        if job.previous_state != "completed" and not job.forced:
            await self._releases.run_all(job)
        await self._context.clear_directory(job.account, job_directory(job.id))
        store = self._context.store
        store.forget_counts(job.seq)
        for table in (store.subtasks, store.tasks, store.preparations, store.releases):
            while table.remove_where("job = ?", job.seq, limit=_ROWS_AT_ONCE):
                await breathe()
        while store.dependencies.forget(job.seq, _ROWS_AT_ONCE):
            await breathe()
        with store.transaction():
            self._leave_pool(self._newest(job))
            store.jobs.remove(job.seq)
        self._context.scheduling.set()

    def _leave_pool(self, job: JobRecord) -> None:
        """Ends the pool that was made for a job, unless it is to be kept."""
        pool = PoolInfo.model_validate(job.body["poolInfo"]).auto_pool_specification
        if pool is not None and pool.ends_with_job:
            self._end_pool(job.account, job.pool_id)

    def _newest(self, job: JobRecord) -> JobRecord:
        return self._context.store.jobs.get(job.seq) or job
