"""Why tasks wait, and when that is told."""

from typing import Any

import pytest
from azure.batch import models

from prefect_azure_batch.tasks.conditions import Scene, Watch, find_condition
from prefect_azure_batch.tasks.diagnosis import LEASE_METADATA

LEASED: dict[str, Any] = {"enableAutoScale": True, "autoScaleRun": {"timestamp": "2026-01-01T00:00:00Z"},
          "metadata": [{"name": LEASE_METADATA, "value": "1800"}]}  # fmt: skip
FORMULA: dict[str, Any] = {"enableAutoScale": True, "autoScaleRun": {"timestamp": "2026-01-01T00:00:00Z"}}


def scene(*states: str, job: str = "active", scheduling: str = "enabled", **pool: object) -> Scene:
    fields = {"id": "p", "allocationState": "steady", "currentDedicatedNodes": len(states), **pool}
    nodes = [models.BatchNode({"id": "n", "state": state, "schedulingState": scheduling}) for state in states]
    return Scene(models.BatchJob({"id": "j", "state": job}), models.BatchPool(fields), nodes)


@pytest.mark.parametrize(
    ("found", "told", "is_hopeless"),
    [
        (scene("idle", job="disabled"), "The job 'j' is disabled", False),
        (scene(), "has no node, and no formula", True),
        (scene(**LEASED), "its lease was over", False),
        (scene("unknown", "unknown"), "hears nothing of the nodes of pool 'p' (2 unknown)", False),
        (scene("idle", scheduling="disabled"), "Scheduling is disabled on all nodes", False),
        (scene("offline", "unusable", "unknown"), "(1 offline, 1 unknown, 1 unusable)", False),
        (scene(allocationState="resizing", targetDedicatedNodes=3), "it has 0 of 3", False),
        (scene("starting", "creating"), "not ready yet (1 creating, 1 starting)", False),
    ],
)
def test_each_condition_is_found_and_described(found: Scene, told: str, is_hopeless: bool) -> None:
    condition = find_condition(found)
    assert condition is not None
    assert told in condition.describe(found)
    assert condition.is_hopeless == is_hopeless


@pytest.mark.parametrize("found", [scene("idle"), scene("running", "unknown"), scene(**FORMULA)])
def test_where_tasks_can_start_or_a_formula_brings_nodes_there_is_none(found: Scene) -> None:
    assert find_condition(found) is None


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (scene("unknown"), "hears nothing"),
        (scene("offline", "unknown"), "takes a task"),
        (scene("running", "unknown"), None),
        (scene("running", job="disabled"), None),
        (scene("running", scheduling="disabled"), None),
    ],
)
def test_tasks_that_run_are_stopped_by_the_loss_of_their_nodes_alone(found: Scene, told: str | None) -> None:
    condition = find_condition(found, running=True)
    assert (condition is None) == (told is None)
    assert condition is None or (told or "") in condition.describe(found)


def test_a_condition_is_told_once_and_only_when_it_has_held_for_a_while() -> None:
    now = [0.0]
    watch, lost = Watch(lambda: now[0]), scene("unknown")
    told = []
    for moment, found in ((0, lost), (10, lost), (25, lost), (60, lost), (70, None), (80, lost), (110, lost)):
        now[0] = float(moment)
        if watch.look(found):
            told.append(moment)
    assert told == [25, 110]
