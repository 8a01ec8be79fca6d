"""Formulas, as callers meet them.

    from localbatch.autoscale.formula import PoolSizes, evaluate

    outcome = evaluate(
        "$TargetDedicatedNodes = min(10, avg($PendingTasks.GetSample(TimeInterval_Minute * 5)));",
        samples={"$PendingTasks": [4, 4, 6]},
        pool=PoolSizes(target_dedicated=2),
    )
    outcome.dedicated, outcome.deallocation, outcome.variables, outcome.results

Samples are given by variable: a list of numbers taken every 30 seconds, the last of them now, or a ``Series`` with
times of its own. Variables without samples have none.
"""

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TypeAlias

from localbatch.autoscale.errors import EvaluationError
from localbatch.autoscale.evaluation import Evaluation, Variables
from localbatch.autoscale.functions import Surroundings
from localbatch.autoscale.names import (
    ALIASES,
    DEALLOCATION,
    DEALLOCATION_OPTIONS,
    DEDICATED,
    LOW_PRIORITY,
    METRICS,
    SLOTS,
)
from localbatch.autoscale.parser import parse
from localbatch.autoscale.results import write_results, write_value
from localbatch.autoscale.samples import Series
from localbatch.autoscale.syntax import Statement
from localbatch.autoscale.timestamps import Timestamp
from localbatch.autoscale.values import Budget, Plain, Value

MOST_NODES = 10_000
"""The largest target; a formula that asks for more fails."""

Samples: TypeAlias = Mapping[str, Series | Sequence[float]]


@dataclass(frozen=True)
class PoolSizes:
    """How large the pool is when its formula is evaluated.

    Attributes:
        target_dedicated: what ``$TargetDedicatedNodes`` is until the formula sets it.
        target_low_priority: what ``$TargetLowPriorityNodes`` is until the formula sets it.
        current_dedicated: ``$CurrentDedicatedNodes`` used as a number.
        current_low_priority: ``$CurrentLowPriorityNodes`` used as a number.
        task_slots_per_node: ``$TaskSlotsPerNode``.
    """

    target_dedicated: int = 0
    target_low_priority: int = 0
    current_dedicated: int = 0
    current_low_priority: int = 0
    task_slots_per_node: int = 1


@dataclass(frozen=True)
class Outcome:
    """What a formula comes to.

    Attributes:
        dedicated: the target of dedicated nodes, a fraction cut off; as before if the formula does not set it.
        low_priority: the target of Spot nodes.
        deallocation: ``requeue``, ``terminate``, ``taskcompletion`` or ``retaineddata``.
        variables: the formula's own variables as first written, with their last values.
        results: all of it, as the service writes it.
        error: why the evaluation failed, None if it did not. If it did, the targets are those from before.
    """

    dedicated: int
    low_priority: int
    deallocation: str
    variables: Mapping[str, Plain]
    results: str
    error: EvaluationError | None = None


@dataclass(frozen=True)
class Formula:
    """A formula that can be read, to be evaluated any number of times."""

    text: str
    statements: tuple[Statement, ...] = field(repr=False)

    @property
    def metrics(self) -> tuple[str, ...]:
        """The sample variables that it may read."""
        return tuple(name for name in METRICS if name in self.text)

    def evaluate(
        self,
        *,
        samples: Samples | None = None,
        pool: PoolSizes | None = None,
        now: datetime | None = None,
        rand: Callable[[], float] = random.random,
    ) -> Outcome:
        """Evaluates the formula, in bounded time and memory.

        Args:
            samples: by variable, such as ``$PendingTasks``.
            pool: the pool's sizes; by default it has no nodes.
            now: when, with a time zone; the present by default.
            rand: what ``rand()`` returns, from 0 to 1.

        Returns:
            The outcome; if the evaluation fails, it says so.

        Raises:
            ValueError: samples are given for what is no sample variable.
        """
        pool, now = pool or PoolSizes(), now or datetime.now(UTC)
        variables = Variables(_given(pool, samples or {}, now))
        error = None
        targets = pool.target_dedicated, pool.target_low_priority
        try:
            Evaluation(variables, Surroundings(Timestamp.of(now), rand, Budget())).run(self.statements)
            targets = _target(variables, DEDICATED), _target(variables, LOW_PRIORITY)
        except EvaluationError as failure:
            error = failure
        deallocation = str(variables.get(DEALLOCATION))
        results = write_results(*targets, deallocation, variables.own, frozenset(variables.places))
        return Outcome(*targets, deallocation, variables.own, results, error)


def compile_formula(text: str) -> Formula:
    """Reads a formula without evaluating it.

    Raises:
        FormulaSyntaxError: it can't be read.
        FormulaTooLongError: it is longer than permitted.
    """
    return Formula(text, parse(text))


def evaluate(
    text: str,
    *,
    samples: Samples | None = None,
    pool: PoolSizes | None = None,
    now: datetime | None = None,
    rand: Callable[[], float] = random.random,
) -> Outcome:
    """Reads and evaluates a formula; the arguments are those of ``Formula.evaluate``.

    Raises:
        FormulaError: it can't be read, or it fails.
        ValueError: samples are given for what is no sample variable.
    """
    outcome = compile_formula(text).evaluate(samples=samples, pool=pool, now=now, rand=rand)
    if outcome.error is not None:
        raise outcome.error
    return outcome


def _given(pool: PoolSizes, samples: Samples, now: datetime) -> dict[str, Value]:
    unknown = sorted(samples.keys() - set(METRICS))
    if unknown:
        raise ValueError(f"{unknown[0]} is not one of the sample variables: {', '.join(METRICS)}")
    series = {name: _series(name, samples.get(name, ()), now) for name in METRICS}
    present = {
        "$CurrentDedicatedNodes": pool.current_dedicated,
        "$CurrentLowPriorityNodes": pool.current_low_priority,
    }
    return {
        **series,
        **{name: replace(series[name], present=float(nodes)) for name, nodes in present.items()},
        DEDICATED: float(pool.target_dedicated),
        LOW_PRIORITY: float(pool.target_low_priority),
        DEALLOCATION: DEALLOCATION_OPTIONS[0],
        SLOTS: float(pool.task_slots_per_node),
    }


def _series(name: str, samples: Series | Sequence[float], now: datetime) -> Series:
    return samples if isinstance(samples, Series) else Series.ending(name, now, samples)


def _target(variables: Variables, name: str) -> int:
    value = variables.get(name)
    assert isinstance(value, float)
    if not -1 < value < MOST_NODES + 1:
        alias = next(alias for alias, full in ALIASES.items() if full == name)
        place = variables.places.get(name) or variables.places.get(alias)
        raise EvaluationError(f"expected {name} to lie between 0 and {MOST_NODES}, found {write_value(value)}", place)
    return math.trunc(value)
