"""How fast the tasks of a run end, and how long the rest of them takes at that. Pure."""

from collections import deque

_SHORTEST_WINDOW = 300.0
_SAMPLES = 200


class Pace:
    """How fast tasks have ended of late: in the later half of the time so far, and in no less than five minutes.

    So it follows a pool that grows or loses nodes, and long tasks that end together do not make it stand still.
    """

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()
        self._begin: float | None = None

    def note(self, now: float, completed: int) -> None:
        """Takes how many tasks have ended.

        Args:
            now: seconds on a clock that only goes forward.
            completed: tasks that have ended.
        """
        if self._begin is None:
            self._begin = now
        window = max(_SHORTEST_WINDOW, (now - self._begin) / 2)
        if not self._samples or now - self._samples[-1][0] >= window / _SAMPLES:
            self._samples.append((now, completed))
        while len(self._samples) > 1 and self._samples[1][0] <= now - window:
            self._samples.popleft()

    def rate(self, now: float, completed: int) -> float | None:
        """Tasks that end in a second; None if nobody can tell yet."""
        if not self._samples:
            return None
        since, first = self._samples[0]
        return (completed - first) / (now - since) if completed > first and now > since else None


def rate_in_words(rate: float) -> str:
    """So many tasks in a second, a minute or an hour, whichever is no small fraction.

    Args:
        rate: tasks in a second.
    """
    for name, seconds in (("s", 1), ("min", 60)):
        if rate * seconds >= 1:
            return f"{rate * seconds:,.{0 if rate * seconds >= 10 else 1}f} tasks/{name}"
    return f"{rate * 3600:,.{0 if rate * 3600 >= 10 else 1}f} tasks/h"
