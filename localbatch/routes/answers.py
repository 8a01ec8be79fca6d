"""Responses in the forms of the service."""

import json
from collections.abc import Mapping
from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response

from localbatch.routes.call import Call
from localbatch.wire.errors import ServiceError, error_body
from localbatch.wire.formats import REASON_HEADER, JsonObject, format_http_date, make_etag
from localbatch.wire.shapes import OLDER_POOL_NAMES

_NO_BODY = (204, 304)
JSON_TYPE = "application/json;odata=minimalmetadata"


class JsonResponse(Response):
    """A JSON document."""

    media_type = JSON_TYPE

    def render(self, content: JsonObject) -> bytes:
        """Writes the document as ASCII, which holds every name a file can have."""
        return json.dumps(content, separators=(",", ":"), allow_nan=False).encode("ascii")


def element(call: Call, kind: str, document: JsonObject, modified: datetime | None = None) -> Response:
    """Answers with one resource.

    Args:
        call: the request.
        kind: fragment of the metadata link, such as ``pools``.
        document: the resource.
        modified: when it was last changed, for etag and date; None if the resource has none.
    """
    headers = {} if modified is None else version_headers(modified)
    shown = {"odata.metadata": f"{call.base_url}/$metadata#{kind}/@Element", **for_version(call, document)}
    return JsonResponse(shown, headers=headers)


def for_version(call: Call, document: JsonObject) -> JsonObject:
    """Leaves out what the version asked for does not know."""
    if call.is_older or OLDER_POOL_NAMES.isdisjoint(document):
        return document
    return {name: value for name, value in document.items() if name not in OLDER_POOL_NAMES}


def created(call: Call, url: str, modified: datetime) -> Response:
    """Answers that a resource was made."""
    return Response(status_code=201, headers={**resource_headers(url, modified), "Location": url})


def changed(call: Call, modified: datetime, *, status: int = 200) -> Response:
    """Answers that a resource was changed, or that a change of it has begun (202)."""
    return Response(status_code=status, headers=resource_headers(call.url, modified))


def named(url: str, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Answers with the link to what a command was about, which has no version."""
    return Response(status_code=status, headers={"DataServiceId": url, **(headers or {})})


def done(*, status: int = 200) -> Response:
    """Answers that there is nothing more to say."""
    return Response(status_code=status)


def resource_headers(url: str, modified: datetime) -> dict[str, str]:
    """Makes the headers that name a resource and its version."""
    return {"DataServiceId": url, **version_headers(modified)}


def version_headers(modified: datetime) -> dict[str, str]:
    """Makes the headers that tell a resource's version. The service leaves the quotes of the etag out."""
    return {"ETag": make_etag(modified), "Last-Modified": format_http_date(modified)}


def add_service_headers(request: Request, response: Response, request_id: str) -> None:
    """Adds what every answer has."""
    headers = response.headers
    headers["Server"] = "localbatch"
    headers["request-id"] = request_id
    headers["DataServiceVersion"] = "3.0"
    headers["X-Content-Type-Options"] = "nosniff"
    client_id = request.headers.get("client-request-id")
    if client_id and request.headers.get("return-client-request-id", "").lower() == "true":
        headers["client-request-id"] = client_id


def refused(error: ServiceError, base_url: str, request_id: str, now: datetime) -> Response:
    """Answers that a request is refused. As on Azure the first line of the answer says why, too.

    Args:
        error: the refusal.
        base_url: the service as the client reaches it.
        request_id: the id of the request.
        now: the moment of the answer.
    """
    headers = {REASON_HEADER: error.reason}
    if error.status in _NO_BODY:
        return Response(status_code=error.status, headers=headers)
    return JsonResponse(error_body(error, base_url, request_id, now), status_code=error.status, headers=headers)
