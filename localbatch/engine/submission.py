"""New jobs, whoever asks for them: a client or a job schedule."""

from localbatch.bodies.jobs import JobSpecification
from localbatch.engine.auto_pools import AutoPoolError, AutoPools
from localbatch.engine.context import Context, moved
from localbatch.engine.jobs import JobLife
from localbatch.rules.states import JOB
from localbatch.store.jobs import JobRecord, new_job, new_manager
from localbatch.wire.formats import JsonObject


class Submission:
    """Makes jobs with all that belongs to them, and begins them.

    Args:
        context: the engine's surroundings.
        pools: what makes a job's own pool.
        jobs: what jobs are handed to.
    """

    def __init__(self, context: Context, pools: AutoPools, jobs: JobLife) -> None:
        self._context, self._pools, self._jobs = context, pools, jobs

    def submit(
        self,
        account: str,
        account_url: str,
        job_id: str,
        body: JobSpecification,
        *,
        schedule: int | None = None,
        schedule_pool: str | None = None,
    ) -> JobRecord:
        """Makes a job and whatever it asks for. If its own pool can't be made it is completed at once and says why.

        Args:
            account: whose job it is.
            account_url: how the client that asked for it reaches the service.
            job_id: its id, which no job has.
            body: the job, checked.
            schedule: ``seq`` of the job schedule that makes it.
            schedule_pool: id of the pool that lives as long as the job's schedule, if the job is to run there.
        """
        error = None
        with self._context.store.transaction():
            try:
                pool_id = schedule_pool or self._find_pool(account, account_url, body)
            except AutoPoolError as failure:
                pool_id, error = "", failure.error
            now = self._context.clock.now()
            job = self._context.store.jobs.add(new_job(account, job_id, body, pool_id, now, schedule))
            if error is not None:
                return self._give_up(job, error)
            if body.job_manager_task is not None:
                self._context.store.tasks.add(new_manager(job, body.job_manager_task))
        self._jobs.begin(job)
        return job

    def _find_pool(self, account: str, account_url: str, body: JobSpecification) -> str:
        automatic = body.pool_info.auto_pool_specification
        if automatic is None:
            return body.pool_info.pool_id or ""
        return self._pools.make(account, account_url, automatic).id

    def _give_up(self, job: JobRecord, error: JsonObject) -> JobRecord:
        now, jobs = self._context.clock.now(), self._context.store.jobs
        job = jobs.change(job, **moved(JOB, job, "terminating", now), scheduling_error=error)
        return jobs.change(job, **moved(JOB, job, "completed", now), ended=now)
