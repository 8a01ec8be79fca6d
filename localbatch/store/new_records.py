"""The first records of what is created: pure functions from bodies that were checked to rows of the store."""

from datetime import datetime

from localbatch.bodies.jobs import JobManagerTask, JobSpecification
from localbatch.bodies.models import PoolBody
from localbatch.rules.states import JOB, POOL, TASK
from localbatch.store.documents import pool_document, task_document
from localbatch.store.job_documents import job_document
from localbatch.store.records import JobRecord, PoolRecord, TaskRecord


def new_pool(account: str, account_url: str, body: PoolBody, now: datetime) -> PoolRecord:
    """Makes the record of a pool that is about to get its nodes.

    Args:
        account: who creates it.
        account_url: how the client that creates it reaches the service.
        body: the pool.
        now: the moment of its creation.
    """
    return PoolRecord(
        seq=0,
        account=account,
        id=body.id,
        account_url=account_url,
        body=pool_document(body),
        created=now,
        modified=now,
        state=POOL.initial,
        state_changed=now,
        allocation="steady" if body.enable_auto_scale else "resizing",
        allocation_changed=now,
        target_dedicated=body.target_dedicated_nodes,
        target_spot=body.target_low_priority_nodes,
        deallocation="requeue",
        resize_seconds=body.resize_timeout.total_seconds(),
        resize_errors=[],
        nodes_made=0,
        formula=body.auto_scale_formula if body.enable_auto_scale else None,
        evaluation_seconds=body.auto_scale_evaluation_interval.total_seconds(),
    )


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
