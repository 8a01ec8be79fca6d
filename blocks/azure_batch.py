"""The Azure Batch account, with the storage account that belongs to it."""

from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from azure.batch import BatchClient
from azure.core.credentials import AzureNamedKeyCredential, TokenCredential
from prefect.blocks.abstract import CredentialsBlock
from pydantic import ConfigDict, Field, field_validator, model_validator

from prefect_azure_batch.blocks.azure_storage import AzureStorageCredentials
from prefect_azure_batch.blocks.clients import cached, service_options
from prefect_azure_batch.blocks.credentials import BatchCredential, BatchSharedKey, TokenKind, token_credential
from prefect_azure_batch.blocks.endpoints import batch_account_in, batch_region_in, check_endpoint, is_encrypted
from prefect_azure_batch.blocks.errors import CredentialError
from prefect_azure_batch.blocks.forms import show_plainly

if TYPE_CHECKING:
    from azure.mgmt.batch import BatchManagementClient

_MANAGEMENT_ENDPOINT = "https://management.azure.com"


class AzureBatchAccount(CredentialsBlock):
    """Access to an Azure Batch account and the storage account that its tasks read from and write to.

    Signs in to Batch with a shared key, a service principal, a managed identity, or the default credential.

    Example:
        Load a stored block and list pools:
        ```python
        from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount

        account = AzureBatchAccount.load("BLOCK_NAME")
        names = [pool.id for pool in account.get_client().list_pools()]
        ```
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    _block_type_name = "Azure Batch Account"
    _logo_url = "https://cdn.sanity.io/images/3ugk85nk/production/54e3fa7e00197a4fbd1d82ed62494cb58d08c96a-250x250.png"  # type: ignore[assignment]
    _documentation_url = "https://learn.microsoft.com/azure/batch/"  # type: ignore[assignment]

    endpoint: str = Field(
        title="Account endpoint",
        description="Address of the Batch account, such as https://mybatch.westeurope.batch.azure.com.",
    )
    credential: BatchCredential = Field(
        json_schema_extra=show_plainly, title="Credential", description="How to sign in to the Batch account."
    )
    storage: AzureStorageCredentials = Field(
        title="Storage", description="The storage account for inputs, programs and outputs: choose a block, or add one."
    )
    subscription_id: str | None = Field(
        default=None,
        json_schema_extra=show_plainly,
        title="Subscription ID",
        description="Azure subscription of the Batch account; only publishing application packages needs it.",
    )
    resource_group: str | None = Field(
        default=None,
        json_schema_extra=show_plainly,
        title="Resource group",
        description="Resource group of the Batch account; only publishing application packages needs it.",
    )
    management_endpoint: str = Field(
        default=_MANAGEMENT_ENDPOINT,
        title="Management endpoint",
        description="Address of Azure Resource Manager; national clouds have their own.",
    )

    @field_validator("endpoint")
    @classmethod
    def _check_endpoint(cls, url: str) -> str:
        return check_endpoint(url, "endpoint")

    @field_validator("management_endpoint")
    @classmethod
    def _check_management_endpoint(cls, url: str) -> str:
        return check_endpoint(url, "management_endpoint")

    @field_validator("subscription_id", "resource_group")
    @classmethod
    def _blank_is_none(cls, text: str | None) -> str | None:
        return (text or "").strip() or None

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if isinstance(self.credential, BatchSharedKey):
            named = batch_account_in(self.endpoint)
            if named is not None and named != self.credential.account_name:
                raise ValueError(
                    f"The address {self.endpoint} is of the Batch account {named!r}, "
                    f"but the key is said to be of {self.credential.account_name!r}."
                )
        elif not is_encrypted(self.endpoint):
            raise ValueError(f"A {self.credential.kind} credential needs an https address, not {self.endpoint}.")
        return self

    @property
    def account_name(self) -> str:
        """Name of the Batch account.

        Raises:
            CredentialError: neither the credential nor the address tells it.
        """
        if isinstance(self.credential, BatchSharedKey):
            return self.credential.account_name
        name = batch_account_in(self.endpoint)
        if name is None:
            raise CredentialError(
                f"The address {self.endpoint} does not tell the name of the Batch account: "
                "use https://NAME.REGION.batch.azure.com."
            )
        return name

    @property
    def identity(self) -> str:
        """Tells the account from others, as its host name does on Azure; empty if only the service knows its name."""
        if batch_account_in(self.endpoint):
            return urlsplit(self.endpoint).netloc
        return self.credential.account_name if isinstance(self.credential, BatchSharedKey) else ""

    @property
    def region(self) -> str | None:
        """The Azure region of the account, as its address tells it; None if it does not, as that of a local Azure."""
        return batch_region_in(self.endpoint)

    def get_client(self) -> BatchClient:
        """A client for the Batch service.

        Copies of this block, and all threads of a process, share one client. Closing it does no harm.
        """
        return cached(("batch", self.endpoint, self.credential), self._make_client)

    def get_management_client(self) -> "BatchManagementClient":
        """A client for Batch in Azure Resource Manager, which alone can publish application packages.

        Raises:
            CredentialError: a shared key cannot sign in there, or the subscription is not known.
        """
        if isinstance(self.credential, BatchSharedKey):
            raise CredentialError(
                "A shared key cannot sign in to Azure Resource Manager: use a service principal, "
                "a managed identity or the default credential."
            )
        if self.subscription_id is None:
            raise CredentialError("The Azure Batch account block has no subscription_id, which this needs: add it.")
        credential, subscription_id = self.credential, self.subscription_id
        return cached(
            ("management", self.management_endpoint, subscription_id, credential),
            lambda: _make_management_client(self.management_endpoint, subscription_id, credential),
        )

    def _make_client(self) -> BatchClient:
        credential: AzureNamedKeyCredential | TokenCredential
        if isinstance(self.credential, BatchSharedKey):
            secret = self.credential.account_key.get_secret_value()
            credential = AzureNamedKeyCredential(self.credential.account_name, secret)
        else:
            credential = token_credential(self.credential)
        return BatchClient(self.endpoint, credential, **service_options(self.endpoint))


def _make_management_client(endpoint: str, subscription_id: str, credential: TokenKind) -> "BatchManagementClient":
    # Only publishing application packages needs it, and every process that loads the block would pay for its import.
    from azure.mgmt.batch import BatchManagementClient

    return BatchManagementClient(
        token_credential(credential),
        subscription_id,
        base_url=endpoint,
        credential_scopes=[f"{endpoint}/.default"],
        **service_options(endpoint),
    )
