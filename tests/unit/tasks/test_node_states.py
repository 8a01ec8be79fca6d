"""Nodes by state, in the words of a person."""

from azure.batch import models

from prefect_azure_batch.tasks.node_states import NodeStates, states_of


def test_nodes_are_counted_by_state_those_that_take_tasks_first() -> None:
    names = ["unusable", "waitingForStartTask", "idle", "running", "running", "somethingNew"]
    found = states_of((models.BatchNode({"id": name, "state": name}) for name in names), 8)
    assert list(found.numbers.items()) == [
        ("running", 2),
        ("idle", 1),
        ("running start task", 1),
        ("unusable", 1),
        ("somethingnew", 1),
    ]
    assert (found.total, found.idle, found.ready) == (6, 1, 3)
    assert str(found) == "2 running, 1 idle, 1 running start task, 1 unusable, 1 somethingnew, 2 to come"


def test_a_pool_with_no_node_is_told() -> None:
    assert (str(NodeStates()), str(NodeStates({}, 3))) == ("none", "none, 3 to come")
