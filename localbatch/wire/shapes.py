"""The published form of resources and request bodies: names, types and words of all properties, at whatever depth.

``shapes.json`` holds it, made from the same source as the official client. What a body means is checked
elsewhere; here it is only made sure that it can be read, so that whatever is echoed has the form of an answer.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from localbatch.wire.errors import ServiceError, invalid_property, unknown_property, unreadable_property
from localbatch.wire.formats import JsonObject, JsonValue, format_duration, format_time, parse_duration, parse_time
from localbatch.wire.whole_numbers import spells_number

TASK = "BatchTaskCreateOptions"
# Its tasks are read one by one, by who adds them: one that can't be read does not hold up the others.
_TASK_GROUP = "BatchTaskGroup"

_SMALLEST, _LARGEST = -(2**31), 2**31 - 1

BODIES: dict[tuple[str, str], str] = {
    ("POST", "/pools"): "BatchPoolCreateOptions",
    ("PATCH", "/pools/{pool}"): "BatchPoolUpdateOptions",
    ("POST", "/pools/{pool}/updateproperties"): "BatchPoolReplaceOptions",
    ("POST", "/pools/{pool}/resize"): "BatchPoolResizeOptions",
    ("POST", "/pools/{pool}/removenodes"): "BatchNodeRemoveOptions",
    ("POST", "/pools/{pool}/enableautoscale"): "BatchPoolEnableAutoScaleOptions",
    ("POST", "/pools/{pool}/evaluateautoscale"): "BatchPoolEvaluateAutoScaleOptions",
    ("POST", "/pools/{pool}/nodes/{node}/deallocate"): "BatchNodeDeallocateOptions",
    ("POST", "/pools/{pool}/nodes/{node}/disablescheduling"): "BatchNodeDisableSchedulingOptions",
    ("POST", "/pools/{pool}/nodes/{node}/reboot"): "BatchNodeRebootOptions",
    ("POST", "/pools/{pool}/nodes/{node}/reimage"): "BatchNodeReimageOptions",
    ("POST", "/pools/{pool}/nodes/{node}/uploadbatchservicelogs"): "UploadBatchServiceLogsOptions",
    ("POST", "/pools/{pool}/nodes/{node}/users"): "BatchNodeUserCreateOptions",
    ("PUT", "/pools/{pool}/nodes/{node}/users/{user}"): "BatchNodeUserReplaceOptions",
    ("POST", "/jobs"): "BatchJobCreateOptions",
    ("PATCH", "/jobs/{job}"): "BatchJobUpdateOptions",
    ("POST", "/jobs/{job}/disable"): "BatchJobDisableOptions",
    ("POST", "/jobs/{job}/terminate"): "BatchJobTerminateOptions",
    ("POST", "/jobs/{job}/tasks"): TASK,
    ("POST", "/jobs/{job}/addtaskcollection"): _TASK_GROUP,
    ("POST", "/jobschedules"): "BatchJobScheduleCreateOptions",
    ("PATCH", "/jobschedules/{schedule}"): "BatchJobScheduleUpdateOptions",
    ("PUT", "/jobs/{job}"): "BatchJob",
    ("PUT", "/jobs/{job}/tasks/{task}"): "BatchTask",
    ("PUT", "/jobschedules/{schedule}"): "BatchJobSchedule",
}
"""Verb and path of an operation -> the model of its body."""

_COUNTED: dict[str, frozenset[str]] = {
    "BatchJob": frozenset(
        {
            *("allowTaskPreemption", "constraints", "maxParallelTasks", "metadata", "onAllTasksComplete", "poolInfo"),
            "priority",
        }
    ),
    "BatchTask": frozenset({"constraints"}),
    "BatchJobSchedule": frozenset({"jobSpecification", "metadata", "schedule"}),
}
"""What is looked at of resources that are replaced: clients send all of them as they were shown to them, without their
secrets."""

OLDER_POOL_NAMES = frozenset(
    {
        *("applicationLicenses", "certificateReferences", "cloudServiceConfiguration", "resourceTags"),
        "targetNodeCommunicationMode",
    }
)
"""Properties of pools that only versions before 2025-06-01 have. Source: azure-batch 14.2."""

_OLDER_NAMES: dict[str, frozenset[str]] = {
    "BatchPoolCreateOptions": OLDER_POOL_NAMES,
    "BatchPoolSpecification": OLDER_POOL_NAMES,
    "BatchPoolUpdateOptions": frozenset({"certificateReferences", "targetNodeCommunicationMode"}),
    "BatchPoolReplaceOptions": frozenset({"certificateReferences", "targetNodeCommunicationMode"}),
    "BatchTaskCreateOptions": frozenset({"authenticationTokenSettings"}),
    "BatchJobManagerTask": frozenset({"authenticationTokenSettings"}),
}


@dataclass(frozen=True)
class _Shapes:
    models: dict[str, dict[str, str]]
    enums: dict[str, list[str]]


@cache
def _shapes() -> _Shapes:
    return _Shapes(**json.loads(Path(__file__).with_name("shapes.json").read_text()))


def conform(document: JsonObject, model: str, *, older: bool = False) -> JsonObject:
    """Checks the form of a body.

    Args:
        document: the body, without nulls.
        model: such as ``BatchPoolCreateOptions``.
        older: whether the request is of a version before 2025-06-01.

    Returns:
        The body with words (such as ``Spread``), times and durations as the service writes them.

    Raises:
        ServiceError: ``InvalidRequestBody``, ``MissingRequiredProperty``, or ``InvalidPropertyValue`` for a word
            that is none of those there are; each names the property by its path.
    """
    if model == _TASK_GROUP:
        # Each of its tasks is read by itself, so that one that is wrong does not hold up the others.
        return {name: _tasks(value) if name == "value" else value for name, value in document.items()}
    if model in _COUNTED:
        counted = {name: value for name, value in document.items() if name in _COUNTED[model]}
        return document | _Reader(older, whole=False).read(counted, model, "")
    return _Reader(older).read(document, model, "")


def names_property(model: str, path: Sequence[str], *, older: bool = False) -> bool:
    """Tells whether a resource has a property.

    Args:
        model: of the resource, such as ``BatchPool``.
        path: name of the property, and of one within it, and so on.
        older: whether the names of versions before 2025-06-01 count.
    """
    name, *rest = path
    kind = _shapes().models.get(model, {}).get(name, "").strip("[]!")
    if not kind:
        return older and model == "BatchPool" and name in OLDER_POOL_NAMES and not rest
    return not rest or names_property(kind, rest)


@dataclass(frozen=True)
class _Reader:
    older: bool
    whole: bool = True

    def read(self, document: JsonObject, model: str, within: str) -> JsonObject:
        kinds = _shapes().models[model]
        read: JsonObject = {}
        for name, value in document.items():
            kind = kinds.get(name)
            if kind is not None:
                read[name] = self._value(value, kind.rstrip("!"), within + name)
            elif self.older and name in _OLDER_NAMES.get(model, ()):
                read[name] = value
            else:
                raise unknown_property(within + name)
        for name, kind in kinds.items() if self.whole else ():
            if kind.endswith("!") and name not in document:
                raise ServiceError("MissingRequiredProperty", values=(("PropertyName", within + name),))
        return read

    def _value(self, value: JsonValue, kind: str, place: str) -> JsonValue:
        if kind.startswith("["):
            return [self._value(each, kind[1:-1], f"{place}.{n}") for n, each in enumerate(_array(value, place))]
        if kind in _shapes().models:
            if not isinstance(value, dict):
                raise unreadable_property(place, "It must be an object.")
            return self.read(value, kind, f"{place}.")
        if kind in _shapes().enums:
            return _word(value, _shapes().enums[kind], place)
        return _plain(value, kind, place)


def _tasks(value: JsonValue) -> JsonValue:
    return [_plain(each, "object", f"value.{number}") for number, each in enumerate(_array(value, "value"))]


def _array(value: JsonValue, place: str) -> list[JsonValue]:
    if not isinstance(value, list):
        raise unreadable_property(place, "It must be an array.")
    return value


def _word(value: JsonValue, words: list[str], place: str) -> str:
    for word in words:
        if isinstance(value, str) and value.lower() == word.lower():
            return word
    raise invalid_property(place, value, f"It must be one of {', '.join(words)}.")


def _plain(value: JsonValue, kind: str, place: str) -> JsonValue:
    read, wanted = _PLAIN[kind]
    try:
        return read(value)
    except ValueError as error:
        raise unreadable_property(place, f"It must be {wanted}.") from error


def _only(kind: type) -> Callable[[JsonValue], JsonValue]:
    def read(value: JsonValue) -> JsonValue:
        if type(value) is not kind:
            raise ValueError
        return value

    return read


def _whole(value: JsonValue) -> JsonValue:
    if spells_number(value):
        value = int(str(value))
    if type(value) is not int or not _SMALLEST <= value <= _LARGEST:
        raise ValueError
    return value


def _time(value: JsonValue) -> JsonValue:
    return format_time(parse_time(str(value)))


def _duration(value: JsonValue) -> JsonValue:
    return format_duration(parse_duration(value))


_PLAIN: dict[str, tuple[Callable[[JsonValue], JsonValue], str]] = {
    "string": (_only(str), "a text"),
    "boolean": (_only(bool), "true or false"),
    "integer": (_whole, "a whole number of 32 bits"),
    "object": (_only(dict), "an object"),
    "time": (_time, "a date and time such as 2030-01-31T08:00:00Z"),
    "duration": (_duration, "an ISO 8601 duration such as PT15M"),
}
"""Kind of a property -> what reads its values or raises ValueError, and what they must be."""
