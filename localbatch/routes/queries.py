"""The query of a request, as far as it does not depend on the operation's own rules.

System options (those with a dollar) that an operation does not have are refused, other parameters that nobody knows are
passed over, as OData says of both.
"""

from collections.abc import Mapping
from urllib.parse import parse_qsl

from localbatch.routes.call import VERSIONS
from localbatch.wire.errors import ServiceError, invalid_query_parameter
from localbatch.wire.shapes import names_property

_TOKEN = "$skiptoken"
_LISTED = ("$filter", "$select", "$expand", _TOKEN)
_SHOWN = ("$select", "$expand")
_PLAIN_LIST = (_TOKEN,)
_NODE = "/pools/{pool}/nodes/{node}"

OPTIONS: dict[tuple[str, str], tuple[str, ...]] = {
    ("GET", "/applications"): _PLAIN_LIST,
    ("GET", "/jobs"): _LISTED,
    ("GET", "/jobs/{job}"): _SHOWN,
    ("GET", "/jobs/{job}/jobpreparationandreleasetaskstatus"): ("$filter", "$select", _TOKEN),
    ("GET", "/jobs/{job}/tasks"): _LISTED,
    ("GET", "/jobs/{job}/tasks/{task}"): _SHOWN,
    ("GET", "/jobs/{job}/tasks/{task}/files"): ("$filter", _TOKEN),
    ("GET", "/jobs/{job}/tasks/{task}/subtasksinfo"): ("$select", _TOKEN),
    ("GET", "/jobschedules"): _LISTED,
    ("GET", "/jobschedules/{schedule}"): _SHOWN,
    ("GET", "/jobschedules/{schedule}/jobs"): _LISTED,
    ("GET", "/nodecounts"): ("$filter", _TOKEN),
    ("GET", "/pools"): _LISTED,
    ("GET", "/pools/{pool}"): _SHOWN,
    ("GET", "/pools/{pool}/nodes"): ("$filter", "$select", _TOKEN),
    ("GET", _NODE): ("$select",),
    ("GET", f"{_NODE}/extensions"): ("$select", _TOKEN),
    ("GET", f"{_NODE}/extensions/{{extension}}"): ("$select",),
    ("GET", f"{_NODE}/files"): ("$filter", _TOKEN),
    ("GET", "/poolusagemetrics"): ("$filter", _TOKEN),
    ("GET", "/supportedimages"): ("$filter", _TOKEN),
}
"""Verb and path of an operation -> the system options that it has."""

SELECTED: dict[str, str] = {
    "/jobs": "BatchJob",
    "/jobs/{job}": "BatchJob",
    "/jobs/{job}/jobpreparationandreleasetaskstatus": "BatchJobPreparationAndReleaseTaskStatus",
    "/jobs/{job}/tasks": "BatchTask",
    "/jobs/{job}/tasks/{task}": "BatchTask",
    "/jobs/{job}/tasks/{task}/subtasksinfo": "BatchSubtask",
    "/jobschedules": "BatchJobSchedule",
    "/jobschedules/{schedule}": "BatchJobSchedule",
    "/jobschedules/{schedule}/jobs": "BatchJob",
    "/pools": "BatchPool",
    "/pools/{pool}": "BatchPool",
    "/pools/{pool}/nodes": "BatchNode",
    _NODE: "BatchNode",
    f"{_NODE}/extensions": "BatchNodeVMExtension",
    f"{_NODE}/extensions/{{extension}}": "BatchNodeVMExtension",
}
"""Path of an operation with ``$select`` -> the model of what is selected from."""


def read_query(raw: bytes) -> dict[str, str]:
    """Reads the query by lower-case names, for clients differ in how they write them; the first of each counts.

    Args:
        raw: as sent, without the question mark.
    """
    query: dict[str, str] = {}
    for name, value in parse_qsl(raw.decode("latin-1"), keep_blank_values=True, errors="surrogateescape"):
        query.setdefault(name.lower(), value)
    return query


def read_version(query: Mapping[str, str]) -> str:
    """Reads the API version that is asked for.

    Raises:
        ServiceError: there is none, or it is not known.
    """
    version = query.get("api-version")
    if not version:
        raise ServiceError("MissingRequiredQueryParameter", values=(("QueryParameterName", "api-version"),))
    if version not in VERSIONS:
        raise invalid_query_parameter("api-version", version, f"It must be one of {', '.join(VERSIONS)}.")
    return version


def check_query(query: Mapping[str, str], verb: str, path: str, *, older: bool) -> None:
    """Refuses what the query of an operation can't hold.

    Args:
        query: by names in small letters.
        verb: of the operation.
        path: of the operation, with the names of its variable parts.
        older: whether the request is of a version before the newest.

    Raises:
        ServiceError: ``UnsupportedQueryParameter``, ``InvalidQueryParameterValue`` or
            ``OutOfRangeQueryParameterValue``.
    """
    _check_seconds(query.get("timeout"))
    options = OPTIONS.get((verb, path), ())
    for name in query:
        if name.startswith("$") and name not in options:
            raise ServiceError("UnsupportedQueryParameter", values=(("QueryParameterName", name),))
    if "$select" in query:
        _check_selection(query["$select"], SELECTED[path], older)


def _check_seconds(text: str | None) -> None:
    # More than the default of 30 seconds counts as the default.
    if text is None:
        return
    if not text.isascii() or not text.removeprefix("-").isdigit():
        raise invalid_query_parameter("timeOut", text, "It must be a number of seconds.")
    if text.startswith("-") or not text.strip("0"):
        values = (("QueryParameterName", "timeOut"), ("QueryParameterValue", text[:100]), ("MinimumAllowed", "1"))
        raise ServiceError("OutOfRangeQueryParameterValue", values=values)


def _check_selection(text: str, model: str, older: bool) -> None:
    names = [name.strip() for name in text.split(",")]
    for name in names if names not in ([""], ["*"]) else []:
        if not names_property(model, name.split("/"), older=older):
            raise invalid_query_parameter("$select", text, f"There is no property {name!r}.")
