"""The service's clock."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Self

_TICK = timedelta(microseconds=1)


class Clock:
    """Tells the time in UTC, and never the same time twice.

    Etags are made from the time of a change, so that two changes in one microsecond must not look like one.

    What the service does by itself goes by this clock, waiting included. Where it runs faster than the machine's, what
    others hold the service to goes by ``real`` all the same: dates of requests and answers, for clients have a clock
    of their own.

    Args:
        ahead: by how much it is ahead of the machine's; less than nothing if it is behind.
        speed: how many of its seconds go by in a second of the machine's.
        begin: what time it is at ``origin``; None is the machine's time, and ``ahead``.
        origin: when it began by the machine's time, and ``ahead``; None is now.
    """

    def __init__(
        self,
        ahead: timedelta = timedelta(),
        speed: float = 1.0,
        begin: datetime | None = None,
        origin: datetime | None = None,
    ) -> None:
        self.ahead, self.speed = ahead, speed
        self._origin = origin or self.real()
        self._begin = begin or self._origin
        self._last = datetime.min.replace(tzinfo=UTC)

    def now(self) -> datetime:
        """Returns a moment later than every moment returned before."""
        self._last = max(self._begin + (self.real() - self._origin) * self.speed, self._last + _TICK)
        return self._last

    def describe(self) -> dict[str, str | float]:
        """Tells by what another clock goes on as this one does."""
        return {"begin": self._begin.isoformat(), "origin": self._origin.isoformat(), "speed": self.speed}

    @classmethod
    def from_description(cls, described: Mapping[str, str | float]) -> Self:
        """Makes a clock that goes on as another one did."""
        begin, origin = (datetime.fromisoformat(str(described[name])) for name in ("begin", "origin"))
        return cls(speed=float(described["speed"]), begin=begin, origin=origin)

    def real(self) -> datetime:
        """Returns the time by which clients go, however fast this clock runs."""
        return datetime.now(UTC) + self.ahead

    def real_seconds(self, seconds: float) -> float:
        """Tells how many seconds of the machine's so many seconds of this clock are."""
        return seconds / self.speed

    async def sleep(self, seconds: float) -> None:
        """Waits so many seconds of this clock."""
        await asyncio.sleep(self.real_seconds(seconds))

    def timeout(self, seconds: float | None) -> asyncio.Timeout:
        """Ends what is done within it after so many seconds of this clock, as ``asyncio.timeout`` does."""
        return asyncio.timeout(None if seconds is None else self.real_seconds(seconds))

    def call_later(self, seconds: float, callback: Callable[[], object]) -> asyncio.TimerHandle:
        """Calls a function after so many seconds of this clock."""
        return asyncio.get_running_loop().call_later(self.real_seconds(seconds), callback)
