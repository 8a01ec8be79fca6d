"""The types of values: double, doubleVec, string, timestamp, timeinterval, and sample variables.

A doubleVecList is no value: it is a list of arguments, each a double or a doubleVec, that counts as one doubleVec.
"""

from collections.abc import Iterable
from typing import TypeAlias

from localbatch.autoscale.errors import EvaluationError, Place
from localbatch.autoscale.samples import Series
from localbatch.autoscale.timestamps import Interval, Timestamp

MOST_VALUES = 1_000_000
"""How many numbers a formula may handle, so that none takes long or much memory."""

DoubleVec: TypeAlias = tuple[float, ...]
Plain: TypeAlias = float | DoubleVec | str | Timestamp | Interval
Value: TypeAlias = Plain | Series

DOUBLE, VEC, STRING, TIMESTAMP, INTERVAL = "double", "doubleVec", "string", "timestamp", "timeinterval"
_KINDS: dict[type, str] = {
    float: DOUBLE,
    tuple: VEC,
    str: STRING,
    Timestamp: TIMESTAMP,
    Interval: INTERVAL,
    Series: "sample variable",
}


def kind_of(value: Value) -> str:
    """Names the type of a value."""
    return _KINDS[type(value)]


class Budget:
    """Counts the numbers that a formula handles."""

    def __init__(self) -> None:
        self._left = MOST_VALUES

    def spend(self, values: int, place: Place) -> None:
        """Takes note that so many numbers more are handled.

        Raises:
            EvaluationError: they are too many.
        """
        self._left -= values
        if self._left < 0:
            raise EvaluationError(f"expected a formula that handles at most {MOST_VALUES} numbers", place)


def flatten(values: Iterable[Value], place: Place, budget: Budget) -> DoubleVec:
    """Makes one doubleVec of a doubleVecList.

    Raises:
        EvaluationError: something in it is neither a double nor a doubleVec, or it is too long.
    """
    numbers: list[float] = []
    for value in values:
        if isinstance(value, tuple):
            budget.spend(len(value), place)
            numbers.extend(value)
        elif isinstance(value, float):
            budget.spend(1, place)
            numbers.append(value)
        else:
            raise EvaluationError(f"expected doubles and doubleVecs, found a {kind_of(value)}", place)
    return tuple(numbers)
