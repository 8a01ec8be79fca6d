"""Storage connection strings taken apart.

The format is described at https://learn.microsoft.com/azure/storage/common/storage-configure-connection-string.
"""

from dataclasses import dataclass, field

from prefect_azure_batch.blocks.endpoints import check_endpoint, storage_account_in

_PUBLIC_CLOUD = "core.windows.net"


@dataclass(frozen=True)
class StorageConnection:
    """What a connection string says about the Blob service.

    Attributes:
        blob_endpoint: address of the Blob service, with no slash at its end.
        account_name: name of the account; None if only a SAS and a domain of one's own are given.
        account_key: base64, or None.
        sas_token: without a question mark, or None. One of the two is always there.
    """

    blob_endpoint: str
    account_name: str | None
    account_key: str | None = field(repr=False, default=None)
    sas_token: str | None = field(repr=False, default=None)


def parse_connection_string(text: str) -> StorageConnection:
    """Takes a connection string apart.

    Raises:
        ValueError: says what is missing or wrong, and repeats no value.
    """
    settings = _settings(text)
    if settings.get("usedevelopmentstorage", "").lower() == "true":
        raise ValueError(
            "The connection string says UseDevelopmentStorage: "
            "write out AccountName, AccountKey and BlobEndpoint of the emulator."
        )
    name = settings.get("accountname") or None
    endpoint = check_endpoint(_blob_endpoint(settings, name), "BlobEndpoint of the connection string")
    key = settings.get("accountkey") or None
    sas = settings.get("sharedaccesssignature", "").removeprefix("?") or None
    if key is None and sas is None:
        raise ValueError("The connection string has neither AccountKey nor SharedAccessSignature.")
    if key is not None and name is None:
        raise ValueError("The connection string has an AccountKey but no AccountName.")
    return StorageConnection(endpoint, name or storage_account_in(endpoint), key, None if key else sas)


def _settings(text: str) -> dict[str, str]:
    settings = {}
    for number, part in enumerate((part for part in text.strip().split(";") if part.strip()), 1):
        name, equals, value = part.partition("=")
        if not equals or not name.strip():
            raise ValueError(f"Part {number} of the connection string is not of the form Name=Value.")
        settings[name.strip().lower()] = value.strip()
    if not settings:
        raise ValueError("The connection string is empty.")
    return settings


def _blob_endpoint(settings: dict[str, str], name: str | None) -> str:
    if settings.get("blobendpoint"):
        return settings["blobendpoint"]
    if name is None:
        raise ValueError("The connection string has neither AccountName nor BlobEndpoint.")
    scheme = settings.get("defaultendpointsprotocol") or "https"
    suffix = settings.get("endpointsuffix") or _PUBLIC_CLOUD
    return f"{scheme}://{name}.blob.{suffix}"
