"""The storage account: clients, and links that nodes read and write blobs by."""

from copy import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self
from urllib.parse import urlsplit

from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential, TokenCredential
from azure.storage.blob import BlobServiceClient
from prefect.blocks.abstract import CredentialsBlock
from pydantic import ConfigDict, Field, SecretStr, field_validator, model_validator

from prefect_azure_batch.blocks.bulk_blobs import BulkBlobs
from prefect_azure_batch.blocks.clients import blob_options, cached
from prefect_azure_batch.blocks.containers import WORK_CONTAINER, check_container_name
from prefect_azure_batch.blocks.credentials import (
    DefaultCredential,
    ServicePrincipal,
    StorageAccountKey,
    StorageConnectionString,
    StorageCredential,
    StorageSas,
    TokenKind,
    token_credential,
)
from prefect_azure_batch.blocks.delegation import DelegationKeys
from prefect_azure_batch.blocks.endpoints import check_endpoint, is_encrypted, storage_account_in
from prefect_azure_batch.blocks.errors import CredentialError
from prefect_azure_batch.blocks.forms import show_plainly
from prefect_azure_batch.blocks.signing import GivenSas, LinkRequest, check_request, plain_url, read_sas, sign


@dataclass(frozen=True)
class _Access:
    """What the fields of a block come down to; exactly one of the last three is there."""

    endpoint: str
    account_name: str | None
    key: str | None = field(default=None, repr=False)
    sas: str | None = field(default=None, repr=False)
    token: TokenKind | None = None


class AzureStorageCredentials(CredentialsBlock):
    """Access to an Azure Storage account for blobs.

    Holds one of the kinds of credential that Azure Storage has: account key, connection string, shared access
    signature (SAS), service principal, managed identity, or the default credential.

    Example:
        Load a stored block and list containers:
        ```python
        from prefect_azure_batch.blocks.azure_storage import AzureStorageCredentials

        storage = AzureStorageCredentials.load("BLOCK_NAME")
        names = [container.name for container in storage.get_client().list_containers()]
        ```
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    _block_type_name = "Azure Storage Credentials"
    _logo_url = "https://cdn.sanity.io/images/3ugk85nk/production/54e3fa7e00197a4fbd1d82ed62494cb58d08c96a-250x250.png"  # type: ignore[assignment]
    _documentation_url = "https://learn.microsoft.com/azure/storage/blobs/"  # type: ignore[assignment]

    account_url: str | None = Field(
        default=None,
        json_schema_extra=show_plainly,
        title="Account URL",
        description=(
            "Address of the Blob service, such as https://mystorage.blob.core.windows.net; "
            "leave it empty for a connection string, which brings its own."
        ),
    )
    credential: StorageCredential = Field(
        json_schema_extra=show_plainly, title="Credential", description="How to sign in to the storage account."
    )

    work_container: str = Field(
        default=WORK_CONTAINER,
        title="Work container",
        description=(
            "Container for what runs leave: logs, outputs, and the ledgers by which later runs know what is done."
        ),
    )

    @field_validator("account_url")
    @classmethod
    def _check_account_url(cls, url: str | None) -> str | None:
        return check_endpoint(url, "account_url") if url and url.strip() else None

    @field_validator("work_container")
    @classmethod
    def _check_work_container(cls, name: str) -> str:
        return check_container_name(name)

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        _check_access(self._access())
        return self

    @property
    def blob_endpoint(self) -> str:
        """Address of the Blob service, with no slash at its end."""
        return self._access().endpoint

    @property
    def account_name(self) -> str:
        """Name of the storage account.

        Raises:
            CredentialError: neither the address nor the credential tells it.
        """
        name = self._access().account_name
        if name is None:
            raise CredentialError(
                f"The address {self.blob_endpoint} does not tell the name of the storage account: "
                "use https://NAME.blob.core.windows.net."
            )
        return name

    def get_client(self) -> BlobServiceClient:
        """A client for the Blob service.

        Copies of this block, and all threads of a process, share one client. Closing it does no harm.
        """
        return self.get_bulk().service

    def get_bulk(self) -> BulkBlobs:
        """What sends and fetches many small blobs: shared as the client is, with the same connections and patience."""
        access = self._access()
        return cached(("blob", access.endpoint, self.credential), lambda: _make_bulk(access))

    def sign_blob(self, container: str, blob: str, permission: str, expiry: datetime) -> str:
        """A link to one blob.

        It is signed by the account key, if there is one, or by a user delegation key (seven days at most); a SAS is
        passed on as it is.

        Args:
            container: name of the container.
            blob: name of the blob, which need not exist.
            permission: letters such as ``r`` (read) or ``cw`` (create, write).
            expiry: end of the link, with a time zone.

        Raises:
            CredentialError: this kind of credential cannot make such a link.
            ValueError: the permission or the expiry is wrong.
            AzureError: Storage refused to give a user delegation key.
        """
        return self._sign(check_request(container, blob, permission, expiry, datetime.now(UTC)))

    def sign_container(self, container: str, permission: str, expiry: datetime) -> str:
        """A link to a container and all blobs in it; arguments and errors as for ``sign_blob``."""
        return self._sign(check_request(container, None, permission, expiry, datetime.now(UTC)))

    @classmethod
    def from_prefect_azure(cls, block: object) -> Self:
        """Makes a block from an ``AzureBlobStorageCredentials`` block of the package prefect-azure.

        Args:
            block: the block of prefect-azure; it is read, not used.

        Raises:
            CredentialError: it is no such block.
        """
        connection_string: SecretStr | None = getattr(block, "connection_string", None)
        account_url: str | None = getattr(block, "account_url", None)
        if connection_string is not None:
            return cls(credential=StorageConnectionString(connection_string=connection_string))
        if account_url is None:
            raise CredentialError(
                f"A {type(block).__name__} has neither a connection string nor an account URL: "
                "give an AzureBlobStorageCredentials block of prefect-azure."
            )
        secret: SecretStr | None = getattr(block, "client_secret", None)
        credential: TokenKind = DefaultCredential()
        if secret is not None:
            tenant_id, client_id = getattr(block, "tenant_id", ""), getattr(block, "client_id", "")
            credential = ServicePrincipal(tenant_id=tenant_id, client_id=client_id, client_secret=secret)
        return cls(account_url=account_url, credential=credential)

    @property
    def given_sas(self) -> GivenSas | None:
        """The signature that this block holds; None if it can sign itself."""
        sas = self._access().sas
        return None if sas is None else read_sas(sas)

    @property
    def has_key(self) -> bool:
        """Whether it holds the account's key, which signs links of any length."""
        return self._access().key is not None

    def plain_url(self, container: str, blob: str | None = None) -> str:
        """Address of a container, or of a blob in it, for those who need no signature."""
        return plain_url(self.blob_endpoint, container, blob)

    def _access(self) -> _Access:
        return _resolve(self.account_url, self.credential)

    def _sign(self, request: LinkRequest) -> str:
        access = self._access()
        if access.sas is not None:
            return request.url(access.endpoint, read_sas(access.sas).pass_on(request))
        key = access.key or self._delegation_keys().lasting_until(request.expiry, datetime.now(UTC))
        query = sign(request, self.account_name, key, encrypted=is_encrypted(access.endpoint))
        return request.url(access.endpoint, query)

    def _delegation_keys(self) -> DelegationKeys:
        client = self.get_client()
        return cached(
            ("delegation", self.blob_endpoint, self.credential), lambda: DelegationKeys(client.get_user_delegation_key)
        )


def _resolve(account_url: str | None, credential: Any) -> _Access:
    if isinstance(credential, StorageConnectionString):
        found = credential.parse()
        if account_url and account_url != found.blob_endpoint:
            raise ValueError("account_url and the connection string name different services: leave account_url out.")
        return _Access(found.blob_endpoint, found.account_name, key=found.account_key, sas=found.sas_token)
    if account_url is None:
        raise ValueError("account_url is missing: give it as https://NAME.blob.core.windows.net.")
    if isinstance(credential, StorageAccountKey):
        return _Access(account_url, credential.account_name, key=credential.account_key.get_secret_value())
    name = storage_account_in(account_url)
    if isinstance(credential, StorageSas):
        return _Access(account_url, name, sas=credential.sas_token.get_secret_value())
    return _Access(account_url, name, token=credential)


def _check_access(access: _Access) -> None:
    named = storage_account_in(access.endpoint)
    parts = urlsplit(access.endpoint)
    if ".blob." in (parts.hostname or "") and parts.path.strip("/"):
        raise ValueError(f"account_url {access.endpoint!r} has a path: give the address of the account, no container.")
    if named is not None and access.account_name is not None and named != access.account_name:
        raise ValueError(
            f"The address {access.endpoint} is of the storage account {named!r}, "
            f"but the key is said to be of {access.account_name!r}."
        )
    if access.token is not None and not is_encrypted(access.endpoint):
        raise ValueError(f"A {access.token.kind} credential needs an https address, not {access.endpoint}.")


def _make_bulk(access: _Access) -> BulkBlobs:
    credential: AzureNamedKeyCredential | AzureSasCredential | TokenCredential
    if access.key is not None:
        # The name stands in what the client signs; on a domain of one's own it cannot be read from the address.
        credential = AzureNamedKeyCredential(access.account_name or "", access.key)
    elif access.sas is not None:
        credential = AzureSasCredential(access.sas)
    else:
        assert access.token is not None
        credential = token_credential(access.token)
    options = blob_options(access.endpoint)
    service = BlobServiceClient(access.endpoint, credential, **options)
    return BulkBlobs(service, options["transport"], copy(options["retry_policy"]))
