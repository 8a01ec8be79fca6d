"""What can be wrong with a formula.

    FormulaError                      the root; carries code, text and place
    +-- FormulaTooLongError           longer than 8192 characters, or more than 100 statements
    +-- FormulaSyntaxError            it can't be read
    +-- EvaluationError               it can be read, and fails while it is evaluated
        +-- InsufficientSamplesError  fewer samples than it asks for

Trying again helps only where samples are missing. Source of codes and texts: the Batch REST reference, the article
"Pool autoscale event", and the tests of Microsoft's JavaScript SDK.
"""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Place:
    """Where something stands in a formula; line and column count from 1."""

    line: int
    column: int


class FormulaError(Exception):
    """A formula can't be used.

    Args:
        reason: what is wrong and what was expected.
        place: where; None if it is the formula as a whole.

    Attributes:
        code: the service's code.
        summary: the service's text for that code.
    """

    code: ClassVar[str]
    summary: ClassVar[str]

    def __init__(self, reason: str, place: Place | None = None) -> None:
        self.reason, self.place = reason, place
        super().__init__(reason if place is None else f"Line {place.line}, Col {place.column}: {reason}")


class FormulaTooLongError(FormulaError):
    """A formula is longer than permitted."""

    code = "AutoScalingFormulaTooLong"
    summary = "The specified auto-scaling formula exceeds lengths limit."


class FormulaSyntaxError(FormulaError):
    """A formula can't be read."""

    code = "AutoScalingFormulaSyntaxError"
    summary = "The specified auto-scaling formula has a syntax error."


class EvaluationError(FormulaError):
    """A formula fails while it is evaluated."""

    code = "AutoScalingFormulaEvaluationError"
    summary = "The specified auto-scaling formula could not be evaluated"


class InsufficientSamplesError(EvaluationError):
    """A formula asks for more samples than there are."""

    code = "InsufficientSampleData"
    summary = "Autoscale evaluation failed due to insufficient sample data"
