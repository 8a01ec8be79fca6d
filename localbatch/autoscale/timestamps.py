"""Timestamps and time intervals, in ticks of 100 ns."""

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

_SECOND = 10_000_000
_MOST_TICKS = 2**63 - 1
_YEAR_ONE = datetime(1, 1, 1, tzinfo=UTC)
_LAST_TICK = (datetime.max.replace(tzinfo=UTC) - _YEAR_ONE) // timedelta(microseconds=1) * 10 + 9

# W3C-DTF, a profile of ISO 8601. Azure refuses more than seven digits of a second.
_W3C = re.compile(
    r"(?P<year>[0-9]{4})(?:-(?P<month>[0-9]{2})(?:-(?P<day>[0-9]{2})"
    r"(?:T(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:\.(?P<fraction>[0-9]{1,7}))?)?"
    r"(?P<zone>Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])?)?)?)?"
)
_RFC_1123 = re.compile(r"[A-Za-z]{3}, [0-9]{1,2} [A-Za-z]{3} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} (?:GMT|UTC)")


@dataclass(frozen=True, order=True)
class Interval:
    """A time interval, which may be negative.

    Raises:
        OverflowError: longer than a signed 64-bit number of ticks.
    """

    ticks: int

    def __post_init__(self) -> None:
        if not -_MOST_TICKS <= self.ticks <= _MOST_TICKS:
            raise OverflowError("the time interval is too long")

    @classmethod
    def of(cls, ticks: float) -> "Interval":
        """Makes an interval of a number of ticks that need not be whole."""
        if not math.isfinite(ticks):
            raise OverflowError("the time interval is too long")
        return cls(int(ticks))

    @property
    def seconds(self) -> float:
        """Its length in seconds."""
        return self.ticks / _SECOND

    def __str__(self) -> str:
        whole, fraction = divmod(abs(self.ticks), _SECOND)
        minutes, seconds = divmod(whole, 60)
        hours, minutes = divmod(minutes, 60)
        days, hours = divmod(hours, 24)
        sign = "-" if self.ticks < 0 else ""
        return (
            f"{sign}{f'{days}.' if days else ''}{hours:02}:{minutes:02}:{seconds:02}"
            f"{f'.{fraction:07}' if fraction else ''}"
        )


@dataclass(frozen=True, order=True)
class Timestamp:
    """A moment in UTC, in ticks since the year 1.

    Raises:
        OverflowError: before the year 1 or after the year 9999.
    """

    ticks: int

    def __post_init__(self) -> None:
        if not 0 <= self.ticks <= _LAST_TICK:
            raise OverflowError("the timestamp lies outside the years 1 to 9999")

    @classmethod
    def of(cls, moment: datetime) -> "Timestamp":
        """Makes a timestamp of a moment with a time zone."""
        return cls((moment - _YEAR_ONE) // timedelta(microseconds=1) * 10)

    @classmethod
    def parse(cls, text: str) -> "Timestamp":
        """Reads W3C-DTF or RFC 1123; a time without a zone is in UTC.

        Raises:
            ValueError: neither of the two, or outside the years 1 to 9999.
        """
        if _RFC_1123.fullmatch(text):
            return cls.of(parsedate_to_datetime(text).replace(tzinfo=UTC))
        found = _W3C.fullmatch(text)
        if found is None:
            raise ValueError(f"expected a time in W3C-DTF or RFC 1123, found {text[:64]!r}")
        parts = {name: int(found[name] or least) for name, least in _LEAST.items()}
        offset = timedelta()
        if (zone := found["zone"] or "Z") != "Z":
            sign = -1 if zone.startswith("-") else 1
            offset = sign * timedelta(hours=int(zone[1:3]), minutes=int(zone[4:6]))
        local = cls.of(datetime(**parts, tzinfo=UTC))
        fraction = int((found["fraction"] or "0").ljust(7, "0"))
        try:
            return cls(local.ticks + fraction - offset // timedelta(microseconds=1) * 10)
        except OverflowError as error:
            raise ValueError(str(error)) from error

    @property
    def moment(self) -> datetime:
        """The same to the microsecond."""
        return _YEAR_ONE + timedelta(microseconds=self.ticks // 10)

    def member(self, name: str) -> float:
        """Returns a member such as ``hour``; the weekday is 1 on Monday and 7 on Sunday.

        Raises:
            KeyError: it has no such member.
        """
        if name not in MEMBERS:
            raise KeyError(name)
        moment = self.moment
        return float(moment.isoweekday() if name == "weekday" else getattr(moment, name))

    def __str__(self) -> str:
        return f"{self.moment.isoformat(timespec='milliseconds').removesuffix('+00:00')}Z"


MEMBERS = ("year", "month", "day", "weekday", "hour", "minute", "second")
_LEAST = {"year": 1, "month": 1, "day": 1, "hour": 0, "minute": 0, "second": 0}
