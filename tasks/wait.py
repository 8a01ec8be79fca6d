"""Stage: wait for tasks. All who wait for one job share one poller."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.tasks.errors import JobEnded
from prefect_azure_batch.tasks.poller import JobPoller
from prefect_azure_batch.tasks.records import AddedTask, EndedTask
from prefect_azure_batch.tasks.stage import stage

DEADLINE = timedelta(hours=24)


@dataclass
class _Shared:
    poller: JobPoller
    users: int = 0


_lock = threading.Lock()
_pollers: dict[tuple[str, str], _Shared] = {}
_abandoned: set[tuple[str, str]] = set()


@contextmanager
def job_poller(
    account: AzureBatchAccount,
    job_id: str,
    pool_id: str,
    deadline: timedelta = DEADLINE,
    instances: int | None = None,
) -> Iterator[JobPoller]:
    """The poller of a job, shared by all in this process who ask for it while it lives.

    Args:
        account: the Batch account.
        job_id: the job.
        pool_id: the job's pool.
        deadline: how long the tasks may take from now on; the first who asks decides.
        instances: nodes that a multi-instance task of the job needs; None if there is none.

    Raises:
        JobEnded: the job was abandoned.
    """
    key = (account.endpoint, job_id)
    with _lock:
        if key in _abandoned:
            raise JobEnded(f"Nobody waits for the tasks of job {job_id!r} any more.")
        shared = _pollers.get(key)
        if shared is None or shared.poller.stopped:
            poller = JobPoller(account.get_client(), job_id, pool_id, deadline, instances)
            shared = _pollers[key] = _Shared(poller)
            poller.start()
        shared.users += 1
    try:
        yield shared.poller
    finally:
        with _lock:
            shared.users -= 1
            last = shared.users == 0
            if last and _pollers.get(key) is shared:
                del _pollers[key]
        if last:
            shared.poller.close()


def abandon_job(account: AzureBatchAccount, job_id: str) -> None:
    """Ends all waiting for a job in this process, also that of threads that would only begin to.

    Args:
        account: the Batch account.
        job_id: the job, which is about to be deleted.
    """
    key = (account.endpoint, job_id)
    with _lock:
        _abandoned.add(key)
        shared = _pollers.get(key)
    if shared is not None:
        shared.poller.close()


def wait_for_tasks(
    account: AzureBatchAccount,
    job_id: str,
    pool_id: str,
    tasks: Sequence[AddedTask],
    deadline: timedelta = DEADLINE,
    instances: int | None = None,
) -> list[EndedTask]:
    """Waits until tasks have ended and says how: a failed task is a result, not an error.

    Args:
        account: the Batch account.
        job_id: the job.
        pool_id: the job's pool, looked at when no task moves.
        tasks: the tasks to wait for.
        deadline: how long they may take from now on.
        instances: nodes that a multi-instance task among them needs at a time; None if there is none.

    Returns:
        One record for each task, in the same order.

    Raises:
        PoolUnusable: no node of the pool can run a task.
        JobEnded: the job ended before the tasks did.
        DeadlineExceeded: the tasks took too long.
        ServiceFailure: Batch refused or failed a request, again and again.
    """
    with job_poller(account, job_id, pool_id, deadline, instances) as poller:
        ends = poller.wait([task.task_id for task in tasks])
    return [EndedTask(**vars(task), end=end) for task, end in zip(tasks, ends, strict=True)]


wait_for_tasks_task = stage(wait_for_tasks, name="Wait for tasks")
