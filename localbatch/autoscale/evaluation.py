"""Statements to values.

Evaluation is bounded: there are no loops, nesting is limited by the parser, and the numbers handled by a budget. Only
the branch of a condition that is taken is evaluated, and ``&&`` and ``||`` stop where the answer is known.
"""

from collections.abc import Iterable, Mapping

from localbatch.autoscale.errors import EvaluationError, Place
from localbatch.autoscale.functions import FUNCTIONS, StopEvaluation, Surroundings
from localbatch.autoscale.methods import call_method, worth
from localbatch.autoscale.names import ALIASES, DEALLOCATION, DEALLOCATION_OPTIONS, SETTABLE, TICKS
from localbatch.autoscale.operators import apply, negate, truth
from localbatch.autoscale.samples import Series
from localbatch.autoscale.syntax import (
    Assignment,
    Call,
    Chain,
    Choice,
    Expression,
    Member,
    MethodCall,
    Name,
    Number,
    Operation,
    Statement,
    Text,
    Unary,
    Vector,
)
from localbatch.autoscale.timestamps import MEMBERS, Interval, Timestamp
from localbatch.autoscale.values import Plain, Value, flatten, kind_of

_CONSTANTS: Mapping[str, Value] = {
    **{name: Interval(ticks) for name, ticks in TICKS.items()},
    **{option: option for option in DEALLOCATION_OPTIONS},
}
_ALIAS_OF = {full: alias for alias, full in ALIASES.items()}


class Variables:
    """The variables of one evaluation.

    Variables of one's own may be written with ``$`` or without; both mean the same, and the first spelling is shown.

    Args:
        given: the service's variables as they are at the beginning.

    Attributes:
        own: the formula's own variables.
        places: where variables of the service were assigned last.
    """

    def __init__(self, given: Mapping[str, Value]) -> None:
        self._given: Mapping[str, Value] = {**_CONSTANTS, **given}
        self._assigned: dict[str, Plain] = {}
        self._spelling: dict[str, str] = {}
        self.own: dict[str, Plain] = {}
        self.places: dict[str, Place] = {}

    def get(self, name: str) -> Value | None:
        """Returns a variable or constant, None if there is none. The full name of a variable wins over its alias."""
        full = ALIASES.get(name, name)
        for key in (full, _ALIAS_OF.get(full, full)):
            if key in self._assigned:
                return self._assigned[key]
        return self._given.get(full, self.own.get(self._spelling.get(name.removeprefix("$"), name)))

    def set(self, name: str, value: Plain, place: Place) -> None:
        """Assigns a variable."""
        if name in SETTABLE:
            self._assigned[name], self.places[name] = value, place
        else:
            self.own[self._spelling.setdefault(name.removeprefix("$"), name)] = value


class Evaluation:
    """One run of a formula.

    Args:
        variables: what it reads and writes.
        around: what its functions need.
    """

    def __init__(self, variables: Variables, around: Surroundings) -> None:
        self._variables, self._around = variables, around

    def run(self, statements: Iterable[Statement]) -> None:
        """Evaluates statements up to the end, or to ``stop()``.

        Raises:
            EvaluationError: a statement fails; the variables are as the statements before it left them.
        """
        try:
            for statement in statements:
                self._run(statement)
        except StopEvaluation:
            return

    def _run(self, statement: Statement) -> None:
        if not isinstance(statement, Assignment):
            self._value(statement)
            return
        value = self._plain(statement.value)
        if statement.variable in SETTABLE:
            _check(statement.variable, value, statement.place)
        self._variables.set(statement.variable, value, statement.place)

    def _plain(self, expression: Expression) -> Plain:
        """Evaluates what must be a value; a sample variable counts as a double."""
        value = self._value(expression)
        return worth(value, expression.place) if isinstance(value, Series) else value

    def _value(self, expression: Expression) -> Value:
        match expression:
            case Number(value=number):
                return number
            case Text(value=text):
                return text
            case Name():
                return self._read(expression)
            case Vector():
                return flatten(self._plain_all(expression.items), expression.place, self._around.budget)
            case Unary():
                return negate(expression.operator, self._plain(expression.operand), expression.place)
            case Chain():
                return self._chain(expression)
            case Choice():
                taken = truth(self._plain(expression.condition), expression.place)
                return self._value(expression.yes if taken else expression.no)
            case Call():
                arguments = tuple(self._plain_all(expression.arguments))
                return FUNCTIONS[expression.name](arguments, self._around, expression.place)
            case Member():
                return self._member(expression)
            case MethodCall():
                return self._method(expression)

    def _plain_all(self, expressions: Iterable[Expression]) -> list[Plain]:
        return [self._plain(expression) for expression in expressions]

    def _read(self, name: Name) -> Value:
        value = self._variables.get(name.name)
        if value is None:
            raise EvaluationError(f"expected a variable that has a value, found '{name.name}'", name.place)
        return value

    def _chain(self, chain: Chain) -> Plain:
        value = self._plain(chain.first)
        for step in chain.rest:
            value = self._step(value, step)
        return value

    def _step(self, left: Plain, step: Operation) -> Plain:
        if step.operator in _DECIDED:
            known = truth(left, step.place)
            if known == _DECIDED[step.operator]:
                return float(known)
            return float(truth(self._plain(step.operand), step.place))
        return apply(step.operator, left, self._plain(step.operand), step.place, self._around.budget)

    def _member(self, member: Member) -> Plain:
        owner = self._plain(member.owner)
        if not isinstance(owner, Timestamp):
            raise EvaluationError(
                f"expected a timestamp, which has {', '.join(MEMBERS)}; found a {kind_of(owner)}", member.place
            )
        return owner.member(member.name)

    def _method(self, call: MethodCall) -> Plain:
        owner = self._value(call.owner)
        if not isinstance(owner, Series):
            raise EvaluationError(
                f"expected a sample variable such as $PendingTasks, found a {kind_of(owner)}", call.place
            )
        arguments = self._plain_all(call.arguments)
        try:
            value = call_method(owner, call.name, arguments, self._around.now, call.place)
        except (ValueError, OverflowError) as error:  # of series with an odd period or odd times
            raise EvaluationError(str(error), call.place) from error
        self._around.budget.spend(len(value) if isinstance(value, tuple) else 1, call.place)
        return value


_DECIDED = {"&&": False, "||": True}
"""Operator -> the left operand with which the right one does not matter."""


def _check(variable: str, value: Plain, place: Place) -> None:
    if variable == DEALLOCATION:
        if value not in DEALLOCATION_OPTIONS:
            found = f"'{value}'" if isinstance(value, str) else f"a {kind_of(value)}"
            raise EvaluationError(f"expected {variable} to be {', '.join(DEALLOCATION_OPTIONS)}; found {found}", place)
    elif not isinstance(value, float):
        raise EvaluationError(f"expected a double for {variable}, found a {kind_of(value)}", place)
