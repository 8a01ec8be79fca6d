"""How times, durations and etags are written on the Batch wire, and the types of what JSON holds.

The service writes times with seven fractional digits (ticks of 100 ns), durations as ISO 8601 with days as the largest
unit, and etags as unquoted hexadecimal numbers.
"""

import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import TypeAlias

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"
JsonObject: TypeAlias = dict[str, JsonValue]

REASON_HEADER = "localbatch-reason"
"""Header in which an answer brings the reason for its first line, for which ASGI has no word; it goes no further."""

INFINITE_TEXT = "P10675199DT2H48M5.4775807S"
# The largest number of ticks a signed 64-bit integer holds; Python rounds the last tick up to a microsecond.
INFINITE = timedelta(days=10675199, hours=2, minutes=48, seconds=5, microseconds=477581)
# Clients which cut the last digit off instead send back one microsecond less and still mean "for ever".
_NEARLY_INFINITE = INFINITE - timedelta(microseconds=1)

_DURATION = re.compile(
    r"P(?:([0-9]{1,9})Y)?(?:([0-9]{1,9})M)?(?:([0-9]{1,9})W)?(?:([0-9]{1,9})D)?"
    r"(?:T(?=[0-9])(?:([0-9]{1,18})H)?(?:([0-9]{1,18})M)?(?:([0-9]{1,18})(?:\.([0-9]{1,18}))?S)?)?",
)
# Years and months have no fixed length; .NET, and with it the service, counts 365 and 30 days.
_DAYS_OF = (365, 30, 7, 1)
# The second form is RFC 850's, which HTTP has from older days: Sunday, 06-Nov-94 08:49:37 GMT.
_HTTP_DATE = re.compile(
    r"[A-Za-z]{3}, [0-9]{2} [A-Za-z]{3} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT"
    r"|[A-Za-z]{6,9}, [0-9]{2}-[A-Za-z]{3}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT"
)
_ETAG_BASE = 0x8D8000000000000
_YEAR_ONE = datetime(1, 1, 1, tzinfo=UTC)


def parse_duration(value: object) -> timedelta:
    """Reads an ISO 8601 duration such as ``PT15M`` or ``P7D``.

    Args:
        value: the text, or a timedelta, which is only checked. Whatever else a client's JSON holds is refused.

    Returns:
        The duration to the microsecond; ``INFINITE`` for the text which stands for no limit.

    Raises:
        ValueError: not a duration, negative, or longer than ``INFINITE``.
    """
    if isinstance(value, timedelta):
        return _in_range(value)
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None or value == "P":
        raise ValueError(f"{value!r} is not an ISO 8601 duration such as PT15M")
    *dates, hours, minutes, seconds, fraction = (group or "0" for group in found.groups())
    days = sum(int(count) * length for count, length in zip(dates, _DAYS_OF, strict=True))
    ticks = int(fraction.ljust(7, "0")[:7])
    try:
        whole = timedelta(days=days, hours=int(hours), minutes=int(minutes), seconds=int(seconds))
        return _in_range(whole + timedelta(microseconds=(ticks + 5) // 10))
    except OverflowError as error:
        raise ValueError(f"{value!r} is longer than {INFINITE_TEXT}") from error


def _in_range(value: timedelta) -> timedelta:
    if value < timedelta(0):
        raise ValueError("a duration can't be negative")
    if value > INFINITE:
        raise ValueError(f"a duration can't be longer than {INFINITE_TEXT}")
    return INFINITE if value >= _NEARLY_INFINITE else value


def format_duration(value: timedelta) -> str:
    """Writes a duration as the service does: ``PT15M``, ``P7D``, ``PT0S``.

    Raises:
        ValueError: negative, or longer than ``INFINITE``.
    """
    if _in_range(value) == INFINITE:
        return INFINITE_TEXT
    minutes, seconds = divmod(value.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    fraction = f".{value.microseconds:06d}".rstrip("0").rstrip(".")
    days = f"{value.days}D" if value.days else ""
    time = "".join(f"{count}{unit}" for count, unit in ((hours, "H"), (minutes, "M")) if count)
    time += f"{seconds}{fraction}S" if seconds or fraction else ""
    if not days and not time:
        return "PT0S"
    return f"P{days}T{time}" if time else f"P{days}"


def format_time(moment: datetime) -> str:
    """Writes a moment in UTC with seven fractional digits, such as ``2022-09-06T23:44:11.5153710Z``.

    Raises:
        ValueError: the moment has no time zone.
    """
    utc = _utc(moment)
    return f"{utc.replace(microsecond=0, tzinfo=None).isoformat()}.{utc.microsecond:06d}0Z"


def parse_time(text: str) -> datetime:
    """Reads a moment in ISO 8601 (UTC if it names no offset), or as HTTP has it: in RFC 1123 or RFC 850.

    Raises:
        ValueError: none of them.
    """
    if _HTTP_DATE.fullmatch(text):
        return parsedate_to_datetime(text).replace(tzinfo=UTC)
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{text!r} is not a date and time in ISO 8601 or RFC 1123") from error


def format_http_date(moment: datetime) -> str:
    """Writes a moment in RFC 1123 as HTTP headers have it, to the second.

    Raises:
        ValueError: the moment has no time zone.
    """
    return format_datetime(_utc(moment), usegmt=True)


def make_etag(version: int | datetime) -> str:
    """Makes the etag of one version of a resource, such as ``0x8DA9061B2F7BB2F``.

    Args:
        version: a number which grows with each change, or the moment of the change. Etags made from numbers and
            from moments are not comparable, so one resource keeps to one kind.
    """
    if isinstance(version, datetime):
        return f"0x{(_utc(version) - _YEAR_ONE) // timedelta(microseconds=1) * 10:015X}"
    return f"0x{_ETAG_BASE + version:015X}"


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError(f"{moment!r} has no time zone")
    return moment.astimezone(UTC)
