"""What mounted file systems must look like, beyond the types of their properties: pure.

Source of the limits: "Mount a virtual file system on a Batch pool", Microsoft Learn.
"""

from collections.abc import Sequence
from pathlib import PurePosixPath

from localbatch.bodies.mounts import BlobContainer, MountConfiguration
from localbatch.wire.errors import invalid_property

_MOST = 10


def check_mounts(mounts: Sequence[MountConfiguration]) -> None:
    """Refuses file systems that can't be mounted.

    Raises:
        ServiceError: ``InvalidPropertyValue`` naming the property.
    """
    if len(mounts) > _MOST:
        raise invalid_property("mountConfiguration", len(mounts), f"A pool mounts {_MOST} file systems at most.")
    taken: list[PurePosixPath] = []
    for number, mount in enumerate(mounts):
        name = f"mountConfiguration.{number}"
        given = mount.given()
        if len(given) != 1:
            raise invalid_property(name, len(given), "Exactly one kind of file system must be given.")
        ((kind, mounted),) = given
        path = _check_path(f"{name}.{kind}.relativeMountPath", mounted.relative_mount_path)
        if any(path.is_relative_to(other) or other.is_relative_to(path) for other in taken):
            reason = "Another file system is mounted there."
            raise invalid_property(f"{name}.{kind}.relativeMountPath", mounted.relative_mount_path, reason)
        taken.append(path)
        if isinstance(mounted, BlobContainer):
            _check_credentials(f"{name}.{kind}", mounted)


def _check_path(name: str, text: str) -> PurePosixPath:
    path = PurePosixPath(text)
    if not path.parts or path.is_absolute() or ".." in path.parts:
        raise invalid_property(name, text, "It must be a path below the node's directory of mounts.")
    return path


def _check_credentials(name: str, container: BlobContainer) -> None:
    given = (container.account_key, container.sas_key, container.identity_reference)
    if sum(credential is not None for credential in given) != 1:
        reason = "Exactly one of accountKey, sasKey and identityReference must be given."
        raise invalid_property(name, container.container_name, reason)
