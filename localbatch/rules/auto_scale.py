"""What clients may say about the automatic scaling of a pool, and how the service words what comes of it: pure.

Source: the Batch REST reference, API version 2025-06-01, and recorded answers.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from localbatch.autoscale.errors import FormulaError
from localbatch.autoscale.formula import Formula, Outcome, compile_formula
from localbatch.autoscale.samples import PERIOD_SECONDS
from localbatch.bodies.pools import PoolSpecification
from localbatch.wire.errors import ServiceError, invalid_property
from localbatch.wire.formats import JsonObject, format_duration, format_time

DEFAULT_INTERVAL = timedelta(minutes=15)
_SHORTEST, _LONGEST = timedelta(minutes=5), timedelta(hours=168)
_SECONDS_BETWEEN_REQUESTS = 30.0


@dataclass(frozen=True)
class Pace:
    """How fast automatic scaling goes.

    Attributes:
        seconds: between two evaluations of each formula, whatever its pool says; None is what the pool says. Samples
            are then taken, and may automatic scaling be enabled, at least as often.
    """

    seconds: float | None = None

    def interval(self, asked: float) -> timedelta:
        """Returns the time between two evaluations of a formula whose pool asks for so many seconds."""
        return timedelta(seconds=asked if self.seconds is None else self.seconds)

    @property
    def sample_seconds(self) -> float:
        """Seconds between two samples."""
        return PERIOD_SECONDS if self.seconds is None else min(PERIOD_SECONDS, self.seconds)

    @property
    def between_requests(self) -> timedelta:
        """The time after which automatic scaling of a pool may be enabled once more."""
        return timedelta(seconds=min(_SECONDS_BETWEEN_REQUESTS, self.sample_seconds))


def check_auto_scale(body: PoolSpecification) -> None:
    """Refuses a new pool whose sizes and formula don't go together.

    Raises:
        ServiceError: ``InvalidAutoScalingSettings``, or as ``check_formula`` and ``check_interval`` do.
    """
    formula, given = body.auto_scale_formula, body.model_fields_set
    if not body.enable_auto_scale:
        for field, name in _ONLY_ENABLED.items():
            if field in given and getattr(body, field) is not None:
                raise _invalid(name, "It goes with enableAutoScale alone.")
        return
    for field, name in _ONLY_DISABLED.items():
        if field in given:
            raise _invalid(name, "It must not be given where enableAutoScale is true.")
    if formula is None:
        raise _invalid("autoScaleFormula", "It must be given where enableAutoScale is true.")
    check_interval(body.auto_scale_evaluation_interval)
    check_formula(formula)


_ONLY_ENABLED = {
    "auto_scale_formula": "autoScaleFormula",
    "auto_scale_evaluation_interval": "autoScaleEvaluationInterval",
}
_ONLY_DISABLED = {
    "target_dedicated_nodes": "targetDedicatedNodes",
    "target_low_priority_nodes": "targetLowPriorityNodes",
}


def check_interval(interval: timedelta) -> None:
    """Refuses a time between two evaluations that the service does not allow."""
    if not _SHORTEST <= interval <= _LONGEST:
        reason = "It must lie between 5 minutes and 168 hours."
        raise invalid_property("autoScaleEvaluationInterval", format_duration(interval), reason)


def check_formula(text: str) -> Formula:
    """Reads a formula.

    Raises:
        ServiceError: ``AutoScalingFormulaSyntaxError`` or ``AutoScalingFormulaTooLong``, with line, column and reason.
    """
    try:
        return compile_formula(text)
    except FormulaError as error:
        values = [("PropertyName", "autoScaleFormula"), ("Reason", str(error))]
        if error.place is not None:
            values += [("Line", str(error.place.line)), ("Column", str(error.place.column))]
        raise ServiceError(error.code, error.summary, values) from error


def missing_formula() -> ServiceError:
    """Makes the refusal to enable automatic scaling with no formula."""
    return _invalid("autoScaleFormula", "It must be given as long as automatic scaling is disabled.")


def nothing_to_change() -> ServiceError:
    """Makes the refusal to enable automatic scaling once more, with nothing else than before."""
    return _invalid("autoScaleFormula", "autoScaleFormula, autoScaleEvaluationInterval or both must be given.")


def _invalid(name: str, reason: str) -> ServiceError:
    return ServiceError("InvalidAutoScalingSettings", values=(("PropertyName", name), ("Reason", reason)))


def run_document(outcome: Outcome, now: datetime) -> JsonObject:
    """Makes an ``AutoScaleRun``."""
    document: JsonObject = {"timestamp": format_time(now), "results": outcome.results}
    if outcome.error is not None:
        document["error"] = {
            "code": outcome.error.code,
            "message": outcome.error.summary,
            "values": [{"name": "Message", "value": str(outcome.error)}],
        }
    return document
