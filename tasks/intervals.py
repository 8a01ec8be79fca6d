"""Growing pauses between looks at something that changes by itself."""

import time
from collections.abc import Callable, Iterator

FIRST_INTERVAL = 0.25
LONGEST_INTERVAL = 15.0
GROWTH = 1.5

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
