"""Managed identities of nodes: those that the management plane gave a pool reach the linked storage account.

Nobody can be asked for tokens here, so that what an identity reads or writes is signed with the account's key.
"""

from contextlib import suppress
from datetime import timedelta
from functools import cached_property

from localbatch.bodies.commands import IdentityReference, OutputFile, ResourceFile
from localbatch.engine.context import Context
from localbatch.engine.fleet import Node
from localbatch.store.pools import PoolRecord

_LINK_LIFE = timedelta(days=7)
_NONE = "The pool has no such managed identity."


class IdentityError(Exception):
    """A managed identity does not reach what it is to reach; the message is a sentence that says why."""


class PoolIdentities:
    """The identities of a pool.

    Args:
        pool: the pool.
    """

    def __init__(self, pool: PoolRecord) -> None:
        self._pool = pool

    def require(self, reference: IdentityReference) -> None:
        """Makes sure that the pool has an identity.

        Raises:
            IdentityError: it does not.
        """
        if (reference.resource_id or "").lower() not in _identities(self._pool):
            raise IdentityError(_NONE)


class NodeIdentities:
    """The identities of one node.

    Args:
        context: the engine's surroundings.
        node: the node.
    """

    def __init__(self, context: Context, node: Node) -> None:
        self._context, self._node = context, node

    @cached_property
    def _pool(self) -> PoolRecord | None:
        return self._context.store.pools.get(self._node.record.pool)

    def reading(self, file: ResourceFile) -> ResourceFile:
        """Puts links into a resource file, instead of the identity that may read it.

        Raises:
            IdentityError: the node has no such identity, or it has no access.
        """
        if file.identity_reference is None:
            return file
        reference, changes = file.identity_reference, dict[str, str | None](identity_reference=None)
        if file.http_url is not None:
            changes["http_url"] = self._link(reference, file.http_url, "r")
        if file.storage_container_url is not None:
            changes["storage_container_url"] = self._link(reference, file.storage_container_url, "rl")
        return file.model_copy(update=changes)

    def writing(self, output: OutputFile) -> OutputFile:
        """Puts a link that can be followed into an output file, also instead of the identity that may write it.

        Returns:
            One with the identity still in it if that does not reach the container: it is found out at the upload.
        """
        container = output.destination.container
        if container is None:
            return output
        link, reference = self._context.lead_home(container.container_url), container.identity_reference
        if reference is not None:
            with suppress(IdentityError):
                link, reference = self._link(reference, link, "rcwl"), None
        if (link, reference) == (container.container_url, container.identity_reference):
            return output
        reached = container.model_copy(update={"container_url": link, "identity_reference": reference})
        destination = output.destination.model_copy(update={"container": reached})
        return output.model_copy(update={"destination": destination})

    def _link(self, reference: IdentityReference, url: str, permission: str) -> str:
        if self._pool is None:
            raise IdentityError(_NONE)
        PoolIdentities(self._pool).require(reference)
        storage = self._context.storage
        link = storage.sign(url, permission, self._context.clock.now() + _LINK_LIFE) if storage else None
        if link is None:
            raise IdentityError("The managed identity has no access: it reaches the linked storage account alone.")
        return link


def _identities(pool: PoolRecord) -> list[str]:
    """Returns the resource ids of a pool's identities, in small letters."""
    identity = pool.body.get("identity")
    named = identity.get("userAssignedIdentities") if isinstance(identity, dict) else None
    if not isinstance(named, list):
        return []
    return [str(each["resourceId"]).lower() for each in named if isinstance(each, dict)]
