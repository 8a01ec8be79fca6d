"""Requests that are made up: near enough to what clients send to get past the first check, and wrong somewhere."""

import copy
import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from localbatch.wire.formats import JsonValue
from tests.conformity.operations import OPERATIONS, Operation
from tests.conformity.schema import published

KNOWN = {
    "pool": ("pool", "pool", "Pool", "spare"),
    "job": ("job", "job", "JOB", "schedule:job-1"),
    "task": ("task", "task", "task", "1"),
    "schedule": ("schedule", "schedule", "spare"),
    "node": ("{node}",),
    "file*": ("stdout.txt", "wd", "wd%2Fa.txt", "..%2F..%2Fstate.db", "startup", "%ff"),
    "user": ("anna",),
    "extension": ("any",),
    "application": ("app",),
}
ODD_TEXTS = (
    *(
        "",
        " ",
        "0",
        "-1",
        "x" * 65,
        "x" * 5000,
        "null",
        "é",
        "\u202e",
        "💥",
        "'",
        '"',
        "a'b",
        "%",
        "$(id)",
        "../../etc",
    ),
    *("2030-01-01T00:00:00Z", "PT5M", "P99999999D", "http://127.0.0.1:9/", "file:///etc/passwd", "*", "{}", "a\nb"),
)
ODD_NUMBERS = (0, -1, 1, 2, 1000, 1001, 2**31 - 1, 2**31, -(2**31) - 1, 2**63, 10**40, 0.5, 1e308, -0.0)
JUNK: tuple[JsonValue, ...] = (None, True, False, [], {}, [[]], {"a": {"b": []}}, [None], *ODD_TEXTS, *ODD_NUMBERS)
VERSIONS = (
    *("2025-06-01", "2024-07-01.20.0", "2024-02-01.19.0", "2023-11-01.18.0", "2023-05-01.17.0", "2022-10-01.16.0"),
    *("2022-01-01.15.0", "2021-06-01.14.0", "2020-09-01.12.0"),
)
"""All that are served."""
VERBS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW")
_DEEPEST = 6
_FILTER_PIECES = (
    *("id", "state", "eq", "ne", "ge", "lt", "and", "or", "not", "(", ")", "startswith", ",", "'active'", "'x'", "''"),
    *("DateTime'2030-01-01T00:00:00Z'", "DateTime'x'", "creationTime", "lastModified", "executionInfo/exitCode", "1"),
    *(
        "true",
        "poolId",
        "name",
        "startTaskInfo/state",
        "'",
        "\u00e9",
        "executionInfo/poolId",
        "stateTransitionTime",
        "9" * 30,
    ),
)
_NAMES = ("id", "state", "stats", "url", "executionInfo/poolId", "value", "colour", "*", "", "a/b/c/d", "startTask")

# What ends a resource leaves nothing to look at for a while.
_ENDING = ("begin_delete", "begin_terminate", "delete_task", "begin_remove", "begin_deallocate", "terminate_task")
_WEIGHTS = [0.2 if operation.name.startswith(_ENDING) else 1.0 for operation in OPERATIONS]
_ALWAYS = ("poolInfo", "poolId", "virtualMachineConfiguration")
"""Properties without which hardly anything is accepted, though they are not required."""


@dataclass(frozen=True)
class Case:
    """A request."""

    verb: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes | None


class Maker:
    """Makes up requests.

    Args:
        chance: what decides.
        node: id of a node that exists.
    """

    def __init__(self, chance: random.Random, node: str) -> None:
        self._chance, self._node = chance, node

    def case(self) -> Case:
        """Makes one request."""
        operation = self._chance.choices(OPERATIONS, _WEIGHTS)[0]
        verb = operation.verb if self._likely(0.95) else self._chance.choice(VERBS)
        return Case(verb, self._target(operation), tuple(self._headers(operation)), self._body(operation))

    def _likely(self, share: float) -> bool:
        return self._chance.random() < share

    def _target(self, operation: Operation) -> str:
        path = re.sub(r"{(\w+\*?)}", lambda found: self._name(found[1]), operation.path)
        if not self._likely(0.98):
            path += self._chance.choice(("/", "//", "/x", ";", "%", "%00"))
        return f"{path}?{self._query(operation)}"

    def _name(self, part: str) -> str:
        if self._likely(0.95):
            return self._chance.choice(KNOWN[part]).format(node=self._node)
        return quote(self._chance.choice(ODD_TEXTS), safe="") or "%20"

    def _query(self, operation: Operation) -> str:
        version = self._chance.choice(VERSIONS) if self._likely(0.3) else VERSIONS[0]
        items = [("api-version", version)]
        for name in (*operation.query, "timeOut", "$skiptoken", "$top"):
            if self._likely(0.25 if name in operation.query else 0.03):
                items.append((name, self._value(name)))
        return "&".join(f"{quote(name, safe='$')}={quote(value, safe='')}" for name, value in items)

    def _value(self, name: str) -> str:
        match name:
            case "$filter":
                return " ".join(self._chance.choices(_FILTER_PIECES, k=self._chance.randint(1, 8)))
            case "$select":
                return ",".join(self._chance.choices(_NAMES, k=self._chance.randint(1, 3)))
            case "$expand":
                return self._chance.choice(("stats", "stats", "all", ""))
            case "maxresults" | "timeOut":
                return str(self._chance.choice((1, 2, 30, *ODD_NUMBERS)))
            case "recursive" | "force":
                return self._chance.choice(("true", "false", "True", "1", ""))
            case "startTime" | "endtime":
                return self._chance.choice(("2020-01-01T00:00:00Z", "2030-01-01T00:30:00Z", "soon"))
        return self._chance.choice(ODD_TEXTS)

    def _headers(self, operation: Operation) -> list[tuple[str, str]]:
        found = []
        for name in ("If-Match", "If-None-Match"):
            if self._likely(0.08):
                found.append((name, self._chance.choice(("*", '"0x8D4100FC49F0278"', "0x1", "", '"'))))
        for name in ("If-Modified-Since", "If-Unmodified-Since"):
            if self._likely(0.08):
                dates = ("Fri, 17 Feb 2017 00:00:00 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "yesterday")
                found.append((name, self._chance.choice(dates)))
        if operation.kind == "file" and self._likely(0.3):
            ranges = ("bytes=0-3", "bytes=5-", "bytes=9-1", "bytes=-5", "bytes=0-0,2-3", "x", f"bytes={9**40}-")
            found.append(("ocp-range", self._chance.choice(ranges)))
        if self._likely(0.03):
            found.append(("Content-Type", self._chance.choice(("text/plain", "application/json;charset=x", ""))))
        return found

    def _body(self, operation: Operation) -> bytes | None:
        if not operation.body:
            return None if self._likely(0.95) else self._chance.choice((b"{}", b"null", b"\xff"))
        if operation.body_optional and self._likely(0.3):
            return None
        document = self._valid(operation.body, 0)
        for _ in range(self._chance.choice((0, 0, 1, 2))):
            self._spoil(document)
        raw = json.dumps(document).encode()
        return raw if self._likely(0.98) else self._chance.choice((raw[:-1], raw * 2, b"", b"[" * 5000, b"\xff" + raw))

    def _valid(self, model: str, depth: int) -> dict[str, JsonValue]:
        definition = published()[model]
        required = definition["required"]
        share = 0.0 if depth == _DEEPEST else self._chance.choice((0.0, 0.1, 0.5))
        names = [name for name in definition["properties"] if name in (*required, *_ALWAYS) or self._likely(share)]
        if model == "BatchPoolInfo" and self._likely(0.9):
            names = ["poolId"]
        return {name: self._of_kind(name, definition["properties"][name], depth) for name in names}

    def _of_kind(self, name: str, kind: dict[str, Any], depth: int) -> JsonValue:
        if "$ref" in kind:
            return self._valid(kind["$ref"].rpartition("/")[2], depth + 1)
        if kind["type"] == "array":
            return [self._of_kind(name, kind["items"], depth + 1) for _ in range(self._chance.randint(0, 2))]
        if "x-enum" in kind:
            return self._chance.choice(str(kind["pattern"]).removeprefix("^(?i:").removesuffix(")$").split("|"))
        if kind.get("format") == "date-time":
            return self._chance.choice(("2030-01-01T00:00:00Z", "2020-01-01T00:00:00.1234567Z"))
        if kind.get("pattern") == "^-?P":
            return self._chance.choice(("PT5M", "PT1H", "P1D", "PT0S", "P10675199DT2H48M5.4775807S"))
        simple: dict[str, Callable[[], JsonValue]] = {
            "boolean": lambda: self._likely(0.5),
            "integer": lambda: self._chance.choice((0, 1, 1, 2, 3)),
            "number": lambda: 0.5,
            "object": lambda: {"a": "b"},
            "string": lambda: self._text(name),
        }
        return simple["string" if isinstance(kind["type"], list) else kind["type"]]()

    def _text(self, name: str) -> str:
        usual = {
            "id": ("pool", "job", "task", "spare", "schedule"),
            "poolId": ("pool", "spare"),
            "vmSize": ("standard_d2s_v3",),
            "nodeAgentSKUId": ("batch.node.ubuntu 24.04",),
            "commandLine": ("true", "/bin/sh -c 'exit 1'"),
            "autoScaleFormula": ("$TargetDedicatedNodes=1;", "$TargetDedicatedNodes=", "$a=1/0;"),
            "nodeList": (self._node,),
            "httpUrl": ("http://127.0.0.1:9/a",),
            "fileMode": ("0770",),
        }
        if name in usual and self._likely(0.9):
            return self._chance.choice(usual[name])
        return self._chance.choice(("a", "b1", "?"))

    def _spoil(self, document: JsonValue) -> None:
        """Changes something somewhere in a document."""
        place: JsonValue = document
        while True:
            inner = list(place.values()) if isinstance(place, dict) else list(place) if isinstance(place, list) else []
            deeper = [each for each in inner if isinstance(each, (dict, list)) and each]
            if not deeper or self._likely(0.4):
                break
            place = self._chance.choice(deeper)
        if isinstance(place, list):
            place.append(self._junk())
        elif isinstance(place, dict) and place and self._likely(0.9):
            name = self._chance.choice(sorted(place))
            if self._likely(0.8):
                place[name] = self._junk()
            else:
                del place[name]
        elif isinstance(place, dict):
            place[self._chance.choice(("colour", "", "id", "eTag", "é"))] = self._junk()

    def _junk(self) -> JsonValue:
        if self._likely(0.03):
            nested: JsonValue = []
            for _ in range(self._chance.choice((50, 400))):
                nested = [nested]
            return nested
        return copy.deepcopy(self._chance.choice(JUNK))


def garble(chance: random.Random, raw: bytes) -> bytes:
    """Changes, removes or adds a few bytes of a request."""
    garbled = bytearray(raw)
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(garbled)) if garbled else 0
        match chance.randrange(4):
            case 0:
                garbled[place : place + 1] = bytes([chance.randrange(256)])
            case 1:
                del garbled[place : place + chance.choice((1, 2, 20))]
            case 2:
                garbled[place:place] = chance.choice((b"\r\n", b"\0", b" ", b":", b"%", b"\xff", b"A" * 70_000))
            case _:
                del garbled[place:]
    return bytes(garbled)
