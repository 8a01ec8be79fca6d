"""Service addresses: checked, and the account name in them."""

import ipaddress
from urllib.parse import SplitResult, urlsplit

_SECONDARY = "-secondary"


def check_endpoint(url: str, what: str) -> str:
    """An address as SDK clients take it, without a slash at its end.

    Args:
        url: the address, such as ``https://lab.westeurope.batch.azure.com``.
        what: name of the field, for the message.

    Raises:
        ValueError: says what is wrong; a query or user part, which may hold a secret, is not repeated.
    """
    url = url.strip().rstrip("/")
    parts = _split(url, what)
    if parts.username is not None or parts.password is not None:
        raise ValueError(f"{what} holds a user name or password: leave them out.")
    if parts.query or parts.fragment:
        raise ValueError(f"{what} holds a query: leave it out; a SAS belongs into the credential.")
    if parts.scheme not in ("http", "https"):
        raise ValueError(f"{what} {url!r} must begin with https:// (or http:// for a local service).")
    if not parts.hostname or any(character.isspace() for character in url):
        raise ValueError(f"{what} {url!r} names no host.")
    return url


def is_encrypted(url: str) -> bool:
    """Whether requests to the address go over TLS."""
    return urlsplit(url).scheme == "https"


def is_local(url: str) -> bool:
    """Whether the address lies on this machine and is spoken to without TLS, so that no proxy can be meant."""
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        return False
    address = _address(parts.hostname)
    return parts.hostname == "localhost" or (address is not None and address.is_loopback)


def storage_account_in(url: str) -> str | None:
    """The storage account that an address names; None if it names none, as a domain of one's own.

    Azure puts the account first in the host name, emulators put it first in the path.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if "." not in host or _address(host) is not None:
        return parts.path.strip("/").split("/")[0] or None
    labels = host.split(".")
    return labels[0].removesuffix(_SECONDARY) if "blob" in labels[1:] else None


def batch_account_in(url: str) -> str | None:
    """The Batch account that an address names, as ``lab`` in ``https://lab.westeurope.batch.azure.com``; else None."""
    labels = (urlsplit(url).hostname or "").split(".")
    return labels[0] if "batch" in labels[1:] else None


def batch_region_in(url: str) -> str | None:
    """The region that the address of a Batch account names, as ``westeurope`` in the same; else None."""
    labels = (urlsplit(url).hostname or "").split(".")
    return labels[1] if "batch" in labels[2:] else None


def _split(url: str, what: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ValueError(f"{what} is not an address: check its host and port.") from None
    return parts


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
