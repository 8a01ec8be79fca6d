"""File systems that a pool mounts on its nodes, as request bodies have them.

Source: the docstrings of ``azure.batch.models``, API version 2025-06-01.
"""

from localbatch.bodies.body import Body
from localbatch.bodies.commands import IdentityReference


class Mounted(Body):
    """What all kinds have in common: where it is mounted, relative to the node's directory of mounts."""

    relative_mount_path: str


class BlobContainer(Mounted):
    """A container of blobs, mounted by blobfuse."""

    account_name: str
    container_name: str
    account_key: str | None = None
    sas_key: str | None = None
    identity_reference: IdentityReference | None = None


class MountConfiguration(Body):
    """One file system, of one of four kinds."""

    azure_blob_file_system_configuration: BlobContainer | None = None
    nfs_mount_configuration: Mounted | None = None
    cifs_mount_configuration: Mounted | None = None
    azure_file_share_configuration: Mounted | None = None

    def given(self) -> list[tuple[str, Mounted]]:
        """The kinds that are given, by the names of their properties; it should be one."""
        kinds = (
            ("azureBlobFileSystemConfiguration", self.azure_blob_file_system_configuration),
            ("nfsMountConfiguration", self.nfs_mount_configuration),
            ("cifsMountConfiguration", self.cifs_mount_configuration),
            ("azureFileShareConfiguration", self.azure_file_share_configuration),
        )
        return [(name, mounted) for name, mounted in kinds if mounted is not None]
