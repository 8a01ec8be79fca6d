"""The status page, for people: static files for everybody, and what they show for those who have its token.

Requests to the page are not signed: browsers can't. Instead the service makes a token with each start, and tells it to
its owner alone. The page sends it in a header of its own, which no other page can make a browser send: a cookie would
be sent to every service of this machine, whatever its port. All that is answered here is read-only, may be shown in no
frame, and may run no script but the page's own; what tasks have written is never anything but plain text.
"""

import hmac
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from localbatch.engine.engine import Engine
from localbatch.service.status import Status, list_files, read_tail
from localbatch.wire.errors import ServiceError
from localbatch.wire.formats import JsonObject

FILES = Path(__file__).parent / "page"
TOKEN_HEADER = "localbatch-page-token"

_PREFIX = "/localbatch/"
_STATIC = f"{_PREFIX}page/"
_DATA = f"{_PREFIX}status/"
_INDEX = "index.html"
_CONFLICT = 409
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
# Not left to the machine's own tables.
_TYPES = {".css": "text/css", ".html": "text/html", ".js": "text/javascript", ".svg": "image/svg+xml"}


class PageRoute(BaseRoute):
    """Serves ``/`` and everything below ``/localbatch``, unless the request is signed.

    Args:
        engine: what is shown.
        token: what those must know who may see it.
    """

    def __init__(self, engine: Engine, token: str) -> None:
        self._status, self._token = Status(engine), token.encode()
        self._files = {path.name: (path.read_bytes(), _TYPES[path.suffix]) for path in FILES.iterdir()}
        self._data: Mapping[str, Callable[[Request], Awaitable[Response]]] = {
            "overview": self._overview,
            "node": self._node,
            "tasks": self._tasks,
            "task": self._task,
            "files": self._list_files,
            "file": self._read_file,
        }

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Takes what no client of Batch asks for."""
        if scope["type"] != "http" or not (scope["path"] == "/" or scope["path"].startswith(_PREFIX)):
            return Match.NONE, {}
        signed = any(name == b"authorization" for name, _ in scope["headers"])
        return (Match.NONE if signed else Match.FULL), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except ServiceError as error:
            response = _json({"code": error.code, "message": error.message}, status=error.status)
        response.headers.update(_HEADERS)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if request.method not in ("GET", "HEAD"):
            raise ServiceError("UnsupportedHttpVerb")
        path: str = request.scope["path"]
        if not path.startswith(_DATA):
            return self._static(_INDEX if path == "/" else path.removeprefix(_STATIC))
        if not hmac.compare_digest(request.headers.get(TOKEN_HEADER, "").encode(), self._token):
            raise ServiceError("AuthenticationFailed", "The page's token is missing or is not that of this start.")
        data = self._data.get(path.removeprefix(_DATA))
        if data is None:
            raise ServiceError("ResourceNotFound")
        return await data(request)

    def _static(self, name: str) -> Response:
        if name not in self._files:
            raise ServiceError("ResourceNotFound")
        content, kind = self._files[name]
        return Response(content, media_type=kind)

    async def _overview(self, request: Request) -> Response:
        return _json(self._status.overview(_parameter(request, "account")))

    async def _node(self, request: Request) -> Response:
        number = _number(request, "node")
        return _json(self._status.node(_parameter(request, "account"), _parameter(request, "pool"), number))

    async def _tasks(self, request: Request) -> Response:
        account, job_id = _parameter(request, "account"), _parameter(request, "job")
        return _json(self._status.tasks(account, job_id, _parameter(request, "kind"), _number(request, "after")))

    async def _task(self, request: Request) -> Response:
        return _json(self._status.task(*_names(request)))

    async def _list_files(self, request: Request) -> Response:
        try:
            tree = self._status.tree(*_names(request))
        except ServiceError as error:
            if error.status != _CONFLICT:
                raise
            # A task that waits is nothing unusual.
            return _json({"files": [], "count": 0, "message": error.message})
        return _json(await run_in_threadpool(list_files, tree))

    async def _read_file(self, request: Request) -> Response:
        tail = await run_in_threadpool(read_tail, self._status.tree(*_names(request)), _parameter(request, "name"))
        # Whatever it is, to the browser it is text.
        return Response(tail.content, media_type="text/plain", headers={"Localbatch-File-Size": str(tail.size)})


def _json(document: JsonObject, *, status: int = 200) -> Response:
    content = json.dumps(document, separators=(",", ":"), allow_nan=False)
    return Response(content, status_code=status, media_type="application/json")


def _parameter(request: Request, name: str) -> str:
    return request.query_params.get(name, "")


def _names(request: Request) -> tuple[str, str, str]:
    return _parameter(request, "account"), _parameter(request, "job"), _parameter(request, "task")


def _number(request: Request, name: str) -> int:
    text = _parameter(request, name)
    if text and not (text.isascii() and text.isdigit() and len(text) < 19):
        raise ServiceError("InvalidQueryParameterValue")
    return int(text or 0)
