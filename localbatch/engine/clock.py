"""The service's clock."""

from datetime import UTC, datetime, timedelta

_TICK = timedelta(microseconds=1)


class Clock:
    """Tells the time in UTC, and never the same time twice.

    Etags are made from the time of a change, so that two changes in one microsecond must not look like one.

    Args:
        ahead: by how much it is ahead of the machine's; less than nothing if it is behind.
    """

    def __init__(self, ahead: timedelta = timedelta()) -> None:
        self._ahead = ahead
        self._last = datetime.min.replace(tzinfo=UTC)

    def now(self) -> datetime:
        """Returns a moment later than every moment returned before."""
        self._last = max(datetime.now(UTC) + self._ahead, self._last + _TICK)
        return self._last
