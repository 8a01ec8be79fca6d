"""What is mounted on a node, as its pool asks for it: containers of the linked storage account are, other kinds not."""

from datetime import timedelta

from localbatch.bodies.mounts import BlobContainer, MountConfiguration
from localbatch.driver.failures import CommandFailed, mount_failure
from localbatch.driver.interface import Mount
from localbatch.engine.context import Context
from localbatch.engine.identities import IdentityError, PoolIdentities
from localbatch.store.pools import PoolRecord

# As long as a node may live.
_LINK_LIFE = timedelta(days=3650)
_NOT_HERE = (
    "The local Batch service mounts containers of its own storage account alone; with --mounts echo there is an empty "
    "directory instead"
)


def mounts_of(context: Context, pool: PoolRecord) -> tuple[Mount, ...]:
    """Returns what the nodes of a pool mount.

    Raises:
        CommandFailed: something can't be mounted here.
    """
    given = pool.body.get("mountConfiguration")
    configurations = [MountConfiguration.model_validate(each) for each in given] if isinstance(given, list) else []
    return tuple(_mount(context, pool, configuration) for configuration in configurations)


def _mount(context: Context, pool: PoolRecord, configuration: MountConfiguration) -> Mount:
    ((_, mounted),) = configuration.given()
    storage = context.storage
    if isinstance(mounted, BlobContainer) and storage and mounted.account_name.lower() == storage.account.lower():
        return Mount(mounted.relative_mount_path, _link(context, pool, mounted))
    if context.echoes_mounts:
        return Mount(mounted.relative_mount_path, None)
    raise CommandFailed(mount_failure(mounted.relative_mount_path, _NOT_HERE))


def _link(context: Context, pool: PoolRecord, mounted: BlobContainer) -> str:
    storage = context.storage
    assert storage is not None
    if mounted.sas_key is not None:
        return storage.container_address(mounted.container_name, mounted.sas_key)
    if mounted.account_key is not None and not storage.has_key(mounted.account_key):
        raise CommandFailed(mount_failure(mounted.relative_mount_path, "The account key is not that of the account"))
    if mounted.identity_reference is not None:
        try:
            PoolIdentities(pool).require(mounted.identity_reference)
        except IdentityError as error:
            raise CommandFailed(mount_failure(mounted.relative_mount_path, str(error))) from error
    return storage.container_link(mounted.container_name, "racwdl", context.clock.now() + _LINK_LIFE)
