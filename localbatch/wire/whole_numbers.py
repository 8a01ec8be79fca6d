"""Whole numbers that clients write as texts, as Azure CLI writes all its numbers: ``"priority": "5"``."""

import re
from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError

from localbatch.wire.formats import JsonObject

_WHOLE = re.compile(r"-?[0-9]{1,10}")


def mend(document: JsonObject, error: ValidationError) -> bool:
    """Turns texts into the numbers they spell, where a model found fault with them.

    Args:
        document: the body that was refused; it is changed.
        error: all that is wrong with it.

    Returns:
        Whether anything was changed, so that a new look is worth while.
    """
    faults = error.errors(include_url=False, include_context=False)
    places = [fault["loc"] for fault in faults if fault["type"] == "int_type" and spells_number(fault["input"])]
    for *way, name in places:
        owner = _follow(document, way)
        owner[name] = int(owner[name])
    return bool(places)


def spells_number(value: object) -> bool:
    """Tells whether a value is a text of the digits of a whole number."""
    return isinstance(value, str) and _WHOLE.fullmatch(value) is not None


def _follow(value: Any, way: Iterable[str | int]) -> Any:
    for step in way:
        value = value[step]
    return value
