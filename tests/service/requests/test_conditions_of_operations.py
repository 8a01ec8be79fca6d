"""Every operation that takes conditional headers obeys them, and comes to nothing where they are not met.

The operations are those of the table; each is tried with every header against resources made for the whole module.
"""

from collections.abc import Iterator

import pytest

from localbatch.wire.connection import Endpoints
from tests.conformity.operations import OPERATIONS, Operation
from tests.support.account import Account, open_account

PAST, FUTURE = "Fri, 17 Feb 2017 00:00:00 GMT", "Thu, 31 Dec 2099 00:00:00 GMT"
CONDITIONAL = [operation for operation in OPERATIONS if operation.conditions]
UNMET = [
    ("If-Match", '"0x8D4100FC49F0278"', 412),
    ("If-Unmodified-Since", PAST, 412),
    ("If-None-Match", "*", 304),
    ("If-Modified-Since", FUTURE, 304),
]
BODIES: dict[str, object] = {
    "update_job": {"priority": 5},
    "replace_job": {"poolInfo": {"poolId": "pool"}},
    "begin_disable_job": {"disableTasks": "requeue"},
    "begin_terminate_job": {"terminateReason": "me"},
    "replace_task": {"constraints": {}},
    "update_job_schedule": {"metadata": []},
    "replace_job_schedule": {"schedule": {}, "jobSpecification": {"poolInfo": {"poolId": "pool"}}},
    "update_pool": {"metadata": []},
    "enable_pool_auto_scale": {"autoScaleFormula": "$TargetDedicatedNodes=0"},
    "begin_remove_nodes": {"nodeList": ["tvmps_none"]},
    "begin_resize_pool": {"targetDedicatedNodes": 0},
}


@pytest.fixture(scope="module")
def batch(service: Endpoints) -> Iterator[Account]:
    """An account with one of each resource; the task has run."""
    with open_account(service) as account:
        account.run("true")
        schedule = {"id": "schedule", "schedule": {}, "jobSpecification": {"poolInfo": {"poolId": "pool"}}}
        assert account.send("POST", "/jobschedules", json=schedule).status_code == 201
        yield account
        account.send("DELETE", "/jobschedules/schedule")


def path_of(batch: Account, operation: Operation) -> str:
    (node,) = batch.client.list_nodes("pool")
    names = {"pool": "pool", "job": "job", "task": "task", "schedule": "schedule", "node": str(node.id)}
    file = "startup" if "{node}" in operation.path else "stdout.txt"
    return operation.path.replace("{file*}", file).format(**names)


def send(batch: Account, operation: Operation, headers: dict[str, str]) -> int:
    path = path_of(batch, operation)
    if operation.name not in BODIES:
        return batch.send(operation.verb, path, headers=headers).status_code
    return batch.send(operation.verb, path, headers=headers, json=BODIES[operation.name]).status_code


def test_the_table_knows_as_many_operations_as_the_reference() -> None:
    assert [sum(each.conditions == kind for each in OPERATIONS) for kind in ("ETag", "IMS")] == [28, 4]


@pytest.mark.parametrize("operation", CONDITIONAL, ids=lambda operation: operation.name)
def test_an_operation_obeys_each_header(batch: Account, operation: Operation) -> None:
    reading = operation.verb in ("GET", "HEAD")
    for header, value, status in UNMET:
        if operation.conditions == "IMS" and "Match" in header:
            continue
        assert send(batch, operation, {header: value}) == (status if reading else 412), header


@pytest.mark.parametrize("operation", CONDITIONAL, ids=lambda operation: operation.name)
def test_an_operation_takes_one_header_or_an_etag_with_its_date(batch: Account, operation: Operation) -> None:
    together = {"If-Modified-Since": PAST, "If-Unmodified-Since": FUTURE}
    assert send(batch, operation, together) == 400
    if operation.conditions == "ETag":
        assert send(batch, operation, {"If-Match": "*", "If-None-Match": '"0x1"'}) == 400
        unmet = send(batch, operation, {"If-None-Match": "*", "If-Modified-Since": PAST})
        assert unmet == (304 if operation.verb in ("GET", "HEAD") else 412)


@pytest.mark.parametrize(
    "operation",
    [each for each in CONDITIONAL if each.verb in ("GET", "HEAD") and "node" not in each.path],
    ids=lambda operation: operation.name,
)
def test_a_read_whose_conditions_are_met_is_answered(batch: Account, operation: Operation) -> None:
    met = [{"If-Modified-Since": PAST}, {"If-Unmodified-Since": FUTURE}]
    if operation.conditions == "ETag":
        met += [
            {"If-Match": "*"},
            {"If-None-Match": '"0x8D4100FC49F0278"'},
            {"If-Match": "*", "If-Unmodified-Since": PAST},
        ]
    for headers in met:
        assert send(batch, operation, headers) == 200, headers


def test_nothing_has_come_of_all_these(batch: Account) -> None:
    assert batch.client.get_job("job").state == "active"
    assert batch.client.get_job_schedule("schedule").state == "active"
    assert batch.client.get_pool("pool").state == "active"
    assert batch.client.get_task("job", "task").state == "completed"
