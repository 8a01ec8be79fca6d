"""Stage: what earlier runs of a work, and runs that still go on, have done or are doing to the inputs of this one."""

import logging
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from azure.batch import BatchClient, models
from azure.core.exceptions import ResourceNotFoundError

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.blocks.azure_storage import AzureStorageCredentials
from prefect_azure_batch.blocks.bulk_blobs import ListedBlob
from prefect_azure_batch.tasks import transfer
from prefect_azure_batch.tasks.command import INDEX_VARIABLE
from prefect_azure_batch.tasks.errors import translated
from prefect_azure_batch.tasks.job import run_of
from prefect_azure_batch.tasks.ledger import Outcome, read_successes
from prefect_azure_batch.tasks.manifest import OURS, Manifest
from prefect_azure_batch.tasks.output_files import blobs_of_tasks
from prefect_azure_batch.tasks.records import Run
from prefect_azure_batch.tasks.run_record import RunRecord, list_runs
from prefect_azure_batch.tasks.stage import stage

_SELECT = ["id,state,executionInfo,environmentSettings"]

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FoundRun:
    """A run that lives, or has died without an end.

    Attributes:
        number: names it in the manifest.
        tasks: how many inputs of the manifest it has done or is doing.
    """

    record: RunRecord
    number: int
    tasks: int

    @property
    def run(self) -> Run:
        """For the stages that wait for the tasks and collect their outputs."""
        return run_of(self.record.job)


def find_earlier(
    account: AzureBatchAccount, work: str, manifest: Manifest, succeed_on: Collection[int] = ()
) -> tuple[FoundRun, ...]:
    """Notes in a manifest what is known of its tasks: in the ledgers of the work, and in the jobs of its runs.

    Args:
        account: the Batch account and its storage.
        work: the work's id.
        manifest: the tasks to look for.
        succeed_on: exit codes that count as success, besides 0; what was one for an earlier run may be none now.

    Returns:
        The runs that have not ended.

    Raises:
        BadInput: a ledger has a format that this version does not know.
        ServiceFailure: Azure refused or failed a request.
    """
    container = account.storage.work_container
    # What a run on another account does is known to that account alone.
    records = [record for record in list_runs(account.storage, container, work) if record.is_of(account)]
    # After the records: a run writes its ledger before its record goes.
    find_done(account, work, manifest, succeed_on)
    found = []
    for number, record in enumerate(records):
        with translated(f"look at the tasks of job {record.job.job_id!r}"):
            tasks = _tasks(account.get_client(), record) if manifest.count(OURS) else ()
            found.append(FoundRun(record, number, manifest.mark_found(number, tasks)))
    return tuple(found)


def find_done(account: AzureBatchAccount, work: str, manifest: Manifest, succeed_on: Collection[int] = ()) -> None:
    """Notes in a manifest which of its tasks have succeeded, as the ledgers of the work say.

    Args:
        account: the Batch account and its storage.
        work: the work's id.
        manifest: the tasks to look for.
        succeed_on: exit codes that count as success, besides 0.

    Raises:
        BadInput: a ledger has a format that this version does not know.
        ServiceFailure: Storage refused or failed a request.
    """
    successes = read_successes(account.storage, account.storage.work_container, work)
    manifest.mark_done(done for done in successes if done.exit_code in {0, *succeed_on})
    _forget_lost(account.storage, manifest)


def _forget_lost(storage: AzureStorageCredentials, manifest: Manifest) -> None:
    """Has inputs done again whose files somebody has deleted from storage, or changed."""
    number = 0
    with translated("look for what earlier runs have left"):
        for outcomes in manifest.done():
            lost = _lost(storage, outcomes)
            manifest.mark_lost(lost)
            number += len(lost)
    if number:
        _logger.warning(
            "Of %d inputs that were done, files are gone from storage, or others: they are done again.", number
        )


def _lost(storage: AzureStorageCredentials, outcomes: Sequence[Outcome]) -> list[str]:
    """Ids of tasks whose files are not in storage as the ledger says."""
    folders: dict[tuple[str, str], set[str]] = {}
    for outcome in outcomes:
        folders.setdefault((outcome.container, outcome.folder.rpartition("/")[0]), set()).add(outcome.folder)
    there: dict[tuple[str, str], ListedBlob] = {}
    for (container, _), of_run in folders.items():
        there |= {(container, blob.name): blob for blob in blobs_of_tasks(storage.get_bulk(), container, of_run)}

    def is_whole(outcome: Outcome) -> bool:
        found = [(there.get((outcome.container, f"{outcome.folder}/{file.name}")), file) for file in outcome.files]
        return all(blob is not None and transfer.is_kept(blob.size, blob.md5, file) for blob, file in found)

    return [outcome.task_id for outcome in outcomes if not is_whole(outcome)]


def _tasks(client: BatchClient, record: RunRecord) -> Iterator[tuple[str, int]]:
    """Tasks of a run that need not be run again, and their places among its inputs."""
    job_id = run_of(record.job).job_id
    try:
        job = client.get_job(job_id, select=["id,state"])
        goes_on = str.lower(job.state or "") in ("active", "enabling")
        for task in client.list_tasks(job_id, select=_SELECT):
            if _has_succeeded(task) or (goes_on and task.state != "completed"):
                yield task.id or "", _index(task)
    except ResourceNotFoundError:
        return  # its job is not there yet, or not any more


def _has_succeeded(task: models.BatchTask) -> bool:
    info = task.execution_info
    return task.state == "completed" and info is not None and str.lower(info.result or "") == "success"


def _index(task: models.BatchTask) -> int:
    """Place among the inputs of the run that has added the task; its folder is named after it."""
    settings = {setting.name: setting.value for setting in task.environment_settings or []}
    return int(settings.get(INDEX_VARIABLE) or 0)


find_earlier_task = stage(find_earlier, name="Find what is done")
