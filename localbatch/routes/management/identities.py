"""Managed identities of accounts and pools.

None exists behind them here: what Azure would look up is made from the name.
"""

import re
import uuid
from typing import Any

from localbatch.routes.management.answers import invalid_value
from localbatch.routes.management.call import ArmBody
from localbatch.wire.formats import JsonObject
from localbatch.wire.tokens import TENANT

SYSTEM, USER, NONE = "SystemAssigned", "UserAssigned", "None"
_RESOURCE = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.ManagedIdentity/userAssignedIdentities/[^/]+",
    re.IGNORECASE,
)


class Identity(ArmBody):
    """The identity of an account or pool; user-assigned ones by their resource id."""

    type: str
    user_assigned_identities: dict[str, dict[str, Any]] | None = None


def check_identity(identity: Identity, kinds: tuple[str, ...]) -> Identity:
    """Refuses an identity that can't be.

    Args:
        identity: as the client gave it.
        kinds: the types it may have.

    Raises:
        ManagementError: ``InvalidPropertyValue``.
    """
    if identity.type not in kinds:
        raise invalid_value("identity.type", identity.type, f"It must be one of {', '.join(kinds)}.")
    named = identity.user_assigned_identities or {}
    if bool(named) != (identity.type == USER):
        reason = f"User-assigned identities go with the type {USER}, and it with them."
        raise invalid_value("identity.userAssignedIdentities", len(named), reason)
    for resource in named:
        if not _RESOURCE.fullmatch(resource):
            reason = "It must be the resource id of a user-assigned managed identity."
            raise invalid_value("identity.userAssignedIdentities", resource, reason)
    return identity


def identity_document(identity: Identity, owner: str) -> JsonObject:
    """Makes what is remembered and shown of an identity.

    Args:
        identity: as the client gave it.
        owner: what a system-assigned identity belongs to.
    """
    document: JsonObject = {"type": identity.type}
    if identity.type == SYSTEM:
        document |= {"principalId": _make_id(owner, "principal"), "tenantId": TENANT}
    if identity.user_assigned_identities:
        document["userAssignedIdentities"] = {
            resource: {"principalId": _make_id(resource, "principal"), "clientId": _make_id(resource, "client")}
            for resource in identity.user_assigned_identities
        }
    return document


def _make_id(name: str, kind: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{name.lower()}#{kind}"))
