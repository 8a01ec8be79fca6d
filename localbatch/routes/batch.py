"""The data plane as one route: who calls, for which version, which operation; and what is answered if it goes wrong."""

import logging
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from localbatch.clock import Clock
from localbatch.errors import ServiceError, error_body, invalid_query_parameter
from localbatch.routes.answers import JsonResponse, add_service_headers
from localbatch.routes.call import VERSIONS, Call, Handler
from localbatch.service.authentication import Authentication
from localbatch.shapes import BODIES
from localbatch.tokens import AUTHORITY, BATCH_AUDIENCE

_NO_BODY = (204, 304)
_CHALLENGE = f'Bearer authorization_uri="{AUTHORITY}", resource_id="{BATCH_AUDIENCE}"'
_VERBS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT")

logger = logging.getLogger("localbatch")


@dataclass(frozen=True)
class _Operation:
    """One row of the table. The last part of a path may be ``{name*}``, which takes all that is left."""

    verb: str
    parts: tuple[str, ...]
    handler: Handler
    model: str | None

    def match(self, parts: list[str]) -> dict[str, str] | None:
        """Returns the variable parts of a path, None if the path is another operation's."""
        names: dict[str, str] = {}
        for place, part in enumerate(self.parts):
            if part.endswith("*}") and len(parts) > place:
                # Names of files need not be text.
                names[part[1:-2]] = "/".join(unquote(each, errors="surrogateescape") for each in parts[place:])
                return names
            if place >= len(parts) or not parts[place]:
                return None
            if part.startswith("{"):
                names[part[1:-1]] = unquote(parts[place])
            elif part != parts[place].lower():
                return None
        return names if len(parts) == len(self.parts) else None


class BatchRoute(BaseRoute):
    """Serves every path.

    Args:
        operations: verb, path and handler of each operation.
        authentication: what finds out who calls.
        clock: the service's clock.
    """

    def __init__(
        self, operations: Iterable[tuple[str, str, Handler]], authentication: Authentication, clock: Clock
    ) -> None:
        self._operations = [
            _Operation(verb, tuple(path.strip("/").split("/")), handler, BODIES.get((verb, path)))
            for verb, path, handler in operations
        ]
        self._authentication, self._clock = authentication, clock

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Takes all there is."""
        return (Match.FULL if scope["type"] == "http" else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        request = Request(scope, receive)
        request_id = str(uuid.uuid4())
        try:
            response = await self._answer(request)
        except ServiceError as error:
            response = self._refuse(request, request_id, error)
        except ClientDisconnect:
            return
        except Exception:
            logger.exception("Internal error in %s %s", request.method, scope["path"])
            response = self._refuse(request, request_id, ServiceError("InternalError"))
        add_service_headers(request, response, request_id)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        scope = request.scope
        account = self._authentication.find_account(
            request.method, scope["raw_path"], scope["query_string"], request.headers, self._clock.now()
        )
        query = _read_query(scope["query_string"])
        version = _check_version(query)
        operation, names = self._find(request.method, scope["raw_path"])
        call = Call(request, account, version, _base_url(request), names, query, operation.model)
        return await operation.handler(call)

    def _find(self, verb: str, raw_path: bytes) -> tuple[_Operation, dict[str, str]]:
        # Split before decoding: an escaped slash belongs to a name.
        parts = raw_path.decode("latin-1").removeprefix("/").split("/")
        known = False
        for operation in self._operations:
            names = operation.match(parts)
            if names is not None and operation.verb == verb:
                return operation, names
            known = known or names is not None
        if verb not in _VERBS:
            raise ServiceError("InvalidHttpVerb")
        raise ServiceError("UnsupportedHttpVerb" if known else "InvalidUri")

    def _refuse(self, request: Request, request_id: str, error: ServiceError) -> Response:
        if error.status in _NO_BODY:
            return Response(status_code=error.status)
        body = error_body(error, _base_url(request), request_id, self._clock.now())
        headers = {"WWW-Authenticate": _CHALLENGE} if error.status == 401 else {}
        return JsonResponse(body, status_code=error.status, headers=headers)


def _base_url(request: Request) -> str:
    return f"{request.url.scheme}://{request.headers.get('host', request.url.netloc)}"


def _read_query(raw: bytes) -> dict[str, str]:
    """Reads the query by lower-case names: clients differ in how they write them."""
    query: dict[str, str] = {}
    for name, value in parse_qsl(raw.decode("latin-1"), keep_blank_values=True, errors="surrogateescape"):
        query.setdefault(name.lower(), value)
    return query


def _check_version(query: dict[str, str]) -> str:
    version = query.get("api-version")
    if not version:
        raise ServiceError("MissingRequiredQueryParameter", values=(("QueryParameterName", "api-version"),))
    if version not in VERSIONS:
        raise invalid_query_parameter("api-version", version, f"It must be one of {', '.join(VERSIONS)}.")
    return version
