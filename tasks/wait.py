"""Stage: wait for tasks. All who wait for one job share one poller."""

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.tasks.errors import JobEnded, StepFailed
from prefect_azure_batch.tasks.poller import Ends, JobPoller
from prefect_azure_batch.tasks.records import AddedTask, EndedTask, Run
from prefect_azure_batch.tasks.stage import stage

_SHOWN_FAILURES = 3


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
    run: Run,
    deadline: timedelta | None = None,
    instances: int | None = None,
    ends: Ends | None = None,
) -> Iterator[JobPoller]:
    """The poller of a run's job, shared by all in this process who ask for it while it lives.

    Args:
        account: the Batch account.
        run: the run.
        deadline: how long the tasks may take from now on, if not as long as the run; the first who asks decides.
        instances: nodes that a multi-instance task of the job needs; None if there is none.
        ends: takes how tasks have ended; not given: the poller keeps it. The first who asks decides.

    Raises:
        JobEnded: the job was abandoned.
    """
    key = (account.endpoint, run.job_id)
    with _lock:
        if key in _abandoned:
            raise JobEnded(f"Nobody waits for the tasks of job {run.job_id!r} any more.")
        shared = _pollers.get(key)
        if shared is None or shared.poller.stopped:
            poller = JobPoller(
                account.get_client(), run.job_id, run.pool_id, deadline or run.time_limit, instances, ends
            )
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


def abandon_job(account: AzureBatchAccount, run: Run) -> None:
    """Ends all waiting for a run's job in this process, also that of threads that would only begin to.

    Args:
        account: the Batch account.
        run: the run, whose job is about to be deleted.
    """
    key = (account.endpoint, run.job_id)
    with _lock:
        _abandoned.add(key)
        shared = _pollers.get(key)
    if shared is not None:
        shared.poller.close()


def wait_for_tasks(
    account: AzureBatchAccount,
    run: Run,
    tasks: Sequence[AddedTask],
    deadline: timedelta | None = None,
    instances: int | None = None,
) -> list[EndedTask]:
    """Waits until tasks have ended and says how: a failed task is a result, not an error.

    Args:
        account: the Batch account.
        run: the run; its pool is looked at when no task moves.
        tasks: the tasks to wait for.
        deadline: how long they may take from now on, if not as long as the run.
        instances: nodes that a multi-instance task among them needs at a time; None if there is none.

    Returns:
        One record for each task, in the same order.

    Raises:
        PoolUnusable: no node of the pool can run a task.
        JobEnded: the job ended before the tasks did.
        DeadlineExceeded: the tasks took too long.
        ServiceFailure: Batch refused or failed a request, again and again.
    """
    with job_poller(account, run, deadline, instances) as poller:
        ends = poller.wait([task.task_id for task in tasks])
    return [EndedTask(**vars(task), end=end) for task, end in zip(tasks, ends, strict=True)]


def require_success(tasks: Iterable[EndedTask]) -> None:
    """Ends a flow whose next step could do nothing without the outputs of tasks that have failed.

    Raises:
        StepFailed: names those tasks, the first few with their reasons.
    """
    failed = [task for task in tasks if not task.end.succeeded]
    if failed:
        reasons = [f"{task.label} ({task.end.failure or 'it never ran'})" for task in failed[:_SHOWN_FAILURES]]
        more = f" and {len(failed) - _SHOWN_FAILURES} more" if len(failed) > _SHOWN_FAILURES else ""
        raise StepFailed(
            f"{len(failed)} tasks failed, and what follows needs their outputs: {', '.join(reasons)}{more}"
        )


wait_for_tasks_task = stage(wait_for_tasks, name="Wait for tasks")
