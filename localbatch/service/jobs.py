"""Jobs, as clients change them."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from localbatch.action_models import JobDisabling, JobPatch, JobReplacement, JobTermination
from localbatch.documents import job_constraints, job_document
from localbatch.engine.engine import Engine
from localbatch.errors import ServiceError, invalid_property
from localbatch.models import JobBody
from localbatch.not_emulated import JOB, refuse_properties
from localbatch.quotas import reached
from localbatch.records import JobRecord
from localbatch.states import JOB as JOB_STATES
from localbatch.states import refusal
from localbatch.validation import (
    check_choice,
    check_id,
    check_job,
    check_job_settings,
    check_metadata,
    read,
    refuse_unknown,
    write,
)
from localbatch.wire import JsonObject

Check = Callable[[datetime], None]


class Jobs:
    """The jobs of all accounts.

    Args:
        engine: what runs them.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine, self._clock, self._store = engine, engine.context.clock, engine.context.store

    def get(self, account: str, job_id: str) -> JobRecord:
        """Returns a job.

        Raises:
            ServiceError: ``JobNotFound``.
        """
        job = self._store.find_job(account, job_id)
        if job is None:
            raise ServiceError("JobNotFound")
        return job

    def create(self, account: str, document: JsonObject) -> JobRecord:
        """Creates a job. Its pool need not exist.

        Raises:
            ServiceError: the body is refused, or a job of that id exists.
        """
        refuse_properties(document, JOB)
        body = read(JobBody, document)
        check_job(body)
        if self._store.find_job(account, body.id) is not None:
            raise ServiceError("JobExists")
        if reached(self._engine.context.quotas.active_jobs, self._store.count_active_jobs(account)):
            raise ServiceError("ActiveJobAndScheduleQuotaReached")
        now = self._clock.now()
        record = JobRecord(
            seq=0,
            account=account,
            id=body.id,
            body=job_document(body),
            created=now,
            modified=now,
            state=JOB_STATES.initial,
            state_changed=now,
            previous_state=None,
            previous_changed=None,
            pool_id=body.pool_info.pool_id or "",
            priority=body.priority,
            max_parallel=body.max_parallel_tasks,
            disable_tasks="",
            ended=None,
            terminate_reason=None,
        )
        job = self._store.jobs.add(record)
        self._engine.jobs.watch(job)
        self._engine.jobs.check_complete(job.seq)
        return job

    def update(self, account: str, job_id: str, document: JsonObject, check: Check) -> JobRecord:
        """Changes what a PATCH names and leaves the rest as it is.

        Raises:
            ServiceError: the job or the body is refused.
        """
        job = self._changeable(account, job_id, check, "update")
        refuse_properties(document, JOB)
        body = read(JobPatch, document)
        changes = write(body)
        if body.constraints is not None:
            changes["constraints"] = job_constraints(changes["constraints"])
        return self._change(job, changes)

    def replace(self, account: str, job_id: str, document: JsonObject, check: Check) -> JobRecord:
        """Replaces what a PUT can replace; what is left out gets its default.

        Raises:
            ServiceError: the job or the body is refused.
        """
        job = self._changeable(account, job_id, check, "update")
        refuse_unknown(JobReplacement, document)
        given = {name: value for name, value in document.items() if name in _REPLACEABLE}
        refuse_properties(given, JOB)
        body = read(JobReplacement, given)
        changes = {**_JOB_DEFAULTS, **write(body)}
        changes["constraints"] = job_constraints(changes.get("constraints"))
        if not body.metadata:
            changes["metadata"] = []
        return self._change(job, changes)

    def _change(self, job: JobRecord, changes: JsonObject) -> JobRecord:
        document = job.body | changes
        if not document.get("metadata"):
            document.pop("metadata", None)
        checked = read(JobBody, {"id": job.id, **document})
        check_job_settings(checked.priority, checked.max_parallel_tasks, checked.on_all_tasks_complete)
        check_metadata(checked.metadata)
        document["onAllTasksComplete"] = checked.on_all_tasks_complete.lower()
        if job.body["onAllTasksComplete"] == "terminatejob" and document["onAllTasksComplete"] == "noaction":
            raise invalid_property("onAllTasksComplete", "noaction", "It can't be changed back from terminatejob.")
        pool_id = self._checked_pool(job, checked)
        job = self._store.jobs.change(
            job,
            body=document,
            modified=self._clock.now(),
            pool_id=pool_id,
            priority=checked.priority,
            max_parallel=checked.max_parallel_tasks,
        )
        self._engine.jobs.watch(job)
        self._engine.context.wake_for(job)
        self._engine.jobs.check_complete(job.seq)
        return job

    def _checked_pool(self, job: JobRecord, body: JobBody) -> str:
        pool_id = body.pool_info.pool_id
        if pool_id is None:
            raise ServiceError("MissingRequiredProperty", values=(("PropertyName", "poolInfo.poolId"),))
        check_id(pool_id, "poolInfo.poolId")
        if pool_id.lower() != job.pool_id.lower() and job.state != "disabled":
            reason = "The pool of a job can be changed only while the job is disabled."
            raise ServiceError("OperationInvalidForCurrentState", values=(("Reason", reason),))
        return pool_id

    def disable(self, account: str, job_id: str, document: JsonObject, check: Check) -> JobRecord:
        """Begins to disable a job.

        Raises:
            ServiceError: the job or the body is refused.
        """
        job = self._changeable(account, job_id, check, "disable")
        body = read(JobDisabling, document)
        check_choice("disableTasks", body.disable_tasks, ("requeue", "terminate", "wait"))
        return self._engine.jobs.disable(self._touch(job), body.disable_tasks.lower())

    def enable(self, account: str, job_id: str, check: Check) -> JobRecord:
        """Begins to enable a disabled job.

        Raises:
            ServiceError: the job is refused.
        """
        job = self._changeable(account, job_id, check, "enable")
        return self._engine.jobs.enable(self._touch(job))

    def terminate(self, account: str, job_id: str, document: JsonObject, check: Check) -> JobRecord:
        """Begins to end a job.

        Raises:
            ServiceError: the job or the body is refused.
        """
        job = self._changeable(account, job_id, check, "terminate")
        body = read(JobTermination, document)
        return self._engine.jobs.terminate(self._touch(job), body.terminate_reason)

    def delete(self, account: str, job_id: str, check: Check) -> None:
        """Begins to delete a job.

        Raises:
            ServiceError: the job is refused.
        """
        job = self._changeable(account, job_id, check, "delete")
        self._engine.jobs.delete(job)

    def _changeable(self, account: str, job_id: str, check: Check, operation: str) -> JobRecord:
        job = self.get(account, job_id)
        check(job.modified)
        code = refusal("job", operation, job.state)
        if code is not None:
            raise ServiceError(code)
        return job

    def _touch(self, job: JobRecord, **changes: Any) -> JobRecord:
        return self._store.jobs.change(job, modified=self._clock.now(), **changes)


_JOB_DEFAULTS: JsonObject = {
    "priority": 0,
    "maxParallelTasks": -1,
    "allowTaskPreemption": False,
    "onAllTasksComplete": "noaction",
}
_REPLACEABLE = {*_JOB_DEFAULTS, "constraints", "poolInfo", "metadata"}
