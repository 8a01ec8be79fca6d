"""What can be done with a task in each of its states, and in each state of its job."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from azure.batch import models

from tests.support.account import Account

PREPARATION = models.BatchJobPreparationTask(command_line="sleep 600")
OPERATIONS: dict[str, tuple[str, str]] = {
    "terminate": ("POST", "/terminate"),
    "reactivate": ("POST", "/reactivate"),
    "replace": ("PUT", ""),
    "delete": ("DELETE", ""),
}


def make_active(batch: Account) -> None:
    batch.make_job(pool_id="none")
    add_all(batch, "true", "active")


def make_preparing(batch: Account) -> None:
    batch.make_pool(task_slots_per_node=4)
    batch.make_job(job_preparation_task=PREPARATION)
    add_all(batch, "true", "preparing")


def make_running(batch: Account) -> None:
    batch.make_pool(task_slots_per_node=4)
    batch.make_job()
    add_all(batch, "sleep 600", "running")


def make_succeeded(batch: Account) -> None:
    batch.make_pool(task_slots_per_node=4)
    batch.make_job()
    add_all(batch, "true", "completed")


def make_failed(batch: Account) -> None:
    batch.make_pool(task_slots_per_node=4)
    batch.make_job()
    add_all(batch, "false", "completed")


def add_all(batch: Account, command: str, state: str) -> None:
    """Adds one task for each operation, named after it."""
    for operation in OPERATIONS:
        batch.add_task(command, operation)
    for operation in OPERATIONS:
        batch.await_task(operation, state=state)


def answer(batch: Account, operation: str) -> str:
    """Does the operation with its own task and returns the code of the refusal, or the status."""
    verb, path = OPERATIONS[operation]
    body = {"constraints": {"maxTaskRetryCount": 3}} if verb == "PUT" else None
    response = batch.send(verb, f"/jobs/job/tasks/{operation}{path}", json=body)
    return str(response.json()["code"]) if response.status_code >= 400 else str(response.status_code)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (make_active, "204 TaskNotCompleted 200 200"),
        (make_preparing, "204 TaskNotCompleted 200 200"),
        (make_running, "204 TaskNotCompleted 200 200"),
        (make_succeeded, "TaskCompleted TaskSucceeded TaskCompleted 200"),
        (make_failed, "TaskCompleted 204 TaskCompleted 200"),
    ],
)
def test_the_state_of_a_task_decides_what_can_be_done_with_it(
    batch: Account, make: Callable[[Account], None], expected: str
) -> None:
    make(batch)
    assert [answer(batch, operation) for operation in OPERATIONS] == expected.split()
    assert batch.send("GET", "/jobs/job/tasks/delete").json()["code"] == "TaskNotFound"


@pytest.mark.parametrize(
    ("action", "body", "state", "expected"),
    [
        ("disable", {"disableTasks": "requeue"}, "disabled", "201 204 TaskNotCompleted 200 200"),
        ("terminate", {"terminateReason": "x"}, "completed", "JobCompleted 204 JobCompleted JobCompleted 200"),
    ],
)
def test_the_state_of_a_job_decides_what_can_be_done_with_its_tasks(
    batch: Account, action: str, body: dict[str, str], state: str, expected: str
) -> None:
    make_active(batch)
    batch.send("POST", f"/jobs/job/{action}", json=body)
    batch.await_job(state=state)
    added = batch.send("POST", "/jobs/job/tasks", json={"id": "new", "commandLine": "true"})
    first = str(added.json()["code"]) if added.status_code >= 400 else str(added.status_code)
    assert [first, *(answer(batch, operation) for operation in OPERATIONS)] == expected.split()


@pytest.mark.parametrize("operation", OPERATIONS)
def test_what_does_not_exist_is_not_found(batch: Account, operation: str) -> None:
    assert answer(batch, operation) == "JobNotFound"
    batch.make_job()
    assert answer(batch, operation) == "TaskNotFound"


def test_a_put_replaces_constraints_alone(batch: Account) -> None:
    batch.make_job(constraints=models.BatchJobConstraints(max_task_retry_count=4))
    limits = models.BatchTaskConstraints(max_task_retry_count=2, retention_time=timedelta(hours=1))
    batch.add_task("true", constraints=limits, display_name="kept")
    changed = {"commandLine": "false", "displayName": "other", "constraints": {"maxWallClockTime": "PT5M"}}
    assert batch.send("PUT", "/jobs/job/tasks/task", json=changed).status_code == 200
    task = batch.send("GET", "/jobs/job/tasks/task").json()
    assert (task["displayName"], task["commandLine"]) == ("kept", "/bin/sh -c 'true'")
    assert task["constraints"] == {"maxWallClockTime": "PT5M", "retentionTime": "P7D", "maxTaskRetryCount": 0}


@pytest.mark.parametrize(
    ("path", "body", "name"),
    [
        ("/jobs/job/tasks/task", {"constraints": {"maxRetries": 1}}, "constraints.maxRetries"),
        ("/jobs/job", {"poolInfo": {"poolId": "pool", "pool": 1}}, "poolInfo.pool"),
        ("/jobs/job", {"poolInfo": {"poolId": "pool"}, "constraints": {"x": 1}}, "constraints.x"),
    ],
)
def test_a_put_is_refused_for_what_does_not_exist(batch: Account, path: str, body: dict[str, Any], name: str) -> None:
    batch.make_job()
    batch.add_task("true")
    response = batch.send("PUT", path, json=body)
    assert (response.status_code, response.json()["code"]) == (400, "InvalidRequestBody")
    assert {"key": "PropertyName", "value": name} in response.json()["values"]


def test_a_multi_instance_task_needs_one_slot(batch: Account) -> None:
    batch.make_job()
    several = models.MultiInstanceSettings(number_of_instances=2, coordination_command_line="true")
    task = models.BatchTaskCreateOptions(
        id="task", command_line="true", required_slots=2, multi_instance_settings=several
    ).as_dict()
    response = batch.send("POST", "/jobs/job/tasks", json=task)
    assert (response.status_code, response.json()["code"]) == (400, "InvalidPropertyValue")
