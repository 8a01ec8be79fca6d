"""Jobs, as clients change them."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from localbatch.bodies.jobs import JobBody, JobDisabling, JobPatch, JobReplacement, JobTermination, PoolInfo
from localbatch.bodies.reading import read, refuse_unknown, write
from localbatch.engine.engine import Engine
from localbatch.rules.checks import check_choice, check_id, check_metadata
from localbatch.rules.jobs import (
    changed_auto_pool,
    check_job,
    check_job_constraints,
    check_job_settings,
    check_one_pool,
)
from localbatch.rules.not_emulated import JOB, refuse_properties
from localbatch.rules.quotas import reached
from localbatch.rules.states import refusal
from localbatch.service.pools import check_packages
from localbatch.store.jobs import JobRecord, job_constraints
from localbatch.wire.errors import ServiceError, invalid_property
from localbatch.wire.formats import JsonObject
from localbatch.wire.shapes import conform

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

    def create(self, account: str, account_url: str, document: JsonObject) -> JobRecord:
        """Creates a job. Its pool need not exist; one of its own is made for it.

        Raises:
            ServiceError: the body is refused, or a job or a job schedule of that id exists.
        """
        refuse_properties(document, JOB)
        body = read(JobBody, document)
        check_job(body)
        self._engine.context.images.check_own_pool(body.pool_info)
        if self._store.find_job(account, body.id) is not None:
            raise ServiceError("JobExists")
        if self._store.find_schedule(account, body.id) is not None:
            raise ServiceError("JobScheduleWithSameIdExists")
        if reached(self._engine.context.quotas.active_jobs, self._store.count_active_jobs(account)):
            raise ServiceError("ActiveJobAndScheduleQuotaReached")
        if body.job_manager_task is not None:
            check_packages(self._store, account, body.job_manager_task.application_package_references)
        return self._engine.submission.submit(account, account_url, body.id, body)

    def update(self, account: str, job_id: str, document: JsonObject, check: Check) -> JobRecord:
        """Changes what a PATCH names and leaves the rest as it is.

        Raises:
            ServiceError: the job or the body is refused.
        """
        job = self._changeable(account, job_id, check, "update")
        refuse_properties(document, JOB)
        body = read(JobPatch, document)
        changes = write(body)
        if body.pool_info is not None and body.pool_info.pool_id is not None and job.state != "disabled":
            raise _not_disabled()
        if body.constraints is not None:
            changes["constraints"] = job_constraints(changes["constraints"])
        return self._change(job, changes)

    def replace(
        self, account: str, job_id: str, document: JsonObject, check: Check, *, older: bool = False
    ) -> JobRecord:
        """Replaces what a PUT can replace; what is left out gets its default.

        Args:
            account: whose job it is.
            job_id: the job.
            document: the body of the request.
            check: checks the conditions of the request.
            older: whether the request is of a version before 2025-06-01.

        Raises:
            ServiceError: the job or the body is refused.
        """
        job = self._changeable(account, job_id, check, "update")
        refuse_unknown(JobReplacement, document)
        given = {name: value for name, value in document.items() if name in _REPLACEABLE}
        given = _conform_replacement(given, older)
        refuse_properties(given, JOB)
        body = read(JobReplacement, given)
        changes = {**_JOB_DEFAULTS, **write(body)}
        changes["constraints"] = job_constraints(changes.get("constraints"))
        if not body.metadata:
            changes["metadata"] = []
        changes.setdefault("networkConfiguration", {})
        return self._change(job, changes)

    def _change(self, job: JobRecord, changes: JsonObject) -> JobRecord:
        document = job.body | changes
        for name in ("metadata", "networkConfiguration"):
            if not document.get(name):
                document.pop(name, None)
        checked = read(JobBody, {"id": job.id, **document})
        check_job_settings(checked.priority, checked.max_parallel_tasks, checked.on_all_tasks_complete)
        check_job_constraints(checked.constraints)
        check_metadata(checked.metadata)
        document["onAllTasksComplete"] = checked.on_all_tasks_complete.lower()
        if job.body["onAllTasksComplete"] == "terminatejob" and document["onAllTasksComplete"] == "noaction":
            raise invalid_property("onAllTasksComplete", "noaction", "It can't be changed back from terminatejob.")
        pool_id, document["poolInfo"] = self._changed_pool(job, checked.pool_info)
        job = self._store.jobs.change(
            job,
            body=document,
            modified=self._clock.now(),
            pool_id=pool_id,
            priority=checked.priority,
            preemptable=checked.allow_task_preemption is True,
            max_parallel=checked.max_parallel_tasks,
        )
        self._engine.jobs.watch(job)
        self._engine.context.wake_for(job)
        self._engine.jobs.check_complete(job.seq)
        return job

    def _changed_pool(self, job: JobRecord, info: PoolInfo) -> tuple[str, JsonObject]:
        """Returns the id of the pool a job is to run on, and what its document is to say about it."""
        check_one_pool(info)
        present = PoolInfo.model_validate(job.body["poolInfo"]).auto_pool_specification
        if (info.auto_pool_specification is None) != (present is None):
            reason = "A job keeps the kind of pool it has: one that is there, or one made for it."
            raise invalid_property("poolInfo", info.pool_id or "", reason)
        if info.auto_pool_specification is not None and present is not None:
            return job.pool_id, {"autoPoolSpecification": changed_auto_pool(present, info.auto_pool_specification)}
        pool_id = info.pool_id or ""
        check_id(pool_id, "poolInfo.poolId")
        if pool_id.lower() != job.pool_id.lower() and job.state != "disabled":
            raise _not_disabled()
        return pool_id, {"poolId": pool_id}

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

    def terminate(
        self, account: str, job_id: str, document: JsonObject, check: Check, *, force: bool = False
    ) -> JobRecord:
        """Begins to end a job; by force, without waiting for its nodes.

        Raises:
            ServiceError: the job or the body is refused.
        """
        job = self._changeable(account, job_id, check, "forceterminate" if force else "terminate")
        body = read(JobTermination, document)
        return self._engine.jobs.terminate(self._touch(job), body.terminate_reason, force=force)

    def delete(self, account: str, job_id: str, check: Check, *, force: bool = False) -> None:
        """Begins to delete a job; by force, without its release task.

        Raises:
            ServiceError: the job is refused.
        """
        job = self._changeable(account, job_id, check, "forcedelete" if force else "delete")
        self._engine.jobs.delete(job, force=force)

    def _changeable(self, account: str, job_id: str, check: Check, operation: str) -> JobRecord:
        job = self.get(account, job_id)
        check(job.modified)
        code = refusal("job", operation, job.state)
        if code is not None:
            raise ServiceError(code)
        return job

    def _touch(self, job: JobRecord, **changes: Any) -> JobRecord:
        return self._store.jobs.change(job, modified=self._clock.now(), **changes)


def _conform_replacement(given: JsonObject, older: bool) -> JsonObject:
    """Checks the form of what is to be replaced. A job's own pool, shown without its secrets, is compared later on."""
    info = given.get("poolInfo")
    if not isinstance(info, dict) or "autoPoolSpecification" not in info:
        return conform(given, _UPDATE, older=older)
    others = {name: value for name, value in info.items() if name != "autoPoolSpecification"}
    return conform({**given, "poolInfo": others}, _UPDATE, older=older) | {"poolInfo": info}


def _not_disabled() -> ServiceError:
    reason = "The pool of a job can be changed only while the job is disabled."
    return ServiceError("OperationInvalidForCurrentState", values=(("Reason", reason),))


_UPDATE = "BatchJobUpdateOptions"
_JOB_DEFAULTS: JsonObject = {
    "priority": 0,
    "maxParallelTasks": -1,
    "allowTaskPreemption": False,
    "onAllTasksComplete": "noaction",
}
_REPLACEABLE = {*_JOB_DEFAULTS, "constraints", "poolInfo", "metadata", "networkConfiguration"}
