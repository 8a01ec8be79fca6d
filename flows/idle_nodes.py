"""When nodes that are paid for and run nothing are worth telling of."""

import time
from collections import deque
from collections.abc import Callable
from datetime import timedelta

_IDLE_FOR = timedelta(minutes=5)
_SILENCE = timedelta(minutes=30)


class IdleNodes:
    """Decides when idle nodes are worth telling of.

    Args:
        idle_for: how long as many nodes have to be idle.
        silence: from one time to the next.
        clock: seconds on a clock that only goes forward.
    """

    def __init__(
        self,
        idle_for: timedelta = _IDLE_FOR,
        silence: timedelta = _SILENCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._idle_for, self._silence, self._clock = idle_for.total_seconds(), silence.total_seconds(), clock
        self._looks: deque[tuple[float, int]] = deque()
        self._told: float | None = None

    def look(self, idle: int) -> int:
        """Takes how many nodes are idle now.

        Returns:
            How many have been so at every look for long enough, if it is time to tell of them; else 0.
        """
        now = self._clock()
        self._looks.append((now, idle))
        while len(self._looks) > 1 and self._looks[1][0] <= now - self._idle_for:
            self._looks.popleft()
        if now - self._looks[0][0] < self._idle_for or (self._told is not None and now - self._told < self._silence):
            return 0
        fewest = min(number for _, number in self._looks)
        self._told = now if fewest else self._told
        return fewest
