"""Growing pauses between looks at something that changes by itself."""

import time
from collections.abc import Callable, Iterator

from prefect_azure_batch.tasks.records import Counts

FIRST_INTERVAL = 0.25
LONGEST_INTERVAL = 15.0
GROWTH = 1.5

# Of the time that the rest takes: a larger part of many tasks, for looks at few are few anyway.
_LEAST_SHARE, _LARGEST_SHARE, _SHARE_OF_A_TASK = 0.2, 0.6, 1 / 1500
_SHARE_OF_PAST = 0.02

FAREWELL = 5.0
"""How long the end of a run waits for its threads that look after things: what they ask may take a minute to answer."""


def growing_pauses(
    seconds: float, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
) -> Iterator[None]:
    """Yields at once, then again after each of growing pauses, and for the last time when the time is over.

    Args:
        seconds: how long to go on.
        clock: seconds on a clock that only goes forward.
        sleep: waits so many seconds.
    """
    end, pause = clock() + seconds, FIRST_INTERVAL
    yield
    while (left := end - clock()) > 0:
        sleep(min(pause, left))
        yield
        pause = min(pause * GROWTH, LONGEST_INTERVAL)


class Rhythm:
    """How long to wait before the next look at tasks that end.

    While they do, a part of the time that the rest takes at their pace: so the looks are few, whatever the
    number of tasks, and close to each other at the end. While nothing changes, longer and longer.

    Attributes:
        interval: seconds from one look to the next.
        is_known: whether tasks are known to end at some pace.
    """

    def __init__(self) -> None:
        self.interval, self.is_known = FIRST_INTERVAL, False
        self._counts = Counts()
        self._since, self._ended_by_then = 0.0, 0

    def note(self, now: float, counts: Counts) -> bool:
        """Takes what was seen.

        Args:
            now: seconds on a clock that only goes forward.
            counts: of the tasks.

        Returns:
            Whether it is not what was seen before.
        """
        changed = counts != self._counts
        if not self._counts.running and not self._counts.completed:  # they may have waited for long
            self._since, self._ended_by_then = now, counts.completed
        self._counts = counts
        past = now - self._since
        pace = (counts.completed - self._ended_by_then) / past if past > 0 else 0.0
        left = counts.active + counts.running
        self.is_known = changed and pace > 0 and left > 0
        if self.is_known:
            # What is seen of a pace holds for as long as it has been seen, at most.
            share = min(max(_LEAST_SHARE, _SHARE_OF_A_TASK * (left + counts.completed)), _LARGEST_SHARE)
            wanted = max(share * min(left / pace, 2 * past), FIRST_INTERVAL, _SHARE_OF_PAST * past)
            self.interval = min(wanted, LONGEST_INTERVAL)
        elif changed:
            self.hasten()
        else:
            self.slow_down()
        return changed

    def hasten(self) -> None:
        """Something else has changed, or somebody begins to wait."""
        self.interval = FIRST_INTERVAL

    def slow_down(self) -> None:
        """Nothing has changed, or nobody could look."""
        self.interval = min(self.interval * GROWTH, LONGEST_INTERVAL)
