"""The data plane as one route: who calls, for which version, which operation; and what is answered if it goes wrong."""

import logging
import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import unquote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from localbatch.engine.clock import Clock
from localbatch.routes.answers import add_service_headers, refused
from localbatch.routes.call import Call, Handler
from localbatch.routes.queries import check_query, read_query, read_version
from localbatch.service.authentication import Authentication
from localbatch.wire.errors import ServiceError
from localbatch.wire.shapes import BODIES
from localbatch.wire.tokens import AUTHORITY, BATCH_AUDIENCE

_CHALLENGE = f'Bearer authorization_uri="{AUTHORITY}", resource_id="{BATCH_AUDIENCE}"'
_VERBS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT")

logger = logging.getLogger("localbatch")


@dataclass(frozen=True)
class _Operation:
    """One row of the table. The last part of a path may be ``{name*}``, which takes all that is left."""

    verb: str
    path: str
    handler: Handler

    @property
    def model(self) -> str | None:
        """The form of its body."""
        return BODIES.get((self.verb, self.path))

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        pieces = re.split(r"({\w+\*?})", self.path)
        return re.compile("".join(_piece(each) for each in pieces), re.IGNORECASE)

    def match(self, path: str) -> dict[str, str] | None:
        """Returns the variable parts of a path, None if the path is another operation's."""
        # Before decoding: an escaped slash belongs to a name.
        found = self._pattern.fullmatch(path)
        return found and {name: self._decode(name, value) for name, value in found.groupdict().items()}

    def _decode(self, name: str, value: str) -> str:
        # Names of files need not be text.
        return unquote(value, errors="surrogateescape" if f"{{{name}*}}" in self.path else "replace")


def _piece(text: str) -> str:
    if not text.startswith("{"):
        return re.escape(text)
    name = text.strip("{*}")
    return f"(?P<{name}>.+)" if text.endswith("*}") else f"(?P<{name}>[^/]+)"


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
        self._operations = [_Operation(verb, path, handler) for verb, path, handler in operations]
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
            request.method, scope["raw_path"], scope["query_string"], request.headers, self._clock.real()
        )
        query = read_query(scope["query_string"])
        version = read_version(query)
        operation, names = self._find(request.method, scope["raw_path"])
        call = Call(request, account, version, _base_url(request), names, query, operation.model)
        check_query(query, operation.verb, operation.path, older=call.is_older)
        return await operation.handler(call)

    def _find(self, verb: str, raw_path: bytes) -> tuple[_Operation, dict[str, str]]:
        path = raw_path.decode("latin-1")
        known = False
        for operation in self._operations:
            names = operation.match(path)
            if names is not None and operation.verb == verb:
                return operation, names
            known = known or names is not None
        if verb not in _VERBS:
            raise ServiceError("InvalidHttpVerb")
        raise ServiceError("UnsupportedHttpVerb" if known else "InvalidUri")

    def _refuse(self, request: Request, request_id: str, error: ServiceError) -> Response:
        response = refused(error, _base_url(request), request_id, self._clock.now())
        if error.status == 401:
            response.headers["WWW-Authenticate"] = _CHALLENGE
        return response


def _base_url(request: Request) -> str:
    return f"{request.url.scheme}://{request.headers.get('host', request.url.netloc)}"
