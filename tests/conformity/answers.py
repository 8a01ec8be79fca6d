"""What every answer of the Batch data plane must look like, whatever the request: a pure check."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from localbatch.wire.errors import ERRORS
from localbatch.wire.formats import JsonObject, JsonValue
from tests.conformity.operations import Operation, find_operation
from tests.conformity.schema import violations

NEWEST = "2025-06-01"
JSON_TYPE = "application/json;odata=minimalmetadata"
MOST_CHECKED = 50
"""Items of a list that are looked at; the others come from the same function."""

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ETAG = re.compile(r"0x[0-9A-F]{15}")
_DATE = re.compile(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT")
_ERROR_TIME = re.compile(r"Time:\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z")
_ERROR_METADATA = "/$metadata#Microsoft.Azure.Batch.Protocol.Entities.Container.errors/@Element"
_VERSIONED = ("BatchPool", "BatchJob", "BatchJobSchedule", "BatchTask")
"""Resources with an etag."""
_FILE_HEADERS = ("Content-Length", "Last-Modified", "ocp-creation-time", "ocp-batch-file-isdirectory")


@dataclass(frozen=True)
class Exchange:
    """A request and its answer.

    Attributes:
        url: as sent, with the query.
        body: of the answer; None if it was not read.
    """

    verb: str
    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes | None

    @property
    def operation(self) -> Operation | None:
        """The operation that was asked for."""
        return find_operation(self.verb, urlsplit(self.url).path)

    @property
    def query(self) -> dict[str, str]:
        """The query, by names in small letters."""
        return {name.lower(): value for name, value in parse_qsl(urlsplit(self.url).query)}


def check(exchange: Exchange) -> list[str]:
    """Lists what is wrong with an answer, one line each."""
    place = f"{exchange.verb} {urlsplit(exchange.url).path} {exchange.status}"
    return [f"{place}: {violation}" for violation in _violations(exchange)]


def _violations(exchange: Exchange) -> Iterator[str]:
    yield from _common_headers(exchange.headers)
    operation = exchange.operation
    if exchange.status == 304 or (exchange.status >= 400 and exchange.verb == "HEAD"):
        yield from _empty(exchange)
    elif exchange.status >= 400:
        yield from _error(exchange)
    elif operation is None:
        yield "there is no such operation"
    elif exchange.status != operation.status:
        yield f"succeeds with {exchange.status} instead of {operation.status}"
    else:
        yield from _success(exchange, operation)


def _common_headers(headers: Mapping[str, str]) -> Iterator[str]:
    if not _UUID.fullmatch(headers.get("request-id", "")):
        yield f"request-id is {headers.get('request-id')}"
    if headers.get("DataServiceVersion") != "3.0":
        yield f"DataServiceVersion is {headers.get('DataServiceVersion')}"
    if headers.get("X-Content-Type-Options") != "nosniff":
        yield "X-Content-Type-Options is missing"
    for name, form in (("ETag", _ETAG), ("Last-Modified", _DATE), ("ocp-creation-time", _DATE)):
        if name in headers and not form.fullmatch(headers[name]):
            yield f"{name} is {headers[name]}"


def _success(exchange: Exchange, operation: Operation) -> Iterator[str]:
    yield from _missing(exchange.headers, _expected_headers(operation))
    if operation.kind in ("created", "changed", "deleted", "exists"):
        yield from _empty(exchange)
    elif operation.kind == "file":
        if "ETag" in exchange.headers:
            yield "files have no ETag"
    elif exchange.headers.get("Content-Type") != JSON_TYPE:
        yield f"Content-Type is {exchange.headers.get('Content-Type')}"
    else:
        yield from _document(exchange, operation)


def _expected_headers(operation: Operation) -> tuple[str, ...]:
    version = ("ETag", "Last-Modified") if _is_versioned(operation) else ()
    match operation.kind:
        case "created":
            return ("Location", "DataServiceId", *version)
        case "changed":
            return ("DataServiceId", *version)
        case "exists" | "element":
            return version
        case "file":
            return _FILE_HEADERS
    return ()


def _is_versioned(operation: Operation) -> bool:
    if operation.kind == "element":
        return operation.model in _VERSIONED
    return "/nodes/" not in operation.path


def _missing(headers: Mapping[str, str], names: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        if name not in headers:
            yield f"{name} is missing"


def _empty(exchange: Exchange) -> Iterator[str]:
    if exchange.body:
        yield f"has a body: {exchange.body[:100]!r}"


def _document(exchange: Exchange, operation: Operation) -> Iterator[str]:
    if exchange.body is None:
        return
    document: JsonObject = json.loads(exchange.body)
    metadata = document.pop("odata.metadata", None)
    if not isinstance(metadata, str) or "/$metadata#" not in metadata:
        yield f"odata.metadata is {metadata}"
    # A selection leaves out what is required, and older versions have names of their own.
    whole = "$select" not in exchange.query
    strict = exchange.query.get("api-version") == NEWEST
    for item in _items(document) if operation.kind == "list" else [document]:
        yield from violations(item, operation.model, strict=strict, whole=whole)
    if operation.kind == "list" and set(document) - {"odata.nextLink"} != {"value"}:
        yield f"a list has {sorted(document)}"
    etag = document.get("eTag")
    if etag is not None and etag != exchange.headers.get("ETag"):
        yield f"eTag is {etag} and the header {exchange.headers.get('ETag')}"


def _items(document: JsonObject) -> list[JsonValue]:
    value = document.get("value")
    return value[:MOST_CHECKED] if isinstance(value, list) else [value]


def _error(exchange: Exchange) -> Iterator[str]:
    if exchange.headers.get("Content-Type") != JSON_TYPE:
        yield f"Content-Type of an error is {exchange.headers.get('Content-Type')}"
    if exchange.body is None:
        return
    document: JsonObject = json.loads(exchange.body)
    yield from violations(document, "BatchError", strict=False)
    if set(document) - {"values"} != {"odata.metadata", "code", "message"}:
        yield f"an error has {sorted(document)}"
    if not str(document.get("odata.metadata")).endswith(_ERROR_METADATA):
        yield f"odata.metadata of an error is {document.get('odata.metadata')}"
    yield from _error_code(exchange.status, str(document.get("code")))
    yield from _error_message(exchange.headers, document.get("message"))


def _error_code(status: int, code: str) -> Iterator[str]:
    expected, _ = ERRORS.get(code, (None, ""))
    if status != expected:
        yield f"{code} is answered with {status} instead of {expected}"


def _error_message(headers: Mapping[str, str], message: JsonValue) -> Iterator[str]:
    text = message.get("value") if isinstance(message, dict) and message.get("lang") == "en-US" else None
    lines = text.split("\n") if isinstance(text, str) else []
    if len(lines) < 3 or lines[-2] != f"RequestId:{headers.get('request-id')}" or not _ERROR_TIME.fullmatch(lines[-1]):
        yield f"the message of an error is {message}"
