"""What clients can say of a Batch account, and what of it is refused because it is not emulated.

Source: the models of ``azure.mgmt.batch``, API version 2025-06-01.
"""

from typing import Any

from localbatch.routes.management.answers import invalid_value, not_emulated
from localbatch.routes.management.call import ArmBody, ArmResource
from localbatch.routes.management.identities import NONE, SYSTEM, USER, Identity, check_identity, identity_document
from localbatch.service.accounts import AAD, SHARED_KEY
from localbatch.wire.formats import JsonObject

_MODES = (SHARED_KEY, AAD, "TaskAuthenticationToken")
_ONLY = {
    "poolAllocationMode": "BatchService",
    "publicNetworkAccess": "Enabled",
    "encryption.keySource": "Microsoft.Batch",
    "autoStorage.authenticationMode": "StorageKeys",
    "networkProfile.accountAccess.defaultAction": "Allow",
    "networkProfile.nodeManagementAccess.defaultAction": "Allow",
}
"""Properties of which only one value is emulated."""


class AutoStorageSettings(ArmBody):
    """The storage account that is linked."""

    storage_account_id: str
    authentication_mode: str | None = None
    node_identity_reference: dict[str, Any] | None = None
    last_key_sync: str | None = None


class _KeySource(ArmBody):
    key_source: str | None = None
    key_vault_properties: dict[str, Any] | None = None


class _Access(ArmBody):
    default_action: str
    ip_rules: list[dict[str, Any]] | None = None


class _NetworkProfile(ArmBody):
    account_access: _Access | None = None
    node_management_access: _Access | None = None


class AccountProperties(ArmBody):
    """Properties of an account that can be set when it is created, and most of them later too."""

    auto_storage: AutoStorageSettings | None = None
    pool_allocation_mode: str | None = None
    key_vault_reference: dict[str, Any] | None = None
    public_network_access: str | None = None
    network_profile: _NetworkProfile | None = None
    encryption: _KeySource | None = None
    allowed_authentication_modes: list[str] | None = None


class AccountUpdate(ArmResource):
    """What a PATCH changes; what is left out stays as it is."""

    tags: dict[str, str] | None = None
    properties: AccountProperties | None = None
    identity: Identity | None = None


class AccountCreation(AccountUpdate):
    """What an account is created with."""

    location: str


def check_properties(given: AccountProperties, storage_account: str | None, *, tokens: bool) -> None:
    """Refuses what an account can't be here.

    Args:
        given: as the client gave them.
        storage_account: name of the one storage account there is, None if there is none.
        tokens: whether bearer tokens are accepted on the data plane.

    Raises:
        ManagementError: ``InvalidPropertyValue`` or ``NotEmulated``, naming the property.
    """
    document = given.model_dump(by_alias=True, exclude_none=True)
    for path, only in _ONLY.items():
        value = _look_up(document, path)
        if value is not None and value != only:
            raise not_emulated(f"{value} as {path} of a Batch account")
    for path in ("keyVaultReference", "encryption.keyVaultProperties", "autoStorage.nodeIdentityReference"):
        if _look_up(document, path):
            raise not_emulated(f"{path} of a Batch account")
    for access in ("accountAccess", "nodeManagementAccess"):
        if _look_up(document, f"networkProfile.{access}.ipRules"):
            raise not_emulated("IP rules of a Batch account")
    _check_modes(given.allowed_authentication_modes or [], tokens)
    if given.auto_storage is not None:
        _check_storage(given.auto_storage.storage_account_id, storage_account)


def _look_up(document: object, path: str) -> object:
    for name in path.split("."):
        document = document.get(name) if isinstance(document, dict) else None
    return document


def _check_modes(modes: list[str], tokens: bool) -> None:
    for mode in modes:
        if mode not in _MODES:
            raise invalid_value("allowedAuthenticationModes", mode, f"It must be one of {', '.join(_MODES)}.")
    if modes and SHARED_KEY not in modes and not (tokens and AAD in modes):
        reason = (
            "Nobody could call the account: bearer tokens are accepted where the service was started with --tokens."
        )
        raise invalid_value("allowedAuthenticationModes", ", ".join(modes), reason)


def _check_storage(resource: str, storage_account: str | None) -> None:
    if storage_account is None or resource.rpartition("/")[2].lower() != storage_account.lower():
        reason = (
            f"The only storage account is {storage_account}." if storage_account else "There is no storage account."
        )
        raise invalid_value("autoStorage.storageAccountId", resource, reason)


def account_document(former: JsonObject, given: AccountUpdate, owner: str) -> JsonObject:
    """Makes what is remembered of an account.

    Args:
        former: what was remembered before.
        given: what the client said, and what of it is None stays as it was.
        owner: resource id of the account.

    Raises:
        ManagementError: the identity is refused.
    """
    document = dict(former)
    if isinstance(given, AccountCreation):
        document["location"] = given.location
    if given.tags is not None:
        document["tags"] = dict(given.tags)
    if given.identity is not None:
        identity = check_identity(given.identity, (NONE, SYSTEM, USER))
        document["identity"] = identity_document(identity, owner)
    if given.properties is not None:
        known = former.get("properties")
        changes = given.properties.model_dump(mode="json", by_alias=True, exclude_none=True)
        changes.pop("autoStorage", None)
        document["properties"] = {**(known if isinstance(known, dict) else {}), **changes}
    return document
