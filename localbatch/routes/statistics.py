"""The statistics that ``$expand=stats`` asks for."""

from localbatch.engine.context import Context
from localbatch.engine.usage import dedicated_core_time
from localbatch.routes.call import Call
from localbatch.routes.paging import expands_statistics
from localbatch.store.jobs import JobRecord
from localbatch.store.pools import PoolRecord
from localbatch.store.schedules import JobScheduleRecord
from localbatch.store.statistics import Totals, job_statistics, pool_statistics, task_statistics, with_counts
from localbatch.store.tasks import TaskRecord
from localbatch.views.links import job_schedule_url, job_url, pool_url, task_url
from localbatch.wire.formats import JsonObject


class Statistics:
    """Makes what is added to the view of a resource: nothing, unless the call asks for it.

    Args:
        context: the engine's surroundings.
    """

    def __init__(self, context: Context) -> None:
        self._context, self._store = context, context.store

    def of_task(self, call: Call, job: JobRecord, task: TaskRecord) -> JsonObject:
        """Shows what a task has used."""
        if not expands_statistics(call):
            return {}
        return {"stats": task_statistics(task_url(call.base_url, job.id, task.id), task, self._context.clock.now())}

    def of_job(self, call: Call, job: JobRecord) -> JsonObject:
        """Shows what the tasks of a job have used."""
        if not expands_statistics(call):
            return {}
        url, now = job_url(call.base_url, job.id), self._context.clock.now()
        return {"stats": job_statistics(url, job, self._totals(job), now)}

    def of_schedule(self, call: Call, schedule: JobScheduleRecord) -> JsonObject:
        """Shows what the tasks of a schedule's jobs have used, as far as these are still there."""
        if not expands_statistics(call):
            return {}
        jobs = list(self._store.jobs.where("schedule = ?", schedule.seq))
        totals = sum((self._totals(job) for job in jobs), Totals())
        url, now = job_schedule_url(call.base_url, schedule.id), self._context.clock.now()
        return {"stats": job_statistics(url, schedule, totals, now)}

    def of_pool(self, call: Call, pool: PoolRecord) -> JsonObject:
        """Shows what a pool has used."""
        if not expands_statistics(call):
            return {}
        url, now = pool_url(call.base_url, pool.id), self._context.clock.now()
        return {"stats": pool_statistics(url, pool, dedicated_core_time(self._context, pool, now), now)}

    def _totals(self, job: JobRecord) -> Totals:
        return with_counts(self._store.sum_tasks(job.seq, self._context.clock.now()), self._store.count_tasks(job.seq))
