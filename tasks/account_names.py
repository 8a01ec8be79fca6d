"""The names of an account as commands of the Azure CLI need them. Pure.

What a block does not know, as the resource group, stands there as a command that asks for it.
"""

import shlex
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from urllib.parse import urlsplit

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.blocks.azure_storage import AzureStorageCredentials
from prefect_azure_batch.blocks.credentials import (
    BatchSharedKey,
    ManagedIdentity,
    ServicePrincipal,
    StorageAccountKey,
    StorageConnectionString,
    StorageSas,
)
from prefect_azure_batch.blocks.endpoints import batch_account_in
from prefect_azure_batch.blocks.errors import CredentialError

SignIn = Literal["key", "sas", "token"]

_SAS_LIFE = timedelta(days=30)
_SELF = '"$(az ad signed-in-user show --query id -o tsv)"'


@dataclass(frozen=True)
class Names:
    """Words of command lines, each quoted for the shell.

    Attributes:
        batch: name of the Batch account.
        storage: name of the storage account.
        group: resource group of the Batch account.
        batch_id: resource id of the Batch account.
        storage_id: resource id of the storage account.
        region: of the Batch account.
        batch_principal: who signs in to Batch by a token.
        storage_principal: who signs in to Storage by a token.
        sas_end: end of a new SAS.
        batch_sign_in: how Batch is signed in to.
        storage_sign_in: how Storage is signed in to.
    """

    batch: str
    storage: str
    group: str
    batch_id: str
    storage_id: str
    region: str
    batch_principal: str
    storage_principal: str
    sas_end: str
    batch_sign_in: SignIn
    storage_sign_in: SignIn


def names_of(account: AzureBatchAccount, now: datetime) -> Names:
    """The names of an account.

    Args:
        account: the block.
        now: the time, with its zone.
    """
    batch, storage = _name(account) or "BATCH_ACCOUNT", shlex.quote(_name(account.storage) or "STORAGE_ACCOUNT")
    group, subscription = account.resource_group, account.subscription_id
    path = f"/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Batch/batchAccounts/{batch}"
    labels = (urlsplit(account.endpoint).hostname or "").split(".")
    return Names(
        batch=shlex.quote(batch),
        storage=storage,
        group=shlex.quote(group) if group else _asked(batch, "resourceGroup"),
        batch_id=shlex.quote(path) if group and subscription else _asked(batch, "id"),
        storage_id=f'"$(az storage account show --name {storage} --query id -o tsv)"',
        region=labels[1] if batch_account_in(account.endpoint) and labels[1] != "batch" else _asked(batch, "location"),
        batch_principal=_principal(account.credential),
        storage_principal=_principal(account.storage.credential),
        sas_end=f"{now + _SAS_LIFE:%Y-%m-%dT%H:%MZ}",
        batch_sign_in="key" if isinstance(account.credential, BatchSharedKey) else "token",
        storage_sign_in=_storage_sign_in(account.storage.credential),
    )


def _name(block: AzureBatchAccount | AzureStorageCredentials) -> str | None:
    try:
        return block.account_name
    except CredentialError:
        return None


def _asked(batch: str, field: str) -> str:
    return f'"$(az batch account list --query "[?name==\'{batch}\'].{field}" -o tsv)"'


def _principal(credential: object) -> str:
    if isinstance(credential, ServicePrincipal | ManagedIdentity) and credential.client_id:
        return shlex.quote(credential.client_id)
    return "PRINCIPAL_ID" if isinstance(credential, ManagedIdentity) else _SELF


def _storage_sign_in(credential: object) -> SignIn:
    if isinstance(credential, StorageConnectionString):
        return "sas" if credential.parse().sas_token else "key"
    return (
        "sas" if isinstance(credential, StorageSas) else "key" if isinstance(credential, StorageAccountKey) else "token"
    )
