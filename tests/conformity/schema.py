"""The published schema of every resource, made as strict as the service is.

The schema is made from the official client, which accepts more than the service answers: values of enumerations in any
case, 64-bit numbers as numbers, times with any fraction, names nobody knows.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from localbatch.wire.formats import JsonObject, JsonValue

SCHEMA_FILE = Path(__file__).parent / "batch_schema_2025-06-01.json"

_TIME = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z$"
_DURATION = r"^P(?=[0-9T])([0-9]+D)?(T(?=[0-9])([0-9]+H)?([0-9]+M)?([0-9]+(\.[0-9]{1,7})?S)?)?$"
_MAY_LACK = {
    "BatchNode": {"lastBootTime", "ipv6Address"},
    "UserAccount": {"password"},
    "CifsMountConfiguration": {"password"},
    "AzureFileShareConfiguration": {"accountKey"},
}
"""What is required of requests, or by the client's code, and missing in the recorded answers: the time at which a node
was started while it is created, an address it does not have, and all secrets."""


@cache
def published() -> dict[str, Any]:
    """Returns the definitions as published, by the name of the model."""
    definitions: dict[str, Any] = json.loads(SCHEMA_FILE.read_text())["$defs"]
    return definitions


@cache
def validator(model: str, *, strict: bool = True, whole: bool = True) -> Draft202012Validator:
    """Compiles the check of one model.

    Args:
        model: such as ``BatchPool``.
        strict: names nobody knows, and values in other forms than the service's, are violations.
        whole: what is required must be there.
    """
    definitions = {name: _adapted(name, each, strict, whole) for name, each in published().items()}
    return Draft202012Validator({"$ref": f"#/$defs/{model}", "$defs": definitions})


def violations(document: JsonValue, model: str, *, strict: bool = True, whole: bool = True) -> list[str]:
    """Lists where a document differs from its model, one line each."""
    found = validator(model, strict=strict, whole=whole).iter_errors(document)
    return [f"{model}{_place(error.absolute_path)}: {error.message[:300]}" for error in found]


def _place(path: Any) -> str:
    return "".join(f".{part}" for part in path)


def _adapted(name: str, definition: JsonObject, strict: bool, whole: bool) -> JsonObject:
    adapted = dict(definition)
    lacking = _MAY_LACK.get(name, set())
    required = definition.get("required")
    assert isinstance(required, list)
    adapted["required"] = [each for each in required if whole and each not in lacking]
    if strict:
        properties = definition.get("properties")
        assert isinstance(properties, dict)
        adapted["properties"] = {each: _stricter(value) for each, value in properties.items()}
        adapted["additionalProperties"] = False
    return adapted


def _stricter(value: JsonValue) -> JsonValue:
    if not isinstance(value, dict):
        return value
    if value.get("format") == "date-time":
        return {"type": "string", "pattern": _TIME}
    if value.get("type") == ["integer", "string"]:
        return {**value, "type": "string"}
    pattern = value.get("pattern")
    if pattern == "^-?P":
        return {"type": "string", "pattern": _DURATION}
    if isinstance(pattern, str):
        return {**value, "pattern": pattern.replace("(?i:", "(?:")}
    return {**value, "items": _stricter(value["items"])} if "items" in value else value
