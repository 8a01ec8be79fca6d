"""Whole numbers that clients write as texts, as Azure CLI writes all its numbers: ``"priority": "5"``."""

import re
from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError

from localbatch.wire import JsonObject, JsonValue

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
    texts = [fault for fault in faults if fault["type"] == "int_type" and _spells_number(fault["input"])]
    for fault in texts:
        *way, name = fault["loc"]
        _follow(document, way)[name] = int(fault["input"])
    return bool(texts)


def _spells_number(value: object) -> bool:
    return isinstance(value, str) and _WHOLE.fullmatch(value) is not None


def _follow(value: JsonValue, way: Iterable[str | int]) -> Any:
    for step in way:
        value = value[step]  # type: ignore[call-overload,index]
    return value
