"""The kinds of credential, each a model of its own; a block's ``credential`` is one of those its service has.

``kind`` tells them apart; in what the form of the Prefect UI sends, the keys do. Values are frozen, so that clients can
be cached by them.
"""

import base64
import binascii
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, StringConstraints

from prefect_azure_batch.blocks.clients import cached
from prefect_azure_batch.blocks.connection_string import StorageConnection, parse_connection_string
from prefect_azure_batch.blocks.forms import kind_of, show_kind, show_member, show_nothing
from prefect_azure_batch.blocks.signing import read_sas

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential


def _check_secret(secret: SecretStr) -> SecretStr:
    # Keys are pasted, and bring a newline along.
    value = secret.get_secret_value().strip()
    if not value:
        raise ValueError("The value is empty.")
    return SecretStr(value)


def _check_key(secret: SecretStr) -> SecretStr:
    try:
        base64.b64decode(secret.get_secret_value(), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("The account key is not base64: copy it whole from the Azure portal.") from None
    return secret


def _check_connection_string(secret: SecretStr) -> SecretStr:
    found = parse_connection_string(secret.get_secret_value())
    if found.account_key is not None:
        _check_key(SecretStr(found.account_key))
    if found.sas_token is not None:
        read_sas(found.sas_token)
    return secret


def _check_sas(secret: SecretStr) -> SecretStr:
    token = secret.get_secret_value().removeprefix("?")
    read_sas(token)
    return SecretStr(token)


def _blank_is_none(value: object) -> object:
    # Forms send an empty text for a field left out.
    return None if isinstance(value, str) and not value.strip() else value


Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, pattern=r"^[^\s:/]+$")]
Secret = Annotated[SecretStr, AfterValidator(_check_secret)]
Key = Annotated[Secret, AfterValidator(_check_key)]
OptionalName = Annotated[Name | None, BeforeValidator(_blank_is_none)]


_KIND = "Tells this kind of credential."


class _Credential(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class StorageAccountKey(_Credential):
    """The name of the storage account and one of its two keys. Azure portal: the account, Security, Access keys."""

    model_config = ConfigDict(title="Account key", json_schema_extra=show_member)

    kind: Literal["account_key"] = Field(default="account_key", description=_KIND)
    account_name: Name = Field(title="Account name", description="Name of the storage account, such as mystorage.")
    account_key: Key = Field(title="Account key", description="Either key, base64, as the portal shows it.")


class StorageConnectionString(_Credential):
    """All in one line, with an account key or a shared access signature; it needs no account URL.

    Azure portal: the storage account, Security, Access keys.
    """

    model_config = ConfigDict(title="Connection string", json_schema_extra=show_member)

    kind: Literal["connection_string"] = Field(default="connection_string", description=_KIND)
    connection_string: Annotated[Secret, AfterValidator(_check_connection_string)] = Field(
        title="Connection string", description="DefaultEndpointsProtocol=https;AccountName=...;AccountKey=...;..."
    )

    def parse(self) -> StorageConnection:
        """What the connection string says about the Blob service."""
        return parse_connection_string(self.connection_string.get_secret_value())


class StorageSas(_Credential):
    """A shared access signature for the account or for one container."""

    model_config = ConfigDict(title="SAS", json_schema_extra=show_member)

    kind: Literal["sas"] = Field(default="sas", description=_KIND)
    sas_token: Annotated[Secret, AfterValidator(_check_sas)] = Field(
        title="SAS token",
        description=(
            "The signature, sv=...&sig=..., with or without the question mark. It is passed on to the nodes as it is, "
            "so let it permit no more than the flow needs."
        ),
    )


class BatchSharedKey(_Credential):
    """The name of the Batch account and one of its two keys. Azure portal: the account, Settings, Keys."""

    model_config = ConfigDict(title="Account key", json_schema_extra=show_member)

    kind: Literal["shared_key"] = Field(default="shared_key", description=_KIND)
    account_name: Name = Field(title="Account name", description="Name of the Batch account, such as mybatch.")
    account_key: Key = Field(title="Account key", description="Either key, base64, as the portal shows it.")


class ServicePrincipal(_Credential):
    """An application registered in Microsoft Entra ID, with a client secret."""

    model_config = ConfigDict(title="Service principal", json_schema_extra=show_member)

    kind: Literal["service_principal"] = Field(default="service_principal", description=_KIND)
    tenant_id: Name = Field(title="Tenant ID", description="Directory (tenant) id of the application.")
    client_id: Name = Field(title="Client ID", description="Application (client) id.")
    client_secret: Secret = Field(
        title="Client secret", description="Value of one of the application's secrets, not the secret's id."
    )


class ManagedIdentity(_Credential):
    """The identity of the Azure machine or service that the flow runs on."""

    model_config = ConfigDict(title="Managed identity", json_schema_extra=show_kind)

    kind: Literal["managed_identity"] = Field(
        default="managed_identity", title="Kind", description="Says that it is a managed identity: leave it as it is."
    )
    client_id: OptionalName = Field(
        default=None,
        title="Client ID",
        description="Of a user-assigned identity. Left empty: the system-assigned identity.",
    )


class DefaultCredential(_Credential):
    """Whatever Azure sign-in is found where the flow runs: environment, workload or managed identity, az login.

    There is nothing to fill in.
    """

    model_config = ConfigDict(title="Default", json_schema_extra=show_nothing)

    kind: Literal["default"] = Field(default="default", description=_KIND)


TokenKind = ServicePrincipal | ManagedIdentity | DefaultCredential
"""Kinds that get tokens from Microsoft Entra ID, for any Azure service; tokens are sent over https only."""

_STORAGE: dict[str, type[BaseModel]] = {
    "account_key": StorageAccountKey,
    "connection_string": StorageConnectionString,
    "sas": StorageSas,
    "service_principal": ServicePrincipal,
    "managed_identity": ManagedIdentity,
}
_BATCH: dict[str, type[BaseModel]] = {
    "shared_key": BatchSharedKey,
    "service_principal": ServicePrincipal,
    "managed_identity": ManagedIdentity,
}


def _storage_kind(data: Any) -> Any:
    return kind_of(data, _STORAGE)


def _batch_kind(data: Any) -> Any:
    return kind_of(data, _BATCH)


StorageCredential = Annotated[
    StorageAccountKey | StorageConnectionString | StorageSas | ServicePrincipal | ManagedIdentity | DefaultCredential,
    Field(discriminator="kind"),
    BeforeValidator(_storage_kind),
]
"""In the order of the form: a member that is told by its kind must come after those that are told by their keys."""
BatchCredential = Annotated[
    BatchSharedKey | ServicePrincipal | ManagedIdentity | DefaultCredential,
    Field(discriminator="kind"),
    BeforeValidator(_batch_kind),
]


def token_credential(credential: TokenKind) -> "TokenCredential":
    """The SDK's credential of a kind; the same one for the same values, so that its tokens are fetched once."""
    return cached(("token", credential), lambda: _make_token_credential(credential))


def _make_token_credential(credential: TokenKind) -> "TokenCredential":
    # Takes half a second to import, and a run with keys never needs it.
    from azure.identity import ClientSecretCredential, DefaultAzureCredential, ManagedIdentityCredential

    if isinstance(credential, ServicePrincipal):
        secret = credential.client_secret.get_secret_value()
        return ClientSecretCredential(credential.tenant_id, credential.client_id, secret)
    if isinstance(credential, ManagedIdentity):
        return ManagedIdentityCredential(client_id=credential.client_id)
    return DefaultAzureCredential()
