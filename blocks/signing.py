"""Shared access signatures: what is asked for, checked; what a given signature permits, read.

Facts about signatures: https://learn.microsoft.com/rest/api/storageservices/create-service-sas.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import parse_qs, quote

from azure.storage.blob import (
    BlobSasPermissions,
    ContainerSasPermissions,
    UserDelegationKey,
    generate_blob_sas,
    generate_container_sas,
)

from prefect_azure_batch.blocks.errors import CredentialError

_BLOB_PERMISSIONS = frozenset("racwdxytmei")
_CONTAINER_PERMISSIONS = _BLOB_PERMISSIONS | frozenset("lf")
_OBJECTS, _CONTAINERS = "o", "c"
_TIMES = {"st": "a beginning", "se": "an end"}


@dataclass(frozen=True)
class LinkRequest:
    """A link that is asked for.

    Attributes:
        container: name of the container.
        blob: name of the blob, or None for the container.
        permission: letters such as ``r`` or ``cw``.
        expiry: when it ends, UTC.
    """

    container: str
    blob: str | None
    permission: str
    expiry: datetime

    def url(self, blob_endpoint: str, sas: str) -> str:
        """The link."""
        return f"{plain_url(blob_endpoint, self.container, self.blob)}?{sas}"


def plain_url(blob_endpoint: str, container: str, blob: str | None = None) -> str:
    """Address of a container or blob, with no signature."""
    path = quote(container, safe="$") + ("" if blob is None else "/" + quote(blob, safe="/~"))
    return f"{blob_endpoint}/{path}"


def check_request(container: str, blob: str | None, permission: str, expiry: datetime, now: datetime) -> LinkRequest:
    """A link as asked for.

    Raises:
        ValueError: a name is empty, a permission unknown, or the expiry has no time zone or lies in the past.
    """
    if not container or blob == "":
        raise ValueError("A link needs the name of a container, and one for a blob the name of the blob.")
    known = _CONTAINER_PERMISSIONS if blob is None else _BLOB_PERMISSIONS
    if not permission or not known.issuperset(permission):
        raise ValueError(
            f"The permission {permission!r} of a link is not made of the letters {''.join(sorted(known))}."
        )
    if expiry.tzinfo is None:
        raise ValueError("The expiry of a link needs a time zone: use datetime.now(UTC) + timedelta(...).")
    if expiry <= now:
        raise ValueError(f"The expiry of a link lies in the past: {expiry.isoformat()}.")
    return LinkRequest(container, blob, permission, expiry.astimezone(UTC))


def sign(request: LinkRequest, account_name: str, key: str | UserDelegationKey, *, encrypted: bool) -> str:
    """The query of a signed link.

    Args:
        request: what it is for.
        account_name: name of the storage account.
        key: the account's key, base64, or a user delegation key.
        encrypted: refuse requests without TLS.
    """
    account_key, delegation_key = (key, None) if isinstance(key, str) else (None, key)
    protocol = "https" if encrypted else None
    if request.blob is None:
        return generate_container_sas(
            account_name,
            request.container,
            account_key=account_key,
            user_delegation_key=delegation_key,
            permission=ContainerSasPermissions.from_string(request.permission),
            expiry=request.expiry,
            protocol=protocol,
        )
    return generate_blob_sas(
        account_name,
        request.container,
        # The service takes a backslash for a slash before it checks the signature (azure-sdk-for-python issue 48690).
        request.blob.replace("\\", "/"),
        account_key=account_key,
        user_delegation_key=delegation_key,
        permission=BlobSasPermissions.from_string(request.permission),
        expiry=request.expiry,
        protocol=protocol,
    )


@dataclass(frozen=True)
class GivenSas:
    """What a signature that somebody made says about itself.

    Attributes:
        token: the signature, without a question mark.
        permissions: letters; None if a stored access policy holds them.
        expiry: its end, UTC; None if a stored access policy holds it.
        reaches: ``o`` for the blobs of a container and ``c`` for containers, as in the resource types of an account's
            signature; empty if it is for one blob or directory.
        begin: from when it holds, UTC; None if it says nothing of that.
        is_of_account: it is for all containers of the account.
    """

    token: str = field(repr=False)
    permissions: str | None
    expiry: datetime | None
    reaches: str
    begin: datetime | None = None
    is_of_account: bool = False

    def pass_on(self, request: LinkRequest) -> str:
        """The signature for a link, which permits whatever it permits.

        Raises:
            CredentialError: it permits less, or ends earlier, than is asked for.
        """
        needed = _OBJECTS + (_CONTAINERS if "l" in request.permission else "")
        if not set(needed).issubset(self.reaches):
            raise CredentialError(
                "The SAS does not reach all blobs of a container: make one for the container, "
                "or for the account with resource types container and object."
            )
        if missing := self.missing(request.permission):
            raise CredentialError(
                f"The SAS does not permit {missing!r}, which a link for container {request.container!r} "
                "needs: make one that does, or use another kind of credential."
            )
        if self.expiry is not None and self.expiry < request.expiry:
            raise CredentialError(
                f"The SAS ends at {self.expiry:%Y-%m-%d %H:%M} UTC, before the link that is needed until "
                f"{request.expiry:%Y-%m-%d %H:%M} UTC: make one that lives longer, or use another kind of credential."
            )
        return self.token

    def missing(self, permissions: str) -> str:
        """Those of the permissions that it does not give; none where a stored access policy holds them."""
        return "" if self.permissions is None else "".join(one for one in permissions if one not in self.permissions)


def read_sas(token: str) -> GivenSas:
    """Reads a signature.

    Args:
        token: without a question mark.

    Raises:
        ValueError: it is no signature for blobs; the message does not repeat it.
    """
    fields = {name: values[0] for name, values in parse_qs(token).items()}
    if token.startswith(("http://", "https://")) or "sig" not in fields or "sv" not in fields:
        raise ValueError(
            "The SAS is not a signature: it looks like sv=...&se=...&sp=...&sig=... (no address before it)."
        )
    if "ss" in fields and "b" not in fields["ss"]:
        raise ValueError("The SAS is for other services than Blob: make one for the Blob service.")
    reaches = fields.get("srt", _OBJECTS + _CONTAINERS if fields.get("sr") == "c" else "")
    begin, expiry = (_read_time(name, fields[name]) if name in fields else None for name in ("st", "se"))
    return GivenSas(token, fields.get("sp"), expiry, reaches, begin, is_of_account="srt" in fields)


def _read_time(name: str, text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"The SAS has {_TIMES[name]} ({name}) that is not a time.") from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
