"""What is refused of a request before anything reads on: hosts that are not ours, and heads that leave room for doubt.

A page in a browser can have a name of its own lead to this machine (DNS rebinding); its requests carry that name in
their ``Host`` header. An address, or a name that can only mean this machine, can't be made to lead elsewhere.
"""

import ipaddress
import re
import uuid
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from localbatch.engine.clock import Clock
from localbatch.routes.answers import add_service_headers, refused
from localbatch.wire.errors import ServiceError
from localbatch.wire.formats import format_http_date

MOST_HEADERS = 100
LONGEST_HEADERS = 32 * 1024
_HOST = re.compile(r"(?P<name>[^\[\]:/?#@\s]+|\[(?P<address>[0-9A-Fa-f:.]+)\])(?::[0-9]{1,5})?")
_ONLY_ONCE = frozenset(
    {
        *("authorization", "content-length", "content-type", "date", "host", "if-match", "if-modified-since"),
        *("if-none-match", "if-unmodified-since", "ocp-date", "ocp-range", "transfer-encoding"),
    }
)
_WITH_BODY = ("POST", "PUT", "PATCH")


@dataclass(frozen=True)
class Hosts:
    """By which names the service may be called.

    Attributes:
        names: host names, in small letters, besides ``localhost`` and all that ends with it.
        remote: whether addresses that other machines can reach are ours, too.
    """

    names: Collection[str] = ()
    remote: bool = False

    def includes(self, header: str) -> bool:
        """Tells whether a ``Host`` header names this service."""
        found = _HOST.fullmatch(header)
        if found is None:
            return False
        name = (found["address"] or found["name"]).lower().removesuffix(".")
        try:
            return ipaddress.ip_address(name).is_loopback or self.remote
        except ValueError:
            return name == "localhost" or name.endswith(".localhost") or name in self.names


class Dated:
    """The application, whose answers tell the time of a clock that is not this machine's.

    Args:
        app: the application.
        clock: the service's clock.
    """

    def __init__(self, app: ASGIApp, clock: Clock) -> None:
        self._app, self._clock = app, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Has one request answered."""

        async def dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                date = format_http_date(self._clock.real()).encode()
                message = {**message, "headers": [*message["headers"], (b"date", date)]}
            await send(message)

        await self._app(scope, receive, dated)


class Gate:
    """The application behind a check of each request's head.

    Args:
        app: the application.
        hosts: by which names it may be called.
        clock: the service's clock.
    """

    def __init__(self, app: ASGIApp, hosts: Hosts, clock: Clock) -> None:
        self._app, self._hosts, self._clock = app, hosts, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, or has it answered."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        try:
            check_head(scope["method"], headers, self._hosts)
        except ServiceError as error:
            request_id = str(uuid.uuid4())
            # Nothing of a head like this is worth repeating.
            response = refused(error, "", request_id, self._clock.now())
            add_service_headers(Request(scope), response, request_id)
            response.headers["Connection"] = "close"
            await response(scope, receive, send)
            return
        await self._app(scope, receive, send)


def check_head(verb: str, headers: Iterable[tuple[str, str]], hosts: Hosts) -> None:
    """Refuses a request by its head.

    Args:
        verb: the HTTP verb.
        headers: names in small letters, and values, in the order in which they came.
        hosts: by which names the service may be called.

    Raises:
        ServiceError: ``InvalidHeaderValue`` or ``MissingContentLengthHeader``.
    """
    fields = list(headers)
    if len(fields) > MOST_HEADERS:
        raise _invalid("*", str(len(fields)), f"There may be at most {MOST_HEADERS} headers.")
    length = sum(len(name) + len(value) for name, value in fields)
    if length > LONGEST_HEADERS:
        raise _invalid("*", str(length), f"All headers together may have at most {LONGEST_HEADERS} characters.")
    counts = Counter(name for name, _ in fields)
    for name in sorted(_ONLY_ONCE & counts.keys()):
        if counts[name] > 1:
            raise _invalid(name, ", ".join(value for each, value in fields if each == name), "It may come only once.")
    values = dict(fields)
    host = values.get("host")
    if host is not None and not hosts.includes(host):
        raise _invalid("host", host, "It is none of the names of this service.")
    if "transfer-encoding" in values or (verb in _WITH_BODY and "content-length" not in values):
        raise ServiceError("MissingContentLengthHeader")


def _invalid(name: str, value: str, reason: str) -> ServiceError:
    return ServiceError("InvalidHeaderValue", values=(("HeaderName", name), ("HeaderValue", value), ("Reason", reason)))
