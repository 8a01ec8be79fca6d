"""Stage: wait for what another run of the same work does, which is somebody else's to keep."""

from collections.abc import Sequence
from datetime import timedelta

from prefect_azure_batch.blocks.azure_storage import AzureStorageCredentials
from prefect_azure_batch.tasks.intervals import growing_pauses
from prefect_azure_batch.tasks.job import run_of
from prefect_azure_batch.tasks.ledger import Outcome, read_run
from prefect_azure_batch.tasks.records import AddedTask
from prefect_azure_batch.tasks.run_record import RunRecord, is_there, take_over
from prefect_azure_batch.tasks.stage import stage


def wait_for_other_run(
    storage: AzureStorageCredentials, record: RunRecord, tasks: Sequence[AddedTask], deadline: timedelta
) -> list[Outcome]:
    """Waits until another run has written the ends of tasks into its ledger.

    Its job is not looked at: it may be gone in the moment in which the last task has ended.

    Args:
        storage: the storage account.
        record: of the run.
        tasks: the tasks.
        deadline: how long to wait.

    Returns:
        How they ended, as far as the run has come: those are missing that it had not done when it ended or died.

    Raises:
        ServiceFailure: Storage refused or failed a request.
    """
    run, known = run_of(record.job), dict[str, Outcome]()
    for _ in growing_pauses(deadline.total_seconds()):
        goes_on = _goes_on(storage, record)  # before the ledger, which it writes before it ends
        known = read_run(storage, run)
        if not goes_on or all(task.task_id in known for task in tasks):
            break
    return [known[task.task_id] for task in tasks if task.task_id in known]


def _goes_on(storage: AzureStorageCredentials, record: RunRecord) -> bool:
    hold = take_over(storage, record, 0)
    if hold is not None:
        hold.release()  # it is dead; a later run takes it up
        return False
    return is_there(storage, record)


wait_for_other_run_task = stage(wait_for_other_run, name="Wait for another run")
