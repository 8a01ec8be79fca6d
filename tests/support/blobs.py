"""Containers of an Azurite of one's own, with links into them."""

import base64
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from azure.storage.blob import (
    BlobServiceClient,
    ContainerClient,
    ContainerSasPermissions,
    generate_container_sas,
)

from localbatch.host.azurite import Azurite, StorageOptions


@dataclass(frozen=True)
class Blobs:
    """A storage account."""

    service: BlobServiceClient
    key: str

    def container(self, name: str) -> ContainerClient:
        """Makes a container."""
        return self.service.create_container(name)

    def link(self, container: str, permission: str, *, hours: float = 1) -> str:
        """Returns a link to a container, signed for the letters given; a negative life has expired."""
        now = datetime.now(UTC)
        signature = generate_container_sas(
            str(self.service.account_name),
            container,
            account_key=self.key,
            permission=ContainerSasPermissions.from_string(permission),
            start=now - timedelta(hours=2),
            expiry=now + timedelta(hours=hours),
        )
        return f"{self.service.url.rstrip('/')}/{container}?{signature}"

    def names(self, container: str) -> list[str]:
        """Returns the names of all blobs of a container."""
        return list(self.service.get_container_client(container).list_blob_names())

    def read(self, container: str, name: str) -> bytes:
        """Returns the body of a blob."""
        return self.service.get_blob_client(container, name).download_blob().readall()


@contextmanager
def local_blobs() -> Iterator[Blobs]:
    """A storage account in memory, as long as the context."""
    key = base64.b64encode(os.urandom(64)).decode()
    with (
        Azurite(StorageOptions(account="nodestorage", key=key)) as azurite,
        BlobServiceClient.from_connection_string(azurite.connection_string, use_env_settings=False) as service,
    ):
        yield Blobs(service, key)
