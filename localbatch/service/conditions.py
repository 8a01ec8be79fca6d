"""Conditional requests: what a client may make its request depend on.

Source: "Specifying conditional headers" in the Batch REST reference. The official client quotes etags, the service does
not.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from localbatch.wire.errors import ServiceError
from localbatch.wire.formats import make_etag, parse_time

_CONDITIONS = ("if-match", "if-none-match", "if-modified-since", "if-unmodified-since")
_PAIRS = ({"if-match", "if-unmodified-since"}, {"if-none-match", "if-modified-since"})
"""Headers that may come together; the etag alone decides."""


@dataclass(frozen=True)
class Conditions:
    """The conditional headers of one request; None is a header that was not sent."""

    match: str | None = None
    none_match: str | None = None
    modified_since: datetime | None = None
    unmodified_since: datetime | None = None
    reading: bool = True

    def check(self, modified: datetime, *, with_etag: bool = True) -> None:
        """Compares the conditions with the resource as it is.

        Args:
            modified: when it was last changed by a client.
            with_etag: whether the resource has an etag; files have none.

        Raises:
            ServiceError: ``ConditionNotMet``: 304 for reads of what has not changed, else 412.
        """
        if self._has_changed(modified, with_etag):
            raise ServiceError("ConditionNotMet")
        if self._is_unchanged(modified, with_etag):
            raise ServiceError("ConditionNotMet", status=304 if self.reading else 412)

    def _has_changed(self, modified: datetime, with_etag: bool) -> bool:
        if self.match is not None and with_etag:
            return not _names(self.match, make_etag(modified))
        return self.unmodified_since is not None and _second(modified) > self.unmodified_since

    def _is_unchanged(self, modified: datetime, with_etag: bool) -> bool:
        if self.none_match is not None and with_etag:
            return _names(self.none_match, make_etag(modified))
        return self.modified_since is not None and _second(modified) <= self.modified_since


def read_conditions(headers: Mapping[str, str], *, reading: bool) -> Conditions:
    """Reads the conditional headers of a request.

    Args:
        headers: names in lower case.
        reading: whether the request only reads.

    Raises:
        ServiceError: ``InvalidHeaderValue`` if a date is none, ``MultipleConditionHeadersNotSupported`` if there are
            more of them than an etag and the date that goes with it.
    """
    given = {name for name in _CONDITIONS if name in headers}
    if len(given) > 1 and given not in _PAIRS:
        raise ServiceError("MultipleConditionHeadersNotSupported")
    return Conditions(
        match=headers.get("if-match"),
        none_match=headers.get("if-none-match"),
        modified_since=_date(headers, "if-modified-since"),
        unmodified_since=_date(headers, "if-unmodified-since"),
        reading=reading,
    )


def _date(headers: Mapping[str, str], name: str) -> datetime | None:
    value = headers.get(name)
    if value is None:
        return None
    try:
        return parse_time(value)
    except ValueError as error:
        values = (("HeaderName", name), ("HeaderValue", value), ("Reason", str(error)))
        raise ServiceError("InvalidHeaderValue", values=values) from error


def _second(moment: datetime) -> datetime:
    """Headers name whole seconds."""
    return moment.replace(microsecond=0)


def _names(header: str, etag: str) -> bool:
    given = [item.strip().removeprefix("W/").strip('"') for item in header.split(",")]
    return "*" in given or etag in given
