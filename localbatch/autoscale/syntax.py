"""What a formula consists of.

Operators of one precedence stand side by side in a ``Chain``, not one within the other, so that a long sum is no deeper
than a short one.
"""

from dataclasses import dataclass
from typing import TypeAlias

from localbatch.autoscale.errors import Place


@dataclass(frozen=True)
class Number:
    """A number as written."""

    value: float
    place: Place


@dataclass(frozen=True)
class Text:
    """A string, without its quotes."""

    value: str
    place: Place


@dataclass(frozen=True)
class Name:
    """A variable or a constant."""

    name: str
    place: Place


@dataclass(frozen=True)
class Vector:
    """``[a, b, ...]``."""

    items: "tuple[Expression, ...]"
    place: Place


@dataclass(frozen=True)
class Unary:
    """``-operand`` or ``!operand``."""

    operator: str
    operand: "Expression"
    place: Place


@dataclass(frozen=True)
class Operation:
    """An operator with what stands on its right."""

    operator: str
    operand: "Expression"
    place: Place


@dataclass(frozen=True)
class Chain:
    """Operators of one precedence, applied from left to right."""

    first: "Expression"
    rest: tuple[Operation, ...]
    place: Place


@dataclass(frozen=True)
class Choice:
    """``condition ? yes : no``."""

    condition: "Expression"
    yes: "Expression"
    no: "Expression"
    place: Place


@dataclass(frozen=True)
class Call:
    """A function with its arguments."""

    name: str
    arguments: "tuple[Expression, ...]"
    place: Place


@dataclass(frozen=True)
class Member:
    """A member of a timestamp."""

    owner: "Expression"
    name: str
    place: Place


@dataclass(frozen=True)
class MethodCall:
    """A method of a sample variable; the place is that of its parenthesis, to which the service's messages point."""

    owner: "Expression"
    name: str
    arguments: "tuple[Expression, ...]"
    place: Place


Expression: TypeAlias = Number | Text | Name | Vector | Unary | Chain | Choice | Call | Member | MethodCall


@dataclass(frozen=True)
class Assignment:
    """``variable = value``."""

    variable: str
    value: Expression
    place: Place


Statement: TypeAlias = Assignment | Expression
