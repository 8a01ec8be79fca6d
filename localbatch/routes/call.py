"""One authorised request."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from starlette.requests import Request
from starlette.responses import Response

from localbatch.bodies.reading import parse_json
from localbatch.service.conditions import Conditions, read_conditions
from localbatch.wire.errors import ServiceError, invalid_query_parameter
from localbatch.wire.formats import JsonObject
from localbatch.wire.shapes import conform

NEWEST_VERSION = "2025-06-01"
VERSIONS = (
    NEWEST_VERSION,
    *("2024-07-01.20.0", "2024-02-01.19.0", "2023-11-01.18.0", "2023-05-01.17.0", "2022-10-01.16.0"),
    *("2022-01-01.15.0", "2021-06-01.14.0", "2020-09-01.12.0"),
)
"""The newest, and those that azure-batch 10 to 14.2 and other clients of their time send."""
LARGEST_BODY = 1024 * 1024
_CHARSET = re.compile(r"charset\s*=\s*\"?([^\s;\"]*)")
_MOST_DISCARDED = 64 * LARGEST_BODY


@dataclass(frozen=True)
class Call:
    """A request, and what was found out about it.

    Attributes:
        account: the account that signed it.
        version: the API version it asks for.
        base_url: the service as the client reaches it, without a slash at the end.
        names: the variable parts of its path, decoded.
        query: its query parameters; the first value of each counts.
        model: the form of its body; None if it is not checked as a whole.
    """

    request: Request
    account: str
    version: str
    base_url: str
    names: dict[str, str]
    query: dict[str, str]
    model: str | None = None

    @property
    def is_older(self) -> bool:
        """Whether it is of a version before the newest."""
        return self.version != NEWEST_VERSION

    @property
    def url(self) -> str:
        """The resource as the client named it, without the query."""
        return f"{self.base_url}{self.request.scope['raw_path'].decode('latin-1')}"

    @property
    def conditions(self) -> Conditions:
        """What the request depends on."""
        return read_conditions(self.request.headers, reading=self.request.method in ("GET", "HEAD"))

    def check(self, modified: datetime) -> None:
        """Refuses the request if its conditions are not met by a resource last changed then."""
        self.conditions.check(modified)

    def flag(self, name: str) -> bool:
        """Reads a query parameter that is true or false.

        Raises:
            ServiceError: ``InvalidQueryParameterValue``.
        """
        value = self.query.get(name, "false")
        if value.lower() not in ("true", "false"):
            raise invalid_query_parameter(name, value, "It must be true or false.")
        return value.lower() == "true"

    async def read_json(self, *, optional: bool = False) -> JsonObject:
        """Reads the body.

        Args:
            optional: an empty body counts as an empty object.

        Raises:
            ServiceError: ``RequestBodyTooLarge``, ``InvalidHeaderValue``, ``InvalidRequestBody``, or what is wrong with
                a property.
        """
        raw = await self._read()
        if not raw.strip():
            if optional:
                return {}
            raise ServiceError("InvalidRequestBody", values=(("Reason", "There is no body."),))
        _check_content_type(self.request.headers.get("content-type", ""))
        document = parse_json(raw)
        return document if self.model is None else conform(document, self.model, older=self.is_older)

    async def _read(self) -> bytes:
        body = bytearray()
        received = 0
        async for piece in self.request.stream():
            received += len(piece)
            if received <= LARGEST_BODY:
                body += piece
            elif received > _MOST_DISCARDED:
                break
        # What is too large is read all the same: many clients hear an answer only when they have sent everything.
        if received > LARGEST_BODY:
            raise ServiceError("RequestBodyTooLarge", values=(("MaxLimit", str(LARGEST_BODY)),))
        return bytes(body)


def _check_content_type(header: str) -> None:
    kind, _, parameters = header.lower().partition(";")
    charsets = _CHARSET.findall(parameters)
    if kind.strip() != "application/json" or any(charset not in ("utf-8", "utf8") for charset in charsets):
        reason = "It must be application/json, in UTF-8."
        values = (("HeaderName", "Content-Type"), ("HeaderValue", header), ("Reason", reason))
        raise ServiceError("InvalidHeaderValue", values=values)


Handler: TypeAlias = Callable[[Call], Awaitable[Response]]
