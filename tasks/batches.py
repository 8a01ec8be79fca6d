"""Stages for the inputs of a manifest, a batch at a time: each does what the stage of the same name does to a list."""

import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.blocks.azure_storage import AzureStorageCredentials
from prefect_azure_batch.tasks import transfer
from prefect_azure_batch.tasks.collect import collect_outputs, restore_outputs
from prefect_azure_batch.tasks.errors import BatchFlowError, ServiceFailure, translated
from prefect_azure_batch.tasks.intervals import growing_pauses
from prefect_azure_batch.tasks.job import ENDED
from prefect_azure_batch.tasks.ledger import Outcome
from prefect_azure_batch.tasks.manifest import AT_ONCE, Batch, Manifest
from prefect_azure_batch.tasks.others import outcomes_so_far
from prefect_azure_batch.tasks.poller import JobPoller
from prefect_azure_batch.tasks.records import Collected, EndedTask, Place, Run, TaskPlan
from prefect_azure_batch.tasks.run_record import RunRecord
from prefect_azure_batch.tasks.stage import stage
from prefect_azure_batch.tasks.submit import add_tasks
from prefect_azure_batch.tasks.upload import stored_input, upload_inputs
from prefect_azure_batch.tasks.wait import job_poller

MANIFEST_NAME = "manifest.jsonl"

FEW_BATCHES, MOST_BATCHES = 10, 50
_LARGE_BATCH = 500

_PATIENCE, _LONGEST_PATIENCE = 15.0, 240.0
# So many batches at a time: the first one's tasks run while the last ones wait for their turn, and what is in memory
# does not grow with the number of batches.
_UPLOADS, _ADDITIONS, _COLLECTIONS = threading.Semaphore(2), threading.Semaphore(4), threading.Semaphore(4)

ReportEnded = Callable[[Sequence[tuple[int, EndedTask, Collected]]], None]
"""Takes how inputs fared that this run has done, and their files; with the inputs' numbers."""
ReportRestored = Callable[[Sequence[tuple[int, str, Outcome, Collected]]], None]
"""Takes how inputs fared that other runs have done, and their files; with the inputs' numbers and labels."""


def batch_size(inputs: int) -> int:
    """How many of so many inputs go through the stages together, unless it is asked otherwise.

    Each batch is a task run of every stage, which costs Prefect and its server 50 ms of CPU, as much as several tasks:
    there are few batches while none of them is so large that the first tasks would wait for it.
    """
    in_few = min(-(-inputs // FEW_BATCHES), _LARGE_BATCH)
    return max(1, in_few, -(-inputs // MOST_BATCHES))


def keep_manifest(storage: AzureStorageCredentials, run: Run, manifest: Manifest) -> None:
    """Stores the manifest with the run, a line of JSON for each input.

    Raises:
        ServiceFailure: Storage refused or failed a request.
    """
    with translated(f"store the manifest of run {run.run_id!r}"):
        name = f"{run.folder}/{MANIFEST_NAME}"
        transfer.write_blob(storage.get_client(), run.container, name, manifest.json_lines())


def upload_batch(storage: AzureStorageCredentials, manifest: Manifest, batch: Batch) -> Batch:
    """Uploads the inputs of a batch.

    Raises:
        ServiceFailure: Storage refused or failed a request, or a file has changed since it was looked at.
    """
    with _UPLOADS:
        for items in manifest.files(batch):
            upload_inputs(storage, items)
    return batch


def add_batch(account: AzureBatchAccount, run: Run, manifest: Manifest, batch: Batch, plan: TaskPlan) -> Batch:
    """Adds a task for each input of a batch.

    Raises:
        ServiceFailure: Batch refused or failed a request, or refused a task.
        JobEnded: the job has ended; the message says why.
    """
    try:
        with _ADDITIONS:
            for items in manifest.items(batch):
                add_tasks(account, run, [stored_input(item) for item in items], plan)
    except ServiceFailure as failure:
        if failure.code in ENDED:
            with job_poller(account, run, ends=manifest.ends_of(batch.source)) as poller:
                poller.wait_until(lambda: False)  # it finds out why the job has ended, and raises that
        raise
    return batch


def wait_for_batch(account: AzureBatchAccount, run: Run, manifest: Manifest, batch: Batch) -> Batch:
    """Waits until tasks of a batch have ended: all of them, many, or some for a while.

    Raises:
        PoolUnusable: no node of the pool can run a task.
        JobEnded: the job ended before any of the tasks did.
        DeadlineExceeded: the tasks took too long.
        ServiceFailure: Batch refused or failed a request, again and again.
    """
    with job_poller(account, run, ends=manifest.ends_of(batch.source)) as poller:
        _await_some(poller, manifest, batch, _PATIENCE)
    return batch


def collect_batch(
    account: AzureBatchAccount, run: Run, manifest: Manifest, batch: Batch, results: Path | Place, report: ReportEnded
) -> None:
    """Collects logs and outputs of a batch's tasks, those that have ended first; waits for the others meanwhile.

    Raises:
        BatchFlowError: as ``wait_for_batch`` and ``collect_outputs`` do; what had ended before is collected.
    """
    patience = _PATIENCE
    while True:
        with _COLLECTIONS:
            for pairs in manifest.ended(batch, run):
                collected = collect_outputs(account.storage, run, [task for _, task in pairs], results)
                report([(number, task, files) for (number, task), files in zip(pairs, collected, strict=True)])
                manifest.report(batch, [number for number, _ in pairs])
        if not manifest.waiting(batch) and not manifest.ready(batch):
            return
        patience = min(2 * patience, _LONGEST_PATIENCE)
        with job_poller(account, run, ends=manifest.ends_of(batch.source)) as poller:
            _await_some(poller, manifest, batch, patience)


def _await_some(poller: JobPoller, manifest: Manifest, batch: Batch, patience: float) -> None:
    def are_many() -> bool:
        return not manifest.waiting(batch) or manifest.ready(batch) >= AT_ONCE

    try:
        poller.wait_until(are_many, patience)
        poller.wait_until(lambda: are_many() or manifest.ready(batch) > 0)
    except BatchFlowError:
        if not manifest.ready(batch):
            raise


def wait_for_other_batch(
    storage: AzureStorageCredentials, record: RunRecord, manifest: Manifest, batch: Batch, deadline: timedelta
) -> Batch:
    """Waits until another run has written the ends of a batch's tasks into its ledger, or has ended or died.

    Args:
        storage: the storage account.
        record: of the run.
        manifest: of this run.
        batch: what the other one is doing.
        deadline: how long to wait.

    Raises:
        ServiceFailure: Storage refused or failed a request.
    """
    for _ in growing_pauses(deadline.total_seconds()):
        goes_on = outcomes_so_far(storage, record, manifest.mark_outcome)
        if not goes_on or not manifest.waiting(batch):
            break
    return batch


def restore_batch(
    storage: AzureStorageCredentials, manifest: Manifest, batch: Batch, results: Path | Place, report: ReportRestored
) -> None:
    """Restores what other runs have left of a batch's tasks; what is here with the same content is left alone.

    Raises:
        ServiceFailure: Storage refused or failed a request, or has not what the ledger says.
        ResultsUnwritable: a file cannot be written here.
    """
    with _COLLECTIONS:
        for known in manifest.outcomes(batch):
            collected = restore_outputs(storage, [outcome for _, _, outcome in known], results)
            report([(*each, files) for each, files in zip(known, collected, strict=True)])
            manifest.report(batch, [number for number, _, _ in known])


keep_manifest_task = stage(keep_manifest, name="Keep manifest")
upload_batch_task = stage(upload_batch, name="Upload inputs")
add_batch_task = stage(add_batch, name="Add tasks")
wait_for_batch_task = stage(wait_for_batch, name="Wait for tasks")
collect_batch_task = stage(collect_batch, name="Collect outputs")
wait_for_other_batch_task = stage(wait_for_other_batch, name="Wait for another run")
restore_batch_task = stage(restore_batch, name="Restore outputs")
