"""Bearer tokens of the local Azure: JSON Web Tokens as Microsoft Entra ID issues them, signed by a key of our own.

Entra ID can't be asked on this machine, so the launcher makes the tokens and the service checks them: signature,
issuer, audience, time from which and until which they hold. Both know the key from a file in the root directory.
Source: "Access tokens in the Microsoft identity platform", version 1.0 of their claims.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

import jwt

BATCH_AUDIENCE = "https://batch.core.windows.net/"
MANAGEMENT_AUDIENCES = ("https://management.azure.com/", "https://management.core.windows.net/")
TENANT = "00000000-0000-0000-0000-00000000ba7c"
AUTHORITY = f"https://login.microsoftonline.com/{TENANT}/oauth2/authorize"
"""Where Azure tells clients to ask for tokens; nothing of the local Azure answers there."""

LIFETIME = timedelta(hours=1)
_ISSUER = f"https://sts.windows.net/{TENANT}/"
_CLIENT = "00000000-0000-0000-0000-000000000001"
_ALGORITHM = "HS256"
_REQUIRED = ("aud", "exp", "iss", "nbf")
_SCOPE_SUFFIX = "/.default"


class TokenError(Exception):
    """A token is refused; the message says why and shows nothing of it.

    Attributes:
        code: the code under which Azure Resource Manager refuses it.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def audience_of(scope: str) -> str:
    """Returns the audience that a scope such as ``https://batch.core.windows.net//.default`` asks for."""
    return scope.removesuffix(_SCOPE_SUFFIX)


def make_token(key: bytes, audience: str, begin: datetime, lifetime: timedelta = LIFETIME) -> str:
    """Makes a token.

    Args:
        key: what it is signed with.
        audience: the service it is for.
        begin: from when it holds.
        lifetime: how long it holds.
    """
    who = {"appid": _CLIENT, "oid": _CLIENT, "sub": _CLIENT, "idtyp": "app"}
    when = {"iat": begin, "nbf": begin, "exp": begin + lifetime}
    claims = {"aud": audience, "iss": _ISSUER, "tid": TENANT, "ver": "1.0", **who, **when}
    return jwt.encode(claims, key, _ALGORITHM)


def check_token(token: str, key: bytes, audiences: Iterable[str]) -> None:
    """Checks a token.

    Args:
        token: as it stands behind ``Bearer``.
        key: what it must be signed with.
        audiences: the services it may be for; a slash at the end does not count.

    Raises:
        TokenError: it is no token, or signed by somebody else, or for another service, or does not hold now.
    """
    accepted = [form for audience in audiences for form in (audience.rstrip("/"), f"{audience.rstrip('/')}/")]
    try:
        jwt.decode(token, key, [_ALGORITHM], audience=accepted, issuer=_ISSUER, options={"require": list(_REQUIRED)})
    except jwt.InvalidTokenError as error:
        raise TokenError(*_REASONS.get(type(error), (_INVALID, "The access token is invalid."))) from error


_INVALID = "InvalidAuthenticationToken"
_REASONS: dict[type[jwt.InvalidTokenError], tuple[str, str]] = {
    jwt.ExpiredSignatureError: ("ExpiredAuthenticationToken", "The access token has expired."),
    jwt.ImmatureSignatureError: (_INVALID, "The access token is not valid yet."),
    jwt.InvalidAudienceError: (
        "InvalidAuthenticationTokenAudience",
        "The access token has been obtained for the wrong audience.",
    ),
    jwt.InvalidIssuerError: ("InvalidAuthenticationTokenIssuer", "The access token is from the wrong issuer."),
    jwt.InvalidSignatureError: (_INVALID, "The signature of the access token is invalid."),
    jwt.MissingRequiredClaimError: (_INVALID, "The access token lacks a claim."),
}
