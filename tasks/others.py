"""What a run that goes on has done so far."""

from collections.abc import Callable

from prefect_azure_batch.blocks.azure_storage import AzureStorageCredentials
from prefect_azure_batch.tasks.job import run_of
from prefect_azure_batch.tasks.ledger import Outcome, read_run
from prefect_azure_batch.tasks.run_record import RunRecord, is_there, take_over


def outcomes_so_far(storage: AzureStorageCredentials, record: RunRecord, tell: Callable[[Outcome], object]) -> bool:
    """Reads the ledger of another run. Its job is not looked at: it may be gone when the last task has just ended.

    Args:
        storage: the storage account.
        record: of the run.
        tell: is told how each of its tasks has ended.

    Returns:
        Whether the run goes on: if not, nothing more will come.

    Raises:
        ServiceFailure: Storage refused or failed a request.
    """
    goes_on = _goes_on(storage, record)  # before the ledger, which it writes before it ends
    for outcome in read_run(storage, run_of(record.job)):
        tell(outcome)
    return goes_on


def _goes_on(storage: AzureStorageCredentials, record: RunRecord) -> bool:
    hold = take_over(storage, record, 0)
    if hold is not None:
        hold.release()  # it is dead; a later run takes it up
        return False
    return is_there(storage, record)
