"""The functions.

``ceil``, ``floor``, ``round`` and ``vec`` are not in every edition of the article; the choice of ``percentile`` (the
nearest rank) and that functions of no values fail are guesses.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from localbatch.autoscale.errors import EvaluationError, Place
from localbatch.autoscale.operators import divide
from localbatch.autoscale.timestamps import Timestamp
from localbatch.autoscale.values import DOUBLE, STRING, VEC, Budget, DoubleVec, Plain, flatten, kind_of


class StopEvaluation(Exception):
    """The formula has called ``stop()``."""


@dataclass(frozen=True)
class Surroundings:
    """What functions need besides their arguments.

    Attributes:
        now: when the formula is evaluated.
        random: gives numbers from 0 to 1.
        budget: counts the numbers that are handled.
    """

    now: Timestamp
    random: Callable[[], float]
    budget: Budget


Function: TypeAlias = Callable[[tuple[Plain, ...], Surroundings, Place], Plain]


def _of_list(function: Callable[[DoubleVec], float], least: int = 1) -> Function:
    def call(arguments: tuple[Plain, ...], around: Surroundings, place: Place) -> Plain:
        values = flatten(arguments, place, around.budget)
        if len(values) < least:
            raise EvaluationError("expected a list of doubles and doubleVecs with at least one value", place)
        return float(function(values))

    return call


def _of_each(function: Callable[[float], float]) -> Function:
    """Of one double it makes a double, of any other list a doubleVec."""

    def call(arguments: tuple[Plain, ...], around: Surroundings, place: Place) -> Plain:
        if len(arguments) == 1 and isinstance(arguments[0], float):
            return function(arguments[0])
        return tuple(map(function, flatten(arguments, place, around.budget)))

    return call


def _of(*kinds: str, least: int | None = None) -> Callable[[Callable[..., Plain]], Function]:
    """Checks the types of arguments, of which those behind the first ``least`` may be left out."""

    def wrap(function: Callable[..., Plain]) -> Function:
        def call(arguments: tuple[Plain, ...], around: Surroundings, place: Place) -> Plain:
            found = tuple(kind_of(argument) for argument in arguments)
            few = len(kinds) if least is None else least
            if not few <= len(found) or found != kinds[: len(found)]:
                raise EvaluationError(f"expected ({', '.join(kinds)}), found ({', '.join(found)})", place)
            around.budget.spend(sum(len(argument) for argument in arguments if isinstance(argument, tuple)), place)
            try:
                return function(around, *arguments)
            except (ValueError, OverflowError) as error:
                raise EvaluationError(str(error), place) from error

        return call

    return wrap


def _logarithm(function: Callable[[float], float]) -> Callable[[float], float]:
    def call(value: float) -> float:
        if value > 0:
            return function(value)
        return -math.inf if value == 0 else math.nan

    return call


def _whole(function: Callable[[float], float]) -> Callable[[float], float]:
    return lambda value: float(function(value)) if math.isfinite(value) else value


def _round(value: float) -> float:
    """Halves are rounded away from zero."""
    whole = math.floor(abs(value))
    return math.copysign(whole + (abs(value) - whole >= 0.5), value)


def _average(values: DoubleVec) -> float:
    return sum(values) / len(values)


def _deviation(values: DoubleVec) -> float:
    """The sample standard deviation; that of one value is 0."""
    mean = _average(values)
    return math.sqrt(divide(sum((value - mean) * (value - mean) for value in values), max(1, len(values) - 1)))


def _norm(values: DoubleVec) -> float:
    return math.sqrt(sum(value * value for value in values))


@_of(VEC, DOUBLE)
def _percentile(around: Surroundings, values: DoubleVec, percent: float) -> Plain:
    if not values or not 0 <= percent <= 100:
        raise ValueError("expected a doubleVec with at least one value, and a percentage from 0 to 100")
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


@_of(VEC, DOUBLE)
def _val(around: Surroundings, values: DoubleVec, place: float) -> Plain:
    if not 0 <= place < len(values):
        raise ValueError(f"expected an index below the {len(values)} values of the doubleVec, found {place:g}")
    return values[int(place)]


@_of(STRING, least=0)
def _time(around: Surroundings, text: str = "") -> Plain:
    return Timestamp.parse(text) if text else around.now


@_of()
def _rand(around: Surroundings) -> Plain:
    return around.random()


@_of()
def _stop(around: Surroundings) -> Plain:
    raise StopEvaluation


def _vec(arguments: tuple[Plain, ...], around: Surroundings, place: Place) -> Plain:
    return flatten(arguments, place, around.budget)


FUNCTIONS: dict[str, Function] = {
    "avg": _of_list(_average),
    "ceil": _of_each(_whole(math.ceil)),
    "floor": _of_each(_whole(math.floor)),
    "len": _of_list(len, least=0),
    "lg": _of_each(_logarithm(math.log2)),
    "ln": _of_each(_logarithm(math.log)),
    "log": _of_each(_logarithm(math.log10)),
    "max": _of_list(max),
    "min": _of_list(min),
    "norm": _of_list(_norm, least=0),
    "percentile": _percentile,
    "rand": _rand,
    "range": _of_list(lambda values: max(values) - min(values)),
    "round": _of_each(_whole(_round)),
    "std": _of_list(_deviation),
    "stop": _stop,
    "sum": _of_list(sum, least=0),
    "time": _time,
    "val": _val,
    "vec": _vec,
}
"""Name -> what it does."""
