"""The kinds of credential, each a model of its own; a block's ``credential`` is one of those its service has.

``kind`` tells them apart, in stored blocks and in the form of the Prefect UI. Values are frozen, so that clients can be
cached by them.
"""

import base64
import binascii
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, StringConstraints

from prefect_azure_batch.blocks.clients import cached
from prefect_azure_batch.blocks.connection_string import StorageConnection, parse_connection_string
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


class _Credential(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class StorageAccountKey(_Credential):
    """One of the two keys of a storage account."""

    model_config = ConfigDict(title="Account key")

    kind: Literal["account_key"] = Field(default="account_key", description="Tells this kind of credential.")
    account_name: Name = Field(description="Name of the storage account.")
    account_key: Key = Field(description="Key of the storage account, base64.")


class StorageConnectionString(_Credential):
    """A connection string with an account key or a shared access signature."""

    model_config = ConfigDict(title="Connection string")

    kind: Literal["connection_string"] = Field(
        default="connection_string", description="Tells this kind of credential."
    )
    connection_string: Annotated[Secret, AfterValidator(_check_connection_string)] = Field(
        description="Connection string of the storage account."
    )

    def parse(self) -> StorageConnection:
        """What the connection string says about the Blob service."""
        return parse_connection_string(self.connection_string.get_secret_value())


class StorageSas(_Credential):
    """A shared access signature for the account or for one container."""

    model_config = ConfigDict(title="Shared access signature (SAS)")

    kind: Literal["sas"] = Field(default="sas", description="Tells this kind of credential.")
    sas_token: Annotated[Secret, AfterValidator(_check_sas)] = Field(
        description=(
            "The signature, with or without the question mark. It is passed on to the nodes as it is, "
            "so let it permit no more than the flow needs."
        )
    )


class BatchSharedKey(_Credential):
    """One of the two keys of a Batch account."""

    model_config = ConfigDict(title="Shared key")

    kind: Literal["shared_key"] = Field(default="shared_key", description="Tells this kind of credential.")
    account_name: Name = Field(description="Name of the Batch account.")
    account_key: Key = Field(description="Key of the Batch account, base64.")


class ServicePrincipal(_Credential):
    """An application registered in Microsoft Entra ID, with a client secret."""

    model_config = ConfigDict(title="Service principal")

    kind: Literal["service_principal"] = Field(
        default="service_principal", description="Tells this kind of credential."
    )
    tenant_id: Name = Field(description="Id of the Entra tenant.")
    client_id: Name = Field(description="Id of the application.")
    client_secret: Secret = Field(description="Secret of the application.")


class ManagedIdentity(_Credential):
    """The identity of the Azure machine or service that the flow runs on."""

    model_config = ConfigDict(title="Managed identity")

    kind: Literal["managed_identity"] = Field(default="managed_identity", description="Tells this kind of credential.")
    client_id: OptionalName = Field(
        default=None,
        description="Client id of a user-assigned identity; without it the system-assigned identity is used.",
    )


class DefaultCredential(_Credential):
    """Whatever Azure sign-in is found: environment, workload or managed identity, Azure CLI and others."""

    model_config = ConfigDict(title="Default credential")

    kind: Literal["default"] = Field(default="default", description="Tells this kind of credential.")


TokenKind = ServicePrincipal | ManagedIdentity | DefaultCredential
"""Kinds that get tokens from Microsoft Entra ID, for any Azure service; tokens are sent over https only."""

StorageCredential = Annotated[
    StorageAccountKey | StorageConnectionString | StorageSas | ServicePrincipal | ManagedIdentity | DefaultCredential,
    Field(discriminator="kind"),
]
BatchCredential = Annotated[
    BatchSharedKey | ServicePrincipal | ManagedIdentity | DefaultCredential, Field(discriminator="kind")
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
