"""The first records of what is created: pure functions from bodies that were checked to rows of the store."""

from datetime import datetime

from localbatch.documents import job_document, pool_document
from localbatch.job_models import JobSpecification
from localbatch.models import PoolBody
from localbatch.records import JobRecord, PoolRecord
from localbatch.states import JOB, POOL


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
        allocation="resizing",
        allocation_changed=now,
        target_dedicated=body.target_dedicated_nodes,
        target_spot=body.target_low_priority_nodes,
        deallocation="requeue",
        resize_seconds=body.resize_timeout.total_seconds(),
        resize_errors=[],
        nodes_made=0,
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
        max_parallel=body.max_parallel_tasks,
        disable_tasks="",
        ended=None,
        terminate_reason=None,
        schedule=schedule,
    )
