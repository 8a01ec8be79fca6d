"""Lists by pages, with ``$filter`` and ``$select``.

A page goes on behind the last row looked at, by a key that only grows: rows added or removed meanwhile shift nothing. A
page may hold fewer rows than asked for while there are more, as with any OData service: a filter that lets little
through is not allowed to look at everything within one request.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Generic, Protocol, TypeVar
from urllib.parse import quote, urlencode

from starlette.responses import Response

from localbatch.routes.answers import JsonResponse, for_version
from localbatch.routes.call import Call
from localbatch.wire.errors import ServiceError, invalid_query_parameter
from localbatch.wire.filters import Predicate, Rules, compile_filter, select
from localbatch.wire.formats import JsonObject, JsonValue

LARGEST_PAGE = 1000
_SCANNED_AT_ONCE = 500
_MOST_SCANNED = 5000
_TOKEN = "$skiptoken"


class _Row(Protocol):
    @property
    def seq(self) -> int: ...


Row = TypeVar("Row", bound=_Row)


class Listing(Generic[Row]):
    """One kind of list.

    Args:
        kind: fragment of the metadata link, such as ``pools``.
        rules: what a filter may name.
        fetch: returns at most so many rows (second argument) behind a key (first argument).
        view: shows a row.
    """

    def __init__(
        self,
        kind: str,
        rules: Rules,
        fetch: Callable[[int, int], Iterable[Row]],
        view: Callable[[Row], JsonObject],
    ) -> None:
        self._kind, self._rules, self._fetch, self._view = kind, rules, fetch, view

    def answer(self, call: Call) -> Response:
        """Answers with one page."""
        expands_statistics(call)
        limit = page_size(call)
        after = skip_number(call)
        text = call.query.get("$filter", "")
        passes = compile_filter(text, self._rules)
        # Without a filter a page is what was fetched; with one, rows are looked at in larger lots.
        lot = _SCANNED_AT_ONCE if text.strip() else limit
        selected = call.query.get("$select")
        # A selection that means nothing is refused even where there is nothing to select from.
        select({}, selected)
        documents, last = self._collect(after, limit, lot, passes)
        more = last is not None and bool(list(self._fetch(last, 1)))
        shown = [select(for_version(call, item), selected) for item in documents]
        return page(call, self._kind, shown, str(last) if more else None)

    def _collect(self, after: int, limit: int, lot: int, passes: Predicate) -> tuple[list[JsonObject], int | None]:
        """Returns what passes the filter, and the key of the last row looked at unless nothing can follow it."""
        documents: list[JsonObject] = []
        scanned = 0
        while scanned < _MOST_SCANNED:
            rows: Sequence[Row] = list(self._fetch(after, lot))
            for row in rows:
                document = self._view(row)
                after = row.seq
                if passes(document):
                    documents.append(document)
                if len(documents) == limit:
                    return documents, after
            scanned += len(rows)
            if len(rows) < lot:
                return documents, None
        return documents, after


def page(call: Call, kind: str, documents: list[JsonObject], token: str | None) -> Response:
    """Answers with a list.

    Args:
        call: the request.
        kind: fragment of the metadata link.
        documents: the page.
        token: what the next page goes on behind; None if this is the last one.
    """
    body: JsonObject = {"odata.metadata": f"{call.base_url}/$metadata#{kind}", "value": list[JsonValue](documents)}
    if token is not None:
        query = {name: value for name, value in call.query.items() if name != _TOKEN} | {"$skipToken": token}
        parameters = urlencode(query, safe="$", errors="surrogateescape", quote_via=quote)
        body["odata.nextLink"] = f"{call.url}?{parameters}"
    return JsonResponse(body)


def skip_token(call: Call) -> str | None:
    """Returns what a page goes on behind."""
    return call.query.get(_TOKEN)


def page_size(call: Call) -> int:
    """Reads how many items a page may have.

    Raises:
        ServiceError: it is not a number from 1 to 1000.
    """
    text = call.query.get("maxresults")
    if text is None:
        return LARGEST_PAGE
    if not text.isascii() or not text.removeprefix("-").isdigit():
        raise invalid_query_parameter("maxresults", text, "It must be a number.")
    if not 1 <= int(text[:10]) <= LARGEST_PAGE:
        values = (
            ("QueryParameterName", "maxresults"),
            ("QueryParameterValue", text),
            ("MinimumAllowed", "1"),
            ("MaximumAllowed", str(LARGEST_PAGE)),
        )
        raise ServiceError("OutOfRangeQueryParameterValue", values=values)
    return int(text)


def expands_statistics(call: Call) -> bool:
    """Tells whether statistics are asked for.

    Raises:
        ServiceError: ``InvalidQueryParameterValue``: anything else is asked for.
    """
    text = call.query.get("$expand", "")
    if text.strip() not in ("", "stats"):
        raise invalid_query_parameter("$expand", text, "Only stats can be expanded.")
    return bool(text.strip())


def skip_number(call: Call) -> int:
    """Returns the number a page goes on behind, 0 for the first page.

    Raises:
        ServiceError: the token is not one this service gave.
    """
    token = skip_token(call)
    if token is None:
        return 0
    if not (token.isascii() and token.isdigit() and len(token) < 19):
        raise invalid_query_parameter("$skiptoken", token, "It is not from a nextLink of this list.")
    return int(token)
