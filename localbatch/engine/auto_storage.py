"""The storage account linked with the Batch account: where application packages lie, and links into it.

Every method that calls the Blob service blocks; from the event loop they are called through a thread.
"""

import hmac
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, unquote

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import (
    BlobSasPermissions,
    BlobServiceClient,
    ContainerSasPermissions,
    LinearRetry,
    generate_blob_sas,
    generate_container_sas,
)

from localbatch.wire.storage_links import lead_home

_CLOCK_TOLERANCE = timedelta(minutes=15)


class AutoStorage:
    """One storage account, reached by its key.

    Args:
        connection_string: connection string with the account's name and key.
    """

    def __init__(self, connection_string: str) -> None:
        settings = dict(part.split("=", 1) for part in connection_string.split(";") if part)
        self.account = settings["AccountName"]
        self._key = settings["AccountKey"]
        # The Blob service is on this machine: it answers at once or not at all.
        retry = LinearRetry(backoff=1, retry_total=3, random_jitter_range=0)
        self._client = BlobServiceClient.from_connection_string(
            connection_string, retry_policy=retry, use_env_settings=False, connection_timeout=2, read_timeout=60
        )

    def ensure_container(self, container: str) -> None:
        """Makes a private container unless it is there."""
        try:
            self._client.create_container(container)
        except ResourceExistsError:
            return

    def exists(self, container: str, blob: str) -> bool:
        """Tells whether a blob is there."""
        return self._client.get_blob_client(container, blob).exists()

    def delete(self, container: str, blob: str) -> None:
        """Removes a blob, if it is there."""
        try:
            self._client.get_blob_client(container, blob).delete_blob(delete_snapshots="include")
        except ResourceNotFoundError:
            return

    def blob_link(self, container: str, blob: str, permission: str, expiry: datetime) -> str:
        """Returns a link to one blob, signed for the permission letters given (such as ``r`` or ``rw``)."""
        signature = generate_blob_sas(
            self.account,
            container,
            blob,
            account_key=self._key,
            permission=BlobSasPermissions.from_string(permission),
            start=datetime.now(UTC) - _CLOCK_TOLERANCE,
            expiry=expiry,
        )
        return f"{self._client.get_blob_client(container, blob).url}?{signature}"

    def container_link(self, container: str, permission: str, expiry: datetime) -> str:
        """Returns a link to a container, signed for the permission letters given (such as ``rl``)."""
        signature = generate_container_sas(
            self.account,
            container,
            account_key=self._key,
            permission=ContainerSasPermissions.from_string(permission),
            start=datetime.now(UTC) - _CLOCK_TOLERANCE,
            expiry=expiry,
        )
        return f"{self._client.url.rstrip('/')}/{quote(container)}?{signature}"

    def container_address(self, container: str, signature: str) -> str:
        """Returns the link to a container with a signature that somebody else has made."""
        return f"{self._client.url.rstrip('/')}/{quote(container)}?{signature.lstrip('?')}"

    def has_key(self, key: str) -> bool:
        """Tells whether this is the account's key."""
        return hmac.compare_digest(key.encode(), self._key.encode())

    def lead_home(self, link: str) -> str:
        """Leads a link to this account's name on Azure to where its blobs are; others are left alone."""
        return lead_home(link, self.account, self._client.url.rstrip("/"))

    def sign(self, url: str, permission: str, expiry: datetime) -> str | None:
        """Returns a signed link to a container or blob of this account.

        Args:
            url: its plain address.
            permission: letters such as ``rl`` or ``r``.
            expiry: when the link ends.

        Returns:
            None if the address is not one of this account.
        """
        base = f"{self._client.url.rstrip('/')}/"
        container, _, blob = unquote(url.removeprefix(base)).partition("/")
        if not url.startswith(base) or not container or "?" in url:
            return None
        if blob:
            return self.blob_link(container, blob, permission, expiry)
        return self.container_link(container, permission, expiry)

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()
