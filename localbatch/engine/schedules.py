"""Job schedules make their jobs, end and are deleted."""

import logging
from contextlib import suppress
from datetime import datetime

from localbatch.bodies.jobs import AutoPoolSpecification, JobSpecification
from localbatch.engine.auto_pools import AutoPools
from localbatch.engine.context import Context, moved
from localbatch.engine.jobs import JobLife
from localbatch.engine.submission import Submission
from localbatch.rules.quotas import reached
from localbatch.rules.recurrence import plan, read_timing
from localbatch.rules.states import JOB_SCHEDULE
from localbatch.store.schedules import JobScheduleRecord
from localbatch.views.links import job_directory

_LONGEST_SLEEP = 30.0

logger = logging.getLogger("localbatch")


class ScheduleLife:
    """Does what the state of each schedule asks for: from the records alone, so that it goes on after a restart.

    Args:
        context: the engine's surroundings.
        submission: what makes jobs.
        jobs: what ends them.
        pools: what ends the pools that live as long as a schedule.
    """

    def __init__(self, context: Context, submission: Submission, jobs: JobLife, pools: AutoPools) -> None:
        self._context, self._submission, self._jobs, self._pools = context, submission, jobs, pools

    async def run(self) -> None:
        """Serves schedules for as long as the service lives."""
        while True:
            self._context.scheduling.clear()
            for found in list(self._context.store.schedules.where("state != 'completed'")):
                # Clients may have changed it while another one was served.
                schedule = self._context.store.schedules.get(found.seq)
                if schedule is not None:
                    await self._serve(schedule)
            await self._sleep()

    async def _sleep(self) -> None:
        """Waits until something may have changed; not for long, for clocks are set and laptops sleep."""
        schedules = self._context.store.schedules.where("state IN ('active', 'disabled')")
        now = self._context.clock.now()
        moments = [moment for each in schedules if (moment := self._next_look(each, now)) is not None]
        left = (min(moments) - now).total_seconds() if moments else _LONGEST_SLEEP
        with suppress(TimeoutError):
            async with self._context.clock.timeout(max(0.0, min(left, _LONGEST_SLEEP))):
                await self._context.scheduling.wait()

    def _next_look(self, schedule: JobScheduleRecord, now: datetime) -> datetime | None:
        timing = read_timing(schedule.body.get("schedule"), schedule.created)
        return plan(timing, now, last=schedule.last_run, busy=True).look_again

    async def _serve(self, schedule: JobScheduleRecord) -> None:
        try:
            if schedule.state == "deleting":
                await self._delete(schedule)
            elif schedule.state == "terminating":
                self._terminate(schedule)
            elif schedule.state != "completed":
                self._go_on(schedule)
        except Exception:
            logger.exception("Serving job schedule %s failed", schedule.id)

    def _go_on(self, schedule: JobScheduleRecord) -> None:
        now = self._context.clock.now()
        decided = plan(
            read_timing(schedule.body.get("schedule"), schedule.created),
            now,
            last=schedule.last_run,
            busy=self._context.store.has_unfinished_job(schedule.seq),
            enabled=schedule.state == "active",
        )
        if decided.complete:
            self._complete(schedule, now)
        elif decided.make_job and self._has_room(schedule.account):
            self._make_job(schedule, now)

    def _has_room(self, account: str) -> bool:
        """Tells whether the account may have one more active job; an occurrence waits for that while it is open."""
        return not reached(self._context.quotas.active_jobs, self._context.store.count_active_jobs(account))

    def _make_job(self, schedule: JobScheduleRecord, now: datetime) -> None:
        number = schedule.jobs_made + 1
        body = JobSpecification.model_validate(schedule.body["jobSpecification"])
        automatic = body.pool_info.auto_pool_specification
        shared = automatic is not None and automatic.lives_with_schedule
        with self._context.store.transaction():
            job = self._submission.submit(
                schedule.account,
                schedule.account_url,
                f"{schedule.id}:job-{number}",
                body,
                schedule=schedule.seq,
                schedule_pool=schedule.pool_id if shared else None,
            )
            pool_id = job.pool_id if shared and job.pool_id else schedule.pool_id
            changes = {"jobs_made": number, "last_run": now, "recent_job": job.id, "pool_id": pool_id}
            self._context.store.schedules.change(schedule, **changes)
        if job.state == "completed":
            # Its pool could not be made.
            self._context.scheduling.set()

    def _terminate(self, schedule: JobScheduleRecord) -> None:
        for job in self._context.store.list_jobs_of_schedule(schedule.seq):
            hurried = schedule.forced and not job.forced
            if job.state not in ("terminating", "completed", "deleting") or (job.state == "terminating" and hurried):
                self._jobs.terminate(job, "TerminateJobSchedule", force=schedule.forced)
        if not self._context.store.has_unfinished_job(schedule.seq):
            self._complete(schedule, self._context.clock.now())

    def _complete(self, schedule: JobScheduleRecord, now: datetime) -> None:
        with self._context.store.transaction():
            self._context.store.schedules.change(schedule, **moved(JOB_SCHEDULE, schedule, "completed", now), ended=now)
            self._leave_pool(schedule)

    async def _delete(self, schedule: JobScheduleRecord) -> None:
        jobs = self._context.store.list_jobs_of_schedule(schedule.seq)
        for job in jobs:
            if job.state != "deleting" or (schedule.forced and not job.forced):
                self._jobs.delete(job, force=schedule.forced)
        if not jobs:
            await self._context.clear_directory(schedule.account, job_directory(schedule.id))
            with self._context.store.transaction():
                self._leave_pool(schedule)
                self._context.store.schedules.remove(schedule.seq)

    def _leave_pool(self, schedule: JobScheduleRecord) -> None:
        """Ends the pool that was made for a schedule, unless it is to be kept."""
        if schedule.pool_id is None:
            return
        automatic = _auto_pool(schedule)
        if automatic is None or not automatic.keep_alive:
            self._pools.end(schedule.account, schedule.pool_id)


def _auto_pool(schedule: JobScheduleRecord) -> AutoPoolSpecification | None:
    specification = JobSpecification.model_validate(schedule.body["jobSpecification"])
    return specification.pool_info.auto_pool_specification
