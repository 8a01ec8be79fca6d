"""Conditional requests: what a client may make its request depend on.

Source: "Conditional headers" in the Batch REST reference. The official client quotes etags, the service does not.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from localbatch.errors import ServiceError
from localbatch.wire import make_etag, parse_time


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
            ServiceError: ``ConditionNotMet``, 304 for reads and 412 for writes.
        """
        etag = make_etag(modified) if with_etag else ""
        # Headers name whole seconds.
        second = modified.replace(microsecond=0)
        failed = (
            (self.match is not None and with_etag and not _names(self.match, etag))
            or (self.none_match is not None and with_etag and _names(self.none_match, etag))
            or (self.modified_since is not None and second <= self.modified_since)
            or (self.unmodified_since is not None and second > self.unmodified_since)
        )
        if failed:
            raise ServiceError("ConditionNotMet", status=304 if self.reading else 412)


def read_conditions(headers: Mapping[str, str], *, reading: bool) -> Conditions:
    """Reads the conditional headers of a request.

    Args:
        headers: names in lower case.
        reading: whether the request only reads.

    Raises:
        ServiceError: ``InvalidHeaderValue`` if a date is none.
    """
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


def _names(header: str, etag: str) -> bool:
    given = [item.strip().removeprefix("W/").strip('"') for item in header.split(",")]
    return "*" in given or etag in given
