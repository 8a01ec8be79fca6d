"""Links of a pool's start task, made anew for a run that goes on with the pool of one that has died.

Nodes that join late, or begin again, fetch the files of the start task then; the links were made for the run before.
"""

from datetime import timedelta
from urllib.parse import unquote

from azure.batch import models

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.tasks.access import StorageAccess
from prefect_azure_batch.tasks.errors import translated


def renew_start_task(account: AzureBatchAccount, pool_id: str, time_limit: timedelta) -> None:
    """Gives a pool's start task links that last; files read by an identity, or from elsewhere, need none.

    Args:
        account: the Batch account and its storage.
        pool_id: the pool.
        time_limit: how long the run may take that goes on with it.

    Raises:
        ServiceFailure: Batch or Storage refused or failed a request.
    """
    client, access = account.get_client(), StorageAccess.lasting(account.storage, None, time_limit)
    with translated(f"renew the links of the start task of pool {pool_id!r}"):
        task = client.get_pool(pool_id, select=["id,startTask"]).start_task
        if task is None or not any(_is_ours(access, file) for file in task.resource_files or []):
            return
        task.resource_files = [
            _renewed(access, file) if _is_ours(access, file) else file for file in task.resource_files or []
        ]
        client.update_pool(pool_id, models.BatchPoolUpdateOptions(start_task=task))


def _is_ours(access: StorageAccess, file: models.ResourceFile) -> bool:
    begins_so = (file.http_url or "").startswith(f"{access.storage.blob_endpoint}/")
    return begins_so and file.identity_reference is None


def _renewed(access: StorageAccess, file: models.ResourceFile) -> models.ResourceFile:
    address = (file.http_url or "").partition("?")[0].removeprefix(f"{access.storage.blob_endpoint}/")
    container, _, blob = unquote(address).partition("/")
    return access.resource_file(container, blob, file.file_path or "")
