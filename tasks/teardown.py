"""The end of a job with a teardown: it is waited for, and what went wrong is told."""

import logging
from collections.abc import Iterator
from datetime import timedelta

from azure.batch import BatchClient, models
from azure.core.exceptions import ResourceNotFoundError

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.tasks.diagnosis import describe_failure
from prefect_azure_batch.tasks.errors import translated
from prefect_azure_batch.tasks.intervals import growing_pauses
from prefect_azure_batch.tasks.job import cancel_job
from prefect_azure_batch.tasks.logs import with_stderr
from prefect_azure_batch.tasks.node_files import read_stderr
from prefect_azure_batch.tasks.records import JobPlan

_OVER = "RunOver"
_SLACK = timedelta(seconds=30)
_PATIENCE = 5.0
_SHOWN = 3
_SELECT = ["poolId,nodeId,jobReleaseTaskExecutionInfo"]

_logger = logging.getLogger(__name__)


def tear_down(account: AzureBatchAccount, plan: JobPlan) -> None:
    """Ends a job, and waits until its teardown has run on every node that its tasks ran on.

    A teardown that fails or takes too long is told, and is no error. Whoever deletes the pool before that has run has
    it run nowhere.

    Args:
        account: the Batch account.
        plan: the job; it need not be there.

    Raises:
        ServiceFailure: Batch refused or failed a request.
    """
    client = account.get_client()
    with translated(f"wait for the teardown of job {plan.job_id!r}"):
        if not cancel_job(account, plan.job_id, _OVER):
            return
        try:
            if not _is_over(client, plan):
                _logger.warning("The teardown of job %s is not over, and is not waited for any longer.", plan.job_id)
            _tell(list(_failures(client, plan.job_id)))
        except ResourceNotFoundError:
            return  # somebody has deleted the job meanwhile


def _is_over(client: BatchClient, plan: JobPlan) -> bool:
    if _has_ended(client, plan.job_id, _PATIENCE):
        return True
    minutes = plan.teardown_limit / timedelta(minutes=1)
    _logger.warning("Waiting for the teardown of job %s, %g minutes at most.", plan.job_id, minutes)
    return _has_ended(client, plan.job_id, (plan.teardown_limit + _SLACK).total_seconds())


def _has_ended(client: BatchClient, job_id: str, seconds: float) -> bool:
    """Whether a job ends in that time; its release task has run everywhere then."""
    states = (client.get_job(job_id, select=["id,state"]).state for _ in growing_pauses(seconds))
    return any(str.lower(state or "") == "completed" for state in states)


def _failures(client: BatchClient, job_id: str) -> Iterator[str]:
    for status in client.list_job_preparation_and_release_task_status(job_id, select=_SELECT):
        info = status.job_release_task_execution_info
        if info and str.lower(info.result or "") == "failure":
            yield _describe(client, status, info)


def _describe(
    client: BatchClient,
    status: models.BatchJobPreparationAndReleaseTaskStatus,
    info: models.BatchJobReleaseTaskExecutionInfo,
) -> str:
    code = "no exit code" if info.exit_code is None else f"exit code {info.exit_code}"
    message = f"The teardown failed on node {status.node_id} ({code}, {describe_failure(info.failure_info)})"
    directory = info.task_root_directory or ""
    return with_stderr(message, read_stderr(client, status.pool_id or "", status.node_id or "", directory))


def _tell(failures: list[str]) -> None:
    for failure in failures[:_SHOWN]:
        _logger.warning("%s", failure)
    if len(failures) > _SHOWN:
        _logger.warning("The teardown failed on %d more nodes.", len(failures) - _SHOWN)
