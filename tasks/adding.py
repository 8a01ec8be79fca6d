"""Adding tasks to a job: up to 100 in a request, each answer looked at."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from azure.batch import BatchClient, models
from azure.core.exceptions import HttpResponseError

from prefect_azure_batch.tasks import transfer
from prefect_azure_batch.tasks.errors import ServiceFailure
from prefect_azure_batch.tasks.intervals import growing_pauses

MAX_TASKS_PER_REQUEST = 100
LARGEST_REQUEST = 1 << 20
"""Bytes of a request that adds tasks, beyond which it is refused as too large."""

_PATIENCE = 60.0
_REQUESTS = 4


@cache
def _threads() -> ThreadPoolExecutor:
    """For all jobs together, so that they do not have Batch throttle them."""
    return ThreadPoolExecutor(_REQUESTS, thread_name_prefix="adding")


def add_all(client: BatchClient, job_id: str, options: Iterable[models.BatchTaskCreateOptions]) -> None:
    """Adds tasks to a job; those that are there already with the same command line are taken for added.

    Args:
        client: the Batch client.
        job_id: the job.
        options: the tasks; the first ones are sent while others are still made.

    Raises:
        ServiceFailure: the service refused a task, or failed again and again.
        HttpResponseError: it refused a whole request.
    """
    # Not BatchClient.create_tasks: it repeats a failing request for ever and takes some refused tasks for added ones.
    failed = list[models.BatchTaskCreateOptions]()
    for _ in growing_pauses(_PATIENCE):
        failed = _add_once(client, job_id, failed or options)
        if not failed:
            return
    message = f"Could not add {len(failed)} tasks to job {job_id!r}: the service failed."
    raise ServiceFailure(message, retryable=True)


def _add_once(
    client: BatchClient, job_id: str, options: Iterable[models.BatchTaskCreateOptions]
) -> list[models.BatchTaskCreateOptions]:
    """Adds tasks, several requests at a time; returns those the service failed to add."""
    groups = transfer.some_at_a_time(options, MAX_TASKS_PER_REQUEST)
    futures = [_threads().submit(_add_group, client, job_id, group) for group in groups]
    try:
        return [refused for future in futures for refused in future.result()]
    finally:
        for future in futures:
            future.cancel()


def _add_group(
    client: BatchClient, job_id: str, group: list[models.BatchTaskCreateOptions]
) -> list[models.BatchTaskCreateOptions]:
    """Adds up to 100 tasks, by halves where the request is too large; returns those the service failed to add."""
    try:
        answer = client.create_task_collection(job_id, models.BatchTaskGroup(task_values=group))
    except HttpResponseError as error:
        if error.status_code != 413 or len(group) == 1:
            raise
        middle = len(group) // 2
        return _add_group(client, job_id, group[:middle]) + _add_group(client, job_id, group[middle:])
    failed = {result.task_id for result in answer.result_values or [] if _failed(client, job_id, result, group)}
    return [options for options in group if options.id in failed]


def _failed(
    client: BatchClient,
    job_id: str,
    result: models.BatchTaskCreateResult,
    group: list[models.BatchTaskCreateOptions],
) -> bool:
    status = str.lower(result.status)  # the service's casing is not the SDK's
    if status == "success":
        return False
    if status == "servererror":
        return True
    code = result.error.code if result.error else ""
    if code == "TaskExists":
        wanted = next(options for options in group if options.id == result.task_id)
        if client.get_task(job_id, result.task_id, select=["id,commandLine"]).command_line == wanted.command_line:
            return False
    message = result.error.message.value if result.error and result.error.message else "no reason given"
    raise ServiceFailure(f"Batch refused task {result.task_id!r} of job {job_id!r}: {code}: {message}", code=code or "")
