"""The official examples of requests and answers, and how an answer differs from one."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from localbatch.wire.formats import JsonValue

DIRECTORY = Path(__file__).parent / "examples"

_FORMS = {
    "time": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,7})?Z"),
    "etag": re.compile(r"0x[0-9A-F]{15}"),
    "url": re.compile(r"https?://.+"),
    "node": re.compile(r"tvm.{10,}"),
    "affinity": re.compile(r"TVM:tvm.{10,}"),
    "address": re.compile(r"\d+\.\d+\.\d+\.\d+"),
}
"""Texts whose values are made by the service anew each time."""


def example(name: str) -> dict[str, Any]:
    """Returns an example by the name of its file."""
    found: dict[str, Any] = json.loads((DIRECTORY / f"{name}.json").read_text())
    return found


def answer_of(name: str) -> JsonValue:
    """Returns the body that an example answers with."""
    (response,) = example(name)["responses"].values()
    body: JsonValue = response["body"]
    return body


def differences(expected: JsonValue, found: JsonValue, place: str = "") -> list[str]:
    """Lists the places at which an answer differs from an example, by the names on the way to them.

    Properties must be the same and written alike, and so must values, but for those that the service makes anew each
    time, of which only the form counts. Metadata links are not part of the examples.
    """
    return sorted(set(_differences(expected, found, place)))


def _differences(expected: JsonValue, found: JsonValue, place: str) -> Iterator[str]:
    if isinstance(expected, dict) and isinstance(found, dict):
        names = {*expected, *found} - {"odata.metadata"}
        for name in names:
            inner = f"{place}.{name}".lstrip(".")
            if name in expected and name in found:
                yield from _differences(expected[name], found[name], inner)
            else:
                yield inner
    elif isinstance(expected, list) and isinstance(found, list):
        if len(expected) != len(found):
            yield place
        for one, other in zip(expected, found, strict=False):
            yield from _differences(one, other, place)
    elif _form(expected) != _form(found):
        yield place


def _form(value: JsonValue) -> object:
    if isinstance(value, str):
        return next((name for name, form in _FORMS.items() if form.fullmatch(value)), value)
    return (type(value), value)
