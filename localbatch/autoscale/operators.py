"""What operators do with which types: the article's table, and nothing beyond it.

Doubles follow IEEE 754: dividing by zero gives an infinity, not an error.
"""

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from localbatch.autoscale.errors import EvaluationError, Place
from localbatch.autoscale.timestamps import Interval, Timestamp
from localbatch.autoscale.values import (
    DOUBLE,
    INTERVAL,
    STRING,
    TIMESTAMP,
    VEC,
    Budget,
    DoubleVec,
    Plain,
    Value,
    kind_of,
)

# The table decides which types reach a function, so that their parameters need not.
_Function: TypeAlias = Callable[[Any, Any], Plain]


def divide(dividend: float, divisor: float) -> float:
    """Divides as IEEE 754 does."""
    if divisor != 0:
        return dividend / divisor
    if dividend == 0 or math.isnan(dividend):
        return math.nan
    return math.copysign(math.inf, dividend) * math.copysign(1.0, divisor)


def _comparison(compare: Callable[[Any, Any], bool]) -> _Function:
    return lambda left, right: float(compare(left, right))


def _each(function: Callable[[float, float], float]) -> Mapping[tuple[str, str], _Function]:
    def with_double(left: DoubleVec, right: float) -> DoubleVec:
        return tuple(function(item, right) for item in left)

    def with_vec(left: DoubleVec, right: DoubleVec) -> DoubleVec:
        if len(left) != len(right):
            raise ValueError(f"expected doubleVecs of the same length, found {len(left)} and {len(right)} values")
        return tuple(map(function, left, right))

    return {(DOUBLE, DOUBLE): function, (VEC, DOUBLE): with_double, (VEC, VEC): with_vec}


_COMPARISONS = {
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    ">=": operator.ge,
    ">": operator.gt,
    "!=": operator.ne,
}

OPERATIONS: dict[str, Mapping[tuple[str, str], _Function]] = {
    "+": {
        **_each(operator.add),
        (INTERVAL, INTERVAL): lambda left, right: Interval(left.ticks + right.ticks),
        (INTERVAL, TIMESTAMP): lambda left, right: Timestamp(left.ticks + right.ticks),
        (TIMESTAMP, INTERVAL): lambda left, right: Timestamp(left.ticks + right.ticks),
    },
    "-": {
        **_each(operator.sub),
        (INTERVAL, INTERVAL): lambda left, right: Interval(left.ticks - right.ticks),
        (TIMESTAMP, TIMESTAMP): lambda left, right: Interval(left.ticks - right.ticks),
    },
    "*": {
        **_each(operator.mul),
        (DOUBLE, INTERVAL): lambda left, right: Interval.of(left * right.ticks),
        (INTERVAL, DOUBLE): lambda left, right: Interval.of(left.ticks * right),
    },
    "/": {
        **_each(divide),
        (INTERVAL, DOUBLE): lambda left, right: Interval.of(divide(left.ticks, right)),
    },
    **{
        name: {(kind, kind): _comparison(compare) for kind in (DOUBLE, STRING, TIMESTAMP, INTERVAL)}
        for name, compare in _COMPARISONS.items()
    },
}
"""Operator -> types of its operands -> what it does."""


def apply(name: str, left: Plain, right: Plain, place: Place, budget: Budget) -> Plain:
    """Applies an operator.

    Raises:
        EvaluationError: it does not go with these types or values.
    """
    function = OPERATIONS[name].get((kind_of(left), kind_of(right)))
    if function is None:
        pairs = ", ".join(f"{one} {name} {other}" for one, other in OPERATIONS[name])
        raise EvaluationError(f"expected {pairs}; found {kind_of(left)} {name} {kind_of(right)}", place)
    budget.spend(len(left) if isinstance(left, tuple) else 1, place)
    try:
        return function(left, right)
    except (ValueError, OverflowError) as error:
        raise EvaluationError(str(error), place) from error


def negate(name: str, operand: Plain, place: Place) -> Plain:
    """Applies ``-`` or ``!``.

    Raises:
        EvaluationError: it does not go with this type.
    """
    if isinstance(operand, float):
        return -operand if name == "-" else float(operand == 0)
    if name == "-" and isinstance(operand, Interval):
        return Interval(-operand.ticks)
    wanted = "double or timeinterval" if name == "-" else "double"
    raise EvaluationError(f"expected a {wanted} behind '{name}', found a {kind_of(operand)}", place)


def truth(value: Value, place: Place) -> bool:
    """Tells whether a double counts as true: nonzero does.

    Raises:
        EvaluationError: it is no double.
    """
    if not isinstance(value, float):
        raise EvaluationError(f"expected a double as condition, found a {kind_of(value)}", place)
    return value != 0
