"""The ``$filter`` and ``$select`` of list operations: what they may name, and what they let through.

Which properties a filter may name, and with which operators, differs from list to list: one table of ``PropertyRule``
each. Source: "OData filters in Batch" in the Batch REST reference. Names are case-sensitive, values of strings are not.
A property which a resource lacks is ``ne`` to everything and nothing else, as OData says of null.
"""

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeAlias

from localbatch.wire.errors import invalid_query_parameter
from localbatch.wire.filter_syntax import (
    Comparison,
    Conjunction,
    Disjunction,
    Expression,
    FilterSyntaxError,
    Operand,
    parse,
)
from localbatch.wire.formats import JsonObject, JsonValue, parse_time

Predicate: TypeAlias = Callable[[JsonObject], bool]

_KINDS: dict[type, str] = {str: "a text in quotes", datetime: "DateTime'...'", bool: "true or false", int: "a number"}


@dataclass(frozen=True)
class PropertyRule:
    """What a filter may do with one property of a list's resources.

    Attributes:
        operators: those allowed.
        kind: the type of the values it is compared with.
        choices: all values it can have, if they are few; None if any will do.
        path: where the property stands in the document, if not where its name says.
    """

    operators: frozenset[str]
    kind: type[str] | type[bool] | type[int] | type[datetime] = str
    choices: tuple[str, ...] | None = None
    path: str | None = None


Rules: TypeAlias = Mapping[str, PropertyRule]

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "ge": operator.ge,
    "gt": operator.gt,
    "le": operator.le,
    "lt": operator.lt,
    "startswith": lambda value, start: str(value).startswith(str(start)),
}

_PATH = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:/[A-Za-z][A-Za-z0-9]*)*")


def compile_filter(text: str, rules: Rules) -> Predicate:
    """Makes the predicate a filter stands for.

    Args:
        text: the value of ``$filter``; a blank one lets everything through.
        rules: the list's properties and operators, such as ``TASKS``.

    Returns:
        A function that tells whether a resource, as it stands on the wire, passes.

    Raises:
        ServiceError: ``InvalidQueryParameterValue`` naming ``$filter``, with the reason.
    """
    if not text.strip():
        return lambda _document: True
    try:
        return _predicate(parse(text), rules)
    except FilterSyntaxError as error:
        raise invalid_query_parameter("$filter", text, str(error)) from error


def equality(text: str, property: str) -> str | None:
    """Finds the value to which a filter pins a property, so that a store can look it up instead of reading everything.

    Args:
        text: the value of ``$filter``.
        property: a name such as ``state``.

    Returns:
        The text as the client wrote it (it is to be compared without regard to case), or None if the filter lets
        resources with different values through. The filter may ask for more: its predicate is still to be applied.

    Raises:
        ServiceError: ``InvalidQueryParameterValue`` naming ``$filter``, if the text is not a filter.
    """
    for each in _requirements(text, property):
        if each.operator == "eq" and isinstance(each.operand, str):
            return each.operand
    return None


def lower_bound(text: str, property: str) -> datetime | None:
    """Finds the moment before which a filter lets no value of a property through, as ``equality`` finds a value.

    Args:
        text: the value of ``$filter``.
        property: a name such as ``stateTransitionTime``.

    Raises:
        ServiceError: ``InvalidQueryParameterValue`` naming ``$filter``, if the text is not a filter.
    """
    for each in _requirements(text, property):
        if each.operator in ("ge", "gt") and isinstance(each.operand, datetime):
            return each.operand
    return None


def select(document: JsonObject, text: str | None) -> JsonObject:
    """Leaves only the properties a ``$select`` names.

    Args:
        document: a resource as it stands on the wire.
        text: comma-separated names, nested ones with a slash; everything is left if None, blank or ``*``.

    Returns:
        A new document; names which the resource lacks are passed over.

    Raises:
        ServiceError: ``InvalidQueryParameterValue`` naming ``$select``, if something in the list can't be a name.
    """
    paths = _selected(text or "")
    if paths is None:
        return document
    chosen: JsonObject = {name: value for name, value in document.items() if name.startswith("odata.")}
    for path in paths:
        _copy(document, chosen, path)
    return chosen


def selects(text: str | None, name: str) -> bool:
    """Tells whether a ``$select`` leaves anything of a property.

    Raises:
        ServiceError: ``InvalidQueryParameterValue`` naming ``$select``, if something in the list can't be a name.
    """
    paths = _selected(text or "")
    return paths is None or any(path[0] == name for path in paths)


@lru_cache(maxsize=256)
def _selected(text: str) -> tuple[tuple[str, ...], ...] | None:
    names = [name.strip() for name in text.split(",")]
    if names in ([""], ["*"]):
        return None
    for name in names:
        if not _PATH.fullmatch(name):
            raise invalid_query_parameter("$select", text, f"{name!r} is not the name of a property")
    return tuple(tuple(name.split("/")) for name in names)


def _copy(source: JsonObject, target: JsonObject, path: tuple[str, ...]) -> None:
    name, *rest = path
    if name not in source:
        return
    value = source[name]
    if not rest:
        target[name] = value
    elif isinstance(value, dict):
        inner = target.setdefault(name, {})
        # The whole object may have been chosen before; then there is nothing to add, and it is not ours to change.
        if isinstance(inner, dict) and inner is not value:
            _copy(value, inner, tuple(rest))


def _requirements(text: str, property: str) -> list[Comparison]:
    """The comparisons of one property that everything a filter lets through must pass."""
    if not text.strip():
        return []
    try:
        return [each for each in _required(parse(text)) if each.property == property]
    except FilterSyntaxError as error:
        raise invalid_query_parameter("$filter", text, str(error)) from error


def _required(expression: Expression) -> Iterator[Comparison]:
    if isinstance(expression, Comparison):
        yield expression
    elif isinstance(expression, Conjunction):
        for part in expression.parts:
            yield from _required(part)


def _predicate(expression: Expression, rules: Rules) -> Predicate:
    if isinstance(expression, Comparison):
        return _comparison(expression, rules)
    parts = tuple(_predicate(part, rules) for part in expression.parts)
    if isinstance(expression, Disjunction):
        return lambda document: any(part(document) for part in parts)
    return lambda document: all(part(document) for part in parts)


def _comparison(comparison: Comparison, rules: Rules) -> Predicate:
    rule = _checked(comparison, rules)
    path = (rule.path or comparison.property).split("/")
    operand = _folded(comparison.operand)
    compare = _COMPARE[comparison.operator]

    def passes(document: JsonObject) -> bool:
        value = _comparable(_value(document, path), rule.kind)
        if value is None:
            return comparison.operator == "ne"
        return compare(value, operand)

    return passes


def _checked(comparison: Comparison, rules: Rules) -> PropertyRule:
    rule = rules.get(comparison.property)
    if rule is None:
        raise FilterSyntaxError(f"{comparison.property!r} is not one of the properties {', '.join(rules)}")
    if comparison.operator not in rule.operators:
        allowed = ", ".join(sorted(rule.operators))
        raise FilterSyntaxError(f"{comparison.property!r} allows only {allowed}, not {comparison.operator!r}")
    if type(comparison.operand) is not rule.kind:
        raise FilterSyntaxError(f"{comparison.property!r} is compared with {_KINDS[rule.kind]}")
    if rule.choices is not None and _folded(comparison.operand) not in rule.choices:
        raise FilterSyntaxError(f"{comparison.property!r} is one of {', '.join(rule.choices)}")
    return rule


def _value(document: JsonObject, path: list[str]) -> JsonValue:
    value: JsonValue = document
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _comparable(value: JsonValue, kind: type) -> Operand | None:
    if kind is datetime:
        return _time(value)
    if isinstance(value, (str, bool, int)) and type(value) is kind:
        return _folded(value)
    return None


def _time(value: JsonValue) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        return parse_time(value)
    except ValueError:
        # Some times are echoed as a client wrote them; one that is none matches nothing.
        return None


def _folded(value: Operand) -> Operand:
    return value.casefold() if isinstance(value, str) else value
