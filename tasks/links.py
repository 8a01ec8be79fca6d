"""Links that nodes read and write blobs by: least privilege, alive a little longer than the work they serve."""

from datetime import UTC, datetime, timedelta

from prefect_azure_batch.blocks.azure_storage import AzureStorageCredentials
from prefect_azure_batch.tasks.records import StoredInput

_SLACK = timedelta(hours=1)


def read_link(storage: AzureStorageCredentials, container: str, blob: str, life: timedelta) -> str:
    """A link that reads one blob.

    Args:
        storage: the storage account.
        container: the blob's container.
        blob: the blob.
        life: how long the work that reads it may take.
    """
    return storage.sign_blob(container, blob, permission="r", expiry=_expiry(life))


def input_link(storage: AzureStorageCredentials, item: StoredInput, life: timedelta) -> str:
    """A link that reads an input; that of an input which is a link is passed on as it is."""
    return item.url or read_link(storage, item.container, item.blob, life)


def write_link(storage: AzureStorageCredentials, container: str, life: timedelta) -> str:
    """A link that writes blobs to one container, and can neither read nor list nor delete there."""
    return storage.sign_container(container, permission="cw", expiry=_expiry(life))


def _expiry(life: timedelta) -> datetime:
    return datetime.now(UTC) + life + _SLACK
