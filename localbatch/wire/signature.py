"""The SharedKey signature of a request: what a client signs, and whether it signed with our key.

The recipe is the one the official clients follow, which differs from the published one in a point that matters: query
names keep their case. Clients which follow the published text (names in lower case) are understood as well. Where a
request has no body, most clients send and sign a length of zero, and @azure/batch for Node.js does neither on DELETE.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from urllib.parse import parse_qs

from localbatch.wire.errors import ServiceError
from localbatch.wire.formats import parse_time

LARGEST_SKEW = timedelta(minutes=15)
"""How far the date of a request may lie from the service's clock, either way."""

_SIGNED_HEADERS = (
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-type",
    "date",
    "if-modified-since",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "range",
)
# The account names a directory of nodes too, so nothing that means something in a path may stand in it.
_AUTHORIZATION = re.compile(r"SharedKey ([A-Za-z0-9][A-Za-z0-9_.-]{0,62}):([A-Za-z0-9+/]+={0,2})", re.IGNORECASE)


def string_to_sign(
    method: str,
    raw_path: bytes | str,
    query: bytes | str,
    headers: Mapping[str, str],
    account: str,
    *,
    lower_names: bool = False,
    missing_length: str = "0",
) -> str:
    """Puts together the text whose signature a request carries.

    Args:
        method: the HTTP verb in capitals.
        raw_path: path of the request target as sent, its percent escapes untouched.
        query: query of the request target as sent, without the question mark.
        headers: names in any case; of a repeated name the first counts.
        account: the name in the ``Authorization`` header.
        lower_names: whether query names are signed in lower case, as the published recipe says.
        missing_length: what is signed for the length of a body if the request does not tell it.
    """
    known = _first_values(headers)
    if method in ("GET", "HEAD"):
        known["content-length"] = ""
    else:
        known["content-length"] = known.get("content-length") or missing_length
    lines = [method, *(known.get(name, "") for name in _SIGNED_HEADERS)]
    lines += [f"{name}:{value}" for name, value in sorted(known.items()) if name.startswith("ocp-") and value]
    lines.append(f"/{account}{_text(raw_path)}")
    values = {
        name.lower() if lower_names else name: found[0] for name, found in reversed(parse_qs(_text(query)).items())
    }
    lines += [f"{name}:{value}" for name, value in sorted(values.items())]
    return "\n".join(lines)


def sign(text: str, key: bytes) -> str:
    """Signs a string to sign with a key (the bytes, not their base64 form)."""
    return base64.b64encode(_digest(text, key)).decode("ascii")


def signer(headers: Mapping[str, str]) -> str | None:
    """Returns the account a request says it was signed for, None if it was not signed.

    Args:
        headers: names in any case.
    """
    credentials = _AUTHORIZATION.fullmatch(_first_values(headers).get("authorization", ""))
    return None if credentials is None else credentials.group(1)


def verify(
    method: str,
    raw_path: bytes | str,
    query: bytes | str,
    headers: Mapping[str, str],
    keys: Sequence[bytes],
    now: datetime,
) -> str:
    """Checks that a request was signed with a key of its account, and lately.

    Args:
        method: the HTTP verb in capitals.
        raw_path: path of the request target as sent.
        query: query of the request target as sent, without the question mark.
        headers: names in any case.
        keys: the bytes of the account's keys, any of which will do.
        now: the service's clock, with a time zone.

    Returns:
        The account the request is for.

    Raises:
        ServiceError: ``AuthenticationFailed``, with the reason as ``AuthenticationErrorDetail``.
    """
    known = _first_values(headers)
    credentials = _AUTHORIZATION.fullmatch(known.get("authorization", ""))
    if credentials is None:
        raise _refusal("The Authorization header is missing or is not of the form 'SharedKey account:signature'.")
    account, signature = credentials.groups()
    claimed = _decode(signature)
    _check_date(known.get("ocp-date") or known.get("date", ""), now)
    readings = (
        string_to_sign(method, raw_path, query, headers, account, lower_names=lower_names, missing_length=length)
        for length in ("0", "")
        for lower_names in (False, True)
    )
    digests = (_digest(reading, key) for reading in readings for key in keys)
    if not any(hmac.compare_digest(claimed, digest) for digest in digests):
        text = string_to_sign(method, raw_path, query, headers, account)
        raise _refusal(f"The signature is not that of a key of the account over the string to sign {text!r}.")
    return account


def _digest(text: str, key: bytes) -> bytes:
    return hmac.digest(key, text.encode("utf-8", "surrogatepass"), "sha256")


def _check_date(text: str, now: datetime) -> None:
    if not text:
        raise _refusal("Neither an ocp-date nor a Date header was sent.")
    try:
        moment = parse_time(text)
    except ValueError as error:
        raise _refusal(f"The date {text!r} is not in RFC 1123.") from error
    if abs(now - moment) > LARGEST_SKEW:
        raise _refusal(f"The date {text!r} is more than 15 minutes away from the time of the service.")


def _decode(signature: str) -> bytes:
    try:
        return base64.b64decode(signature, validate=True)
    except binascii.Error as error:
        raise _refusal("The signature is not in base64.") from error


def _first_values(headers: Mapping[str, str]) -> dict[str, str]:
    known: dict[str, str] = {}
    for name, value in headers.items():
        known.setdefault(name.lower(), value)
    return known


def _text(part: bytes | str) -> str:
    return part if isinstance(part, str) else part.decode("latin-1")


def _refusal(detail: str) -> ServiceError:
    return ServiceError("AuthenticationFailed", values=(("AuthenticationErrorDetail", detail),))
