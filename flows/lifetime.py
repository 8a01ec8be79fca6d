"""What a run makes in Azure ends with it, whatever happens."""

from collections.abc import Iterator
from contextlib import contextmanager

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.tasks.cleanup import delete_created, delete_created_task
from prefect_azure_batch.tasks.records import Created


@contextmanager
def deleted_at_the_end(account: AzureBatchAccount, created: Created) -> Iterator[None]:
    """Deletes a run's job, pool and containers when the context is left, also by an error or an interrupt.

    Args:
        account: the Batch account and its storage.
        created: what the run makes inside.
    """
    try:
        yield
    except BaseException:
        delete_created(account, created)  # not as a task: the flow run may be in no state to start one
        raise
    delete_created_task(account, created)
