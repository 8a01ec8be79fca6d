"""Stage: delete what a run has made."""

from collections.abc import Callable
from functools import partial

from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.tasks import transfer
from prefect_azure_batch.tasks.errors import BatchFlowError, CleanupFailed, translated
from prefect_azure_batch.tasks.records import Created
from prefect_azure_batch.tasks.stage import stage

_GOING = {"JobBeingDeleted", "PoolBeingDeleted", "ContainerBeingDeleted"}


def delete_created(account: AzureBatchAccount, created: Created) -> None:
    """Deletes a run's job, pool and folders of blobs. What is gone already is fine; one failure does not stop the rest.

    It returns when the service has accepted each deletion, not when the last VM is gone.

    Args:
        account: the Batch account and its storage.
        created: what the run has made.

    Raises:
        CleanupFailed: something could not be deleted; the message names all that is left.
    """
    client = account.get_client()
    steps: list[tuple[str, Callable[[], object]]] = []
    if created.job_id is not None:
        steps.append((f"job {created.job_id!r}", partial(client.begin_delete_job, created.job_id)))
    if created.pool_id is not None:
        steps.append((f"pool {created.pool_id!r}", partial(client.begin_delete_pool, created.pool_id)))
    service = account.storage.get_client()
    steps += [
        (f"what lies below {folder!r} in container {name!r}", partial(transfer.delete_folder, service, name, folder))
        for name, folder in created.folders
    ]
    failures = [(what, error) for what, delete in steps if (error := _delete(what, delete)) is not None]
    if failures:
        left = [what for what, _ in failures]
        reasons = " ".join(str(error) for _, error in failures)
        message = f"Left behind: {', '.join(left)}. {reasons}"
        raise CleanupFailed(message, left, retryable=any(error.retryable for _, error in failures))


def _delete(what: str, delete: Callable[[], object]) -> BatchFlowError | None:
    try:
        with translated(f"delete {what}"):
            try:
                delete()
            except ResourceNotFoundError:
                return None
            except HttpResponseError as error:
                if getattr(error.error, "code", "") not in _GOING:
                    raise
    except BatchFlowError as error:
        return error
    return None


delete_created_task = stage(delete_created, name="Clean up")
