"""Links that nodes read and write blobs by: least privilege, alive a little longer than the work they serve."""

from datetime import UTC, datetime, timedelta

from prefect_azure_batch.blocks.azure_storage import AzureStorageCredentials

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


def write_link(storage: AzureStorageCredentials, container: str, life: timedelta) -> str:
    """A link that writes blobs to one container, and can neither read nor list nor delete there."""
    return storage.sign_container(container, permission="cw", expiry=_expiry(life))


def _expiry(life: timedelta) -> datetime:
    return datetime.now(UTC) + life + _SLACK
