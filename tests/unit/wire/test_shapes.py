"""The form of request bodies is the published one."""

import json
from pathlib import Path
from typing import Any

import pytest

from localbatch.routes import call
from localbatch.routes.queries import OPTIONS, SELECTED
from localbatch.wire.errors import ServiceError
from localbatch.wire.formats import JsonObject, JsonValue
from localbatch.wire.shapes import BODIES, conform
from tests.conformity.operations import OPERATIONS
from tests.conformity.schema import published

PACKAGE = Path(call.__file__).parents[1]
POOL: JsonObject = {
    "id": "pool",
    "vmSize": "standard_d2s_v3",
    "virtualMachineConfiguration": {"imageReference": {}, "nodeAgentSKUId": "batch.node.ubuntu 24.04"},
}


HAVE_DEFAULTS = {("BatchTaskSchedulingPolicy", "nodeFillType")}
"""Required in the published schema, which names their defaults in the same breath."""


class Digest:
    """The published schema of some models and all they lead to, in the short form that the service reads."""

    def __init__(self, roots: set[str]) -> None:
        self.models: dict[str, dict[str, str]] = {}
        self.enums: dict[str, list[str]] = {}
        for root in roots:
            self._add(root)

    def _add(self, name: str) -> str:
        if name not in self.models:
            definition = published()[name]
            self.models[name] = {}
            for key, value in definition["properties"].items():
                required = key in definition["required"] and (name, key) not in HAVE_DEFAULTS
                self.models[name][key] = self._kind(value) + ("!" if required else "")
        return name

    def _kind(self, value: dict[str, Any]) -> str:
        if "$ref" in value:
            return self._add(value["$ref"].rpartition("/")[2])
        if value["type"] == "array":
            return f"[{self._kind(value['items'])}]"
        if "x-enum" in value:
            self.enums[value["x-enum"]] = value["pattern"].removeprefix("^(?i:").removesuffix(")$").split("|")
            return str(value["x-enum"])
        if value.get("format") == "date-time":
            return "time"
        return "duration" if value.get("pattern") == "^-?P" else str(value["type"])


def test_the_shapes_are_those_of_the_published_schema() -> None:
    digest = Digest({*BODIES.values(), *SELECTED.values()})
    assert json.loads((PACKAGE / "wire" / "shapes.json").read_text()) == {
        "models": digest.models,
        "enums": digest.enums,
    }


def test_the_system_options_are_those_of_the_operations() -> None:
    for operation in OPERATIONS:
        token = {"$skiptoken"} if operation.kind == "list" else set()
        known = {name for name in operation.query if name.startswith("$")} | token
        assert set(OPTIONS.get((operation.verb, operation.path), ())) == known, operation
        if "$select" in operation.query:
            assert SELECTED[operation.path] == operation.model


def test_every_operation_with_a_body_is_checked() -> None:
    assert {(each.verb, each.path): each.body for each in OPERATIONS if each.body} == BODIES


def test_of_a_resource_that_is_replaced_only_what_counts_is_checked() -> None:
    shown: JsonObject = {"id": "t", "commandLine": 7, "nodeInfo": {"x": 1}, "constraints": {"maxTaskRetryCount": 2}}
    assert conform(shown, "BatchTask") == shown
    with pytest.raises(ServiceError) as caught:
        conform({**shown, "constraints": {"maxTaskRetryCounts": 2}}, "BatchTask")
    assert dict(caught.value.values)["PropertyName"] == "constraints.maxTaskRetryCounts"
    # A pool of the job's own may have users, whose passwords are not shown.
    user: JsonObject = {"name": "someone"}
    pool: JsonObject = {"autoPoolSpecification": {"pool": {"userAccounts": [user]}}}
    assert conform({"poolInfo": pool}, "BatchJob") == {"poolInfo": pool}


@pytest.mark.parametrize(
    ("change", "code", "name"),
    [
        ({"colour": "red"}, "InvalidRequestBody", "colour"),
        ({"startTask": {}}, "MissingRequiredProperty", "startTask.commandLine"),
        ({"startTask": "true"}, "InvalidRequestBody", "startTask"),
        ({"metadata": {}}, "InvalidRequestBody", "metadata"),
        ({"metadata": [{"name": "a"}]}, "MissingRequiredProperty", "metadata.0.value"),
        ({"taskSlotsPerNode": 2**31}, "InvalidRequestBody", "taskSlotsPerNode"),
        ({"taskSlotsPerNode": 1.0}, "InvalidRequestBody", "taskSlotsPerNode"),
        ({"taskSlotsPerNode": True}, "InvalidRequestBody", "taskSlotsPerNode"),
        ({"enableAutoScale": "true"}, "InvalidRequestBody", "enableAutoScale"),
        ({"resizeTimeout": "15 minutes"}, "InvalidRequestBody", "resizeTimeout"),
        ({"displayName": 7}, "InvalidRequestBody", "displayName"),
        (
            {"taskSchedulingPolicy": {"nodeFillType": "fill"}},
            *("InvalidPropertyValue", "taskSchedulingPolicy.nodeFillType"),
        ),
    ],
)
def test_what_is_wrong_with_a_property_is_said_with_its_path(change: JsonObject, code: str, name: str) -> None:
    with pytest.raises(ServiceError) as caught:
        conform(POOL | change, "BatchPoolCreateOptions")
    assert (caught.value.code, dict(caught.value.values)["PropertyName"]) == (code, name)


@pytest.mark.parametrize(("value", "name", "kind"), [("x", "value", "an array"), ([{}, 1], "value.1", "an object")])
def test_of_many_tasks_each_is_an_object(value: JsonValue, name: str, kind: str) -> None:
    with pytest.raises(ServiceError) as caught:
        conform({"value": value}, "BatchTaskGroup")
    assert (caught.value.code, dict(caught.value.values)) == (
        "InvalidRequestBody",
        {"PropertyName": name, "Reason": f"It must be {kind}."},
    )


def test_words_and_times_are_written_as_the_service_does() -> None:
    pool = conform(POOL | {"taskSchedulingPolicy": {"nodeFillType": "Pack"}}, "BatchPoolCreateOptions")
    assert pool["taskSchedulingPolicy"] == {"nodeFillType": "pack"}
    user = conform({"name": "a", "expiryTime": "2030-01-31T09:00:00+01:00"}, "BatchNodeUserCreateOptions")
    assert user["expiryTime"] == "2030-01-31T08:00:00.0000000Z"


def test_whole_numbers_may_be_written_as_texts() -> None:
    assert conform(POOL | {"taskSlotsPerNode": "2"}, "BatchPoolCreateOptions")["taskSlotsPerNode"] == 2


def test_older_versions_have_names_of_their_own() -> None:
    older: JsonObject = {"resourceTags": {"a": "b"}}
    assert conform(POOL | older, "BatchPoolCreateOptions", older=True)["resourceTags"] == {"a": "b"}
    with pytest.raises(ServiceError, match="InvalidRequestBody"):
        conform(POOL | older, "BatchPoolCreateOptions")
