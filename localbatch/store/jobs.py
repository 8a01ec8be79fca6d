"""Jobs as they are remembered: their records, and the bodies in them with the defaults the service fills in.

Source: recorded answers of the service and the official examples for API version 2025-06-01.
"""

from dataclasses import dataclass
from datetime import datetime

from localbatch.bodies.jobs import JobManagerTask, JobPreparationTask, JobReleaseTask, JobSpecification
from localbatch.bodies.reading import write
from localbatch.rules.states import JOB, TASK
from localbatch.store.commands import FOREVER, default_user, task_constraints
from localbatch.store.executions import Execution, RetriedExecution
from localbatch.store.tasks import TaskRecord, task_document
from localbatch.wire.formats import JsonObject, JsonValue, format_duration


@dataclass(frozen=True)
class JobRecord:
    """A job.

    Attributes:
        pool_id: the pool it runs on, which need not exist.
        max_parallel: how many of its tasks may run at once; -1 is no limit.
        disable_tasks: what becomes of its tasks while it is being disabled.
        terminate_reason: why it ended.
        scheduling_error: why it could not even begin.
        forced: it ends without waiting for its nodes.
        schedule: ``seq`` of the job schedule that made it; None if a client did.
        preemptable: its tasks may lose their nodes to jobs of higher priority.
    """

    seq: int
    account: str
    id: str
    body: JsonObject
    created: datetime
    modified: datetime
    state: str
    state_changed: datetime
    previous_state: str | None
    previous_changed: datetime | None
    pool_id: str
    priority: int
    max_parallel: int
    disable_tasks: str
    ended: datetime | None
    terminate_reason: str | None
    scheduling_error: JsonObject | None = None
    forced: bool = False
    schedule: int | None = None
    preemptable: bool = False


@dataclass(frozen=True)
class PreparationRecord(RetriedExecution):
    """One job's preparation task on one node.

    Attributes:
        job: ``seq`` of the job.
        pool_id: pool of the node.
        stale: the node was started anew since, and it must run again.
        emptied: the node's disk was emptied since, so that nothing is left to be released.
    """

    seq: int
    job: int
    pool_id: str
    node_id: str
    stale: bool = False
    emptied: bool = False


@dataclass(frozen=True)
class ReleaseRecord(Execution):
    """One job's release task on one node.

    Attributes:
        job: ``seq`` of the job.
        pool_id: pool of the node.
        expires: when its directory is removed; None as long as that is not known, and for ever.
    """

    seq: int
    job: int
    pool_id: str
    node_id: str
    expires: datetime | None = None


def job_document(body: JobSpecification) -> JsonObject:
    """Makes the document of a new job, without its id."""
    document = write(body)
    document.pop("id", None)
    document |= {
        "priority": body.priority,
        "maxParallelTasks": body.max_parallel_tasks,
        "onAllTasksComplete": body.on_all_tasks_complete.lower(),
        "onTaskFailure": body.on_task_failure.lower(),
        "constraints": job_constraints(document.get("constraints")),
    }
    document.setdefault("usesTaskDependencies", False)
    document.setdefault("allowTaskPreemption", False)
    automatic = body.pool_info.auto_pool_specification
    if automatic is not None:
        document["poolInfo"] = {"autoPoolSpecification": {**write(automatic), "keepAlive": automatic.keep_alive}}
    return document | _own_tasks(body)


def _own_tasks(body: JobSpecification) -> JsonObject:
    tasks: JsonObject = {}
    if body.job_manager_task is not None:
        tasks["jobManagerTask"] = _manager_document(body.job_manager_task, body.constraints.max_task_retry_count)
    if body.job_preparation_task is not None:
        tasks["jobPreparationTask"] = _preparation_document(body.job_preparation_task)
    if body.job_release_task is not None:
        tasks["jobReleaseTask"] = _release_document(body.job_release_task)
    return tasks


def _manager_document(body: JobManagerTask, retries: int) -> JsonObject:
    return {
        "userIdentity": default_user(),
        **write(body),
        "constraints": task_constraints(body.constraints, retries),
        "requiredSlots": body.required_slots,
        "killJobOnCompletion": body.kill_job_on_completion,
        "runExclusive": body.run_exclusive,
        "allowLowPriorityNode": body.allow_low_priority_node,
    }


def _preparation_document(body: JobPreparationTask) -> JsonObject:
    return {
        "userIdentity": default_user(),
        **write(body),
        "id": body.id,
        "constraints": task_constraints(body.constraints, 0),
        "waitForSuccess": body.wait_for_success,
        "rerunOnNodeRebootAfterSuccess": body.rerun_on_node_reboot_after_success,
    }


def _release_document(body: JobReleaseTask) -> JsonObject:
    return {
        "userIdentity": default_user(),
        **write(body),
        "id": body.id,
        "maxWallClockTime": format_duration(body.max_wall_clock_time),
        "retentionTime": format_duration(body.retention_time),
    }


def job_constraints(given: JsonValue) -> JsonObject:
    """Fills in a job's constraints."""
    return {"maxWallClockTime": FOREVER, "maxTaskRetryCount": 0, **(given if isinstance(given, dict) else {})}


def new_job(
    account: str, job_id: str, body: JobSpecification, pool_id: str, now: datetime, schedule: int | None = None
) -> JobRecord:
    """Makes the record of a job.

    Args:
        account: who creates it.
        job_id: its id.
        body: what it does.
        pool_id: the pool it runs on; empty if it has none and so can't run.
        now: the moment of its creation.
        schedule: ``seq`` of the job schedule that makes it.
    """
    return JobRecord(
        seq=0,
        account=account,
        id=job_id,
        body=job_document(body),
        created=now,
        modified=now,
        state=JOB.initial,
        state_changed=now,
        previous_state=None,
        previous_changed=None,
        pool_id=pool_id,
        priority=body.priority,
        preemptable=body.allow_task_preemption is True,
        max_parallel=body.max_parallel_tasks,
        disable_tasks="",
        ended=None,
        terminate_reason=None,
        schedule=schedule,
    )


def new_manager(job: JobRecord, body: JobManagerTask) -> TaskRecord:
    """Makes the record of the manager task of a new job."""
    return TaskRecord(
        seq=0,
        job=job.seq,
        id=body.id,
        body=task_document(body.task, job.body),
        required_slots=body.required_slots,
        affinity=None,
        instances=0,
        created=job.created,
        modified=job.created,
        state=TASK.initial,
        state_changed=job.created,
        manager=True,
    )
