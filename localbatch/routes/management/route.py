"""The management plane as one route: who calls, for which version, which operation; and what is answered otherwise.

Source: the Batch management REST reference, API version 2025-06-01. The codes of conflicts are not documented there;
those that the data plane does not have are of our choosing.
"""

import logging
import re
from collections.abc import Iterable
from datetime import UTC, datetime

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from localbatch.routes.management.answers import ManagementError, error_response, from_service
from localbatch.routes.management.call import ArmCall, ArmHandler
from localbatch.wire.errors import ServiceError
from localbatch.wire.tokens import MANAGEMENT_AUDIENCES, TokenError, check_token

_VERSIONS = (
    *("2021-01-01", "2021-06-01", "2022-01-01", "2022-06-01", "2022-10-01"),
    *("2023-05-01", "2023-11-01", "2024-02-01", "2024-07-01", "2025-06-01"),
)
_PREFIXES = ("/subscriptions/", "/providers/")
_NAMES = {
    "account": ("[a-z0-9]{3,24}", "3 to 24 letters and digits"),
    "application": ("[a-z0-9_-]{1,64}", "1 to 64 letters, digits, hyphens and underscores"),
    "version": (
        "[a-z0-9_-][a-z0-9_.-]{0,63}",
        "1 to 64 letters, digits, hyphens, underscores and periods, no period first",
    ),
    "pool": ("[a-z0-9_-]{1,64}", "1 to 64 letters, digits, hyphens and underscores"),
}
"""What the names in a path may be, and how to say so."""

logger = logging.getLogger("localbatch")


class ManagementRoute(BaseRoute):
    """Serves every path below ``/subscriptions`` and ``/providers``, in any case, as ARM does.

    Args:
        operations: verb, path with ``{name}`` for its variable parts, and handler of each operation.
        token_key: what bearer tokens are signed with.
    """

    def __init__(self, operations: Iterable[tuple[str, str, ArmHandler]], token_key: bytes) -> None:
        self._table = [(verb, _compile(path), handler) for verb, path, handler in operations]
        self._token_key = token_key

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Takes what is ARM's."""
        ours = scope["type"] == "http" and scope["path"].lower().startswith(_PREFIXES)
        return (Match.FULL if ours else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except ManagementError as error:
            response = error_response(error, datetime.now(UTC))
        except ServiceError as error:
            response = error_response(from_service(error), datetime.now(UTC))
        except ClientDisconnect:
            return
        except Exception:
            logger.exception("Internal error in %s %s", request.method, scope["path"])
            internal = ManagementError(500, "InternalServerError", "The server encountered an internal error.")
            response = error_response(internal, datetime.now(UTC))
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        _check_authorization(request.headers.get("authorization", ""), self._token_key)
        query = {name.lower(): value for name, value in request.query_params.items()}
        _check_version(query.get("api-version"))
        allowed = []
        for verb, path, handler in self._table:
            found = path.fullmatch(request.scope["path"])
            if found and verb == request.method:
                _check_names(found.groupdict(), request)
                return await handler(ArmCall(request, found.groupdict(), query, datetime.now(UTC)))
            allowed += [verb] if found else []
        if allowed:
            raise ManagementError(405, "MethodNotAllowed", f"This resource allows {', '.join(allowed)}.")
        raise _no_resource(request)


def _compile(path: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", path)
    pieces = [f"(?P<{part}>[^/]+)" if place % 2 else re.escape(part) for place, part in enumerate(parts)]
    return re.compile("".join(pieces) + "/?", re.IGNORECASE)


def _check_names(names: dict[str, str], request: Request) -> None:
    for part, name in names.items():
        pattern, words = _NAMES.get(part, (".+", ""))
        if re.fullmatch(pattern, name, re.IGNORECASE):
            continue
        if request.method != "PUT":
            raise _no_resource(request)
        message = f"The name {name!r} is invalid. The name of this kind of resource has {words}."
        raise ManagementError(400, "InvalidResourceName", message)


def _no_resource(request: Request) -> ManagementError:
    return ManagementError(404, "ResourceNotFound", f"There is no resource {request.url.path}.")


def _check_authorization(authorization: str, token_key: bytes) -> None:
    if not authorization:
        message = "Authentication failed. The 'Authorization' header is missing."
        raise ManagementError(401, "AuthenticationFailed", message)
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise ManagementError(401, "AuthenticationFailed", "Authentication failed. A bearer token is needed.")
    try:
        check_token(token.strip(), token_key, MANAGEMENT_AUDIENCES)
    except TokenError as error:
        raise ManagementError(401, error.code, str(error)) from error


def _check_version(version: str | None) -> None:
    if version is None:
        message = "The api-version query parameter (?api-version=) is required for all requests."
        raise ManagementError(400, "MissingApiVersionParameter", message)
    if version not in _VERSIONS:
        message = f"The api-version '{version}' is invalid. The supported versions are '{','.join(_VERSIONS)}'."
        raise ManagementError(400, "InvalidApiVersionParameter", message)
