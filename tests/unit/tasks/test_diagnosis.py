"""What is said of a pool or its nodes when tasks cannot start, and how many nodes may still come."""

from collections.abc import Sequence

import pytest
from azure.batch import models

from prefect_azure_batch.tasks.diagnosis import complaint_about_shape, describe_resize
from prefect_azure_batch.tasks.nodes import attainable


def pool(**fields: object) -> models.BatchPool:
    return models.BatchPool({"id": "p", "allocationState": "steady", "targetDedicatedNodes": 3, **fields})


def nodes(*states: str) -> list[models.BatchNode]:
    return [models.BatchNode({"id": str(number), "state": state}) for number, state in enumerate(states)]


@pytest.mark.parametrize(
    ("allocation", "states", "expected"),
    [
        ("steady", ("idle", "idle", "idle"), 3),
        ("steady", ("idle", "running", "starting"), 3),
        ("steady", ("idle", "rebooting", "waitingforstarttask"), 3),
        ("steady", ("idle", "startTaskFailed", "idle"), 2),
        ("steady", ("unusable", "starttaskfailed", "idle"), 1),
        ("steady", ("idle", "offline", "leavingpool"), 1),
        ("steady", ("idle",), 1),
        ("resizing", (), 3),
        ("resizing", ("idle",), 3),
        ("resizing", ("idle", "unusable"), 2),
        ("Resizing", ("idle", "idle", "idle", "idle"), 4),
    ],
)
def test_nodes_that_may_be_idle_sooner_or_later_are_counted(
    allocation: str, states: Sequence[str], expected: int
) -> None:
    assert attainable(pool(allocationState=allocation), nodes(*states)) == expected


def test_a_node_on_which_nothing_is_scheduled_does_not_count() -> None:
    closed = models.BatchNode({"id": "n", "state": "idle", "schedulingState": "disabled"})
    assert attainable(pool(), [closed, *nodes("idle")]) == 1


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"enableInterNodeCommunication": True, "taskSlotsPerNode": 1}, None),
        ({"enableInterNodeCommunication": True}, None),
        ({"enableInterNodeCommunication": False}, "cannot talk to each other"),
        ({}, "cannot talk to each other"),
        ({"enableInterNodeCommunication": True, "taskSlotsPerNode": 4}, "have 4 task slots"),
    ],
)
def test_a_pool_of_the_wrong_shape_for_several_instances_is_told(
    fields: dict[str, object], complaint: str | None
) -> None:
    said = complaint_about_shape(pool(**fields))
    assert said is None if complaint is None else complaint in (said or "")


@pytest.mark.parametrize(
    ("code", "hint"), [("AllocationTimedout", "Try again later"), ("AccountCoreQuotaReached", "more quota")]
)
def test_a_resize_that_failed_is_told_with_what_to_do(code: str, hint: str) -> None:
    said = describe_resize([models.ResizeError({"code": code, "message": "Not all nodes came."})])
    assert said.startswith(f"{code}: Not all nodes came. ")
    assert hint in said
