"""Samples: numbers taken at regular moments, and what formulas may ask of them.

A window of time holds the samples taken after its beginning and up to its end. 30 seconds is the service's period, so
that ten minutes hold twenty samples.
"""

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

PERIOD_SECONDS = 30.0


@dataclass(frozen=True)
class Series:
    """The samples of one variable.

    Attributes:
        name: the variable, such as ``$PendingTasks``.
        times: when they were taken, in seconds since 1970, in order.
        values: as many numbers.
        period: seconds from one sample to the next.
        present: what the variable is worth where a formula uses it as a double; None is the last sample.
    """

    name: str
    times: Sequence[float] = ()
    values: Sequence[float] = field(default=(), repr=False)
    period: float = PERIOD_SECONDS
    present: float | None = None

    @classmethod
    def of(cls, name: str, samples: Iterable[tuple[float, float]], period: float = PERIOD_SECONDS) -> "Series":
        """Makes a series of times (seconds since 1970) and values; what is not a number counts as not taken."""
        taken = sorted((time, value) for time, value in samples if not math.isnan(value))
        return cls(name, tuple(time for time, _ in taken), tuple(value for _, value in taken), period)

    @classmethod
    def ending(cls, name: str, end: datetime, values: Iterable[float], period: float = PERIOD_SECONDS) -> "Series":
        """Makes a series of values taken one period apart, the last of them at a given moment."""
        numbers = [float(value) for value in values]
        first = end.timestamp() - period * (len(numbers) - 1)
        return cls.of(name, ((first + place * period, value) for place, value in enumerate(numbers)), period)

    @property
    def worth(self) -> float | None:
        """What the variable is worth as a double, None if nothing is known of it."""
        if self.present is not None:
            return self.present
        return self.values[-1] if self.values else None

    def last(self, count: int) -> tuple[float, ...]:
        """Returns the last samples, at most so many."""
        return tuple(self.values[max(0, len(self.values) - count) :]) if count > 0 else ()

    def within(self, start: float, end: float) -> tuple[float, ...]:
        """Returns the samples of a window, whose two ends may come in either order."""
        first, last = sorted((start, end))
        return tuple(self.values[bisect_right(self.times, first) : bisect_right(self.times, last)])

    def percent(self, start: float, end: float) -> float:
        """Tells what part of the samples that fit in a window there are, from 0 to 100."""
        expected = max(1, math.floor(abs(end - start) / self.period + 1e-6))
        return min(100.0, 100.0 * len(self.within(start, end)) / expected)
