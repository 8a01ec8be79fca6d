"""The states of a job: which operation each of them allows, and what the others are answered."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from azure.batch import models

from tests.support.account import Account, shell

ACTIVE = {"enable": "OperationInvalidForCurrentState"}
DISABLING = {"enable": "OperationInvalidForCurrentState"}
OPERATIONS = ("add", "patch", "replace", "disable", "enable", "terminate", "delete")
ENDING = tuple(operation for operation in OPERATIONS if operation != "delete")
REFUSALS = {
    "active": ACTIVE,
    "disabling": DISABLING,
    "disabled": {},
    "terminating": dict.fromkeys(ENDING, "JobBeingTerminated"),
    "completed": dict.fromkeys(ENDING, "JobCompleted"),
    "deleting": dict.fromkeys(OPERATIONS, "JobBeingDeleted"),
}
ALLOWED = [
    (state, operation) for state, refusals in REFUSALS.items() for operation in OPERATIONS if operation not in refusals
]
AFTER = {
    ("active", "disable"): {"disabling", "disabled"},
    ("active", "terminate"): {"terminating"},
    ("active", "delete"): {"deleting"},
    ("disabling", "disable"): {"disabling", "disabled"},
    ("disabling", "terminate"): {"terminating"},
    ("disabling", "delete"): {"deleting"},
    ("disabled", "disable"): {"disabled"},
    ("disabled", "enable"): {"enabling", "active"},
    ("disabled", "terminate"): {"terminating"},
    ("disabled", "delete"): {"deleting"},
    ("terminating", "delete"): {"deleting"},
    ("completed", "delete"): {"deleting", "gone"},
}
"""What a job may be seen in after an operation; where nothing stands it stays what it was."""


@dataclass
class Actor:
    """Somebody who brings a job into a state, and holds it there until they let go."""

    batch: Account
    go: Path

    def bring_into(self, state: str) -> None:
        """Makes a job that stays in a state."""
        wait = f"until test -e {self.go}; do sleep 0.05; done"
        preparation = models.BatchJobPreparationTask(command_line=shell("true"))
        release = models.BatchJobReleaseTask(command_line=shell(f"trap : TERM; {wait}"))
        self.batch.make_job(job_preparation_task=preparation, job_release_task=release)
        self.batch.make_pool()
        self.batch.add_task(f"trap : TERM; {wait}" if state == "disabling" else "true")
        self.batch.await_task(state="running" if state == "disabling" else "completed")
        for operation in {
            "disabling": ["disable"],
            "disabled": ["disable"],
            "terminating": ["terminate"],
            "completed": ["terminate?force=true"],
            "deleting": ["delete"],
        }.get(state, []):
            assert self.do(operation) == (202, None)
        self.batch.await_job(state=state)

    def do(self, operation: str) -> tuple[int, str | None]:
        """Asks for an operation; returns the status of the answer and the code of its error."""
        job = {"poolInfo": {"poolId": "pool"}}
        requests = {
            "add": ("POST", "/jobs/job/tasks", {"id": "late", "commandLine": "true"}),
            "patch": ("PATCH", "/jobs/job", {"priority": 1}),
            "replace": ("PUT", "/jobs/job", job),
            "disable": ("POST", "/jobs/job/disable", {"disableTasks": "wait"}),
            "enable": ("POST", "/jobs/job/enable", None),
            "delete": ("DELETE", "/jobs/job", None),
        }
        verb, path, body = requests.get(operation, ("POST", f"/jobs/job/{operation}", None))
        answer = self.batch.send(verb, path, json=body) if body else self.batch.send(verb, path)
        return answer.status_code, answer.json()["code"] if answer.status_code >= 400 else None

    def state(self) -> str:
        """Returns the state of the job."""
        answer = self.batch.send("GET", "/jobs/job")
        return "gone" if answer.status_code == 404 else str(answer.json()["state"])


@pytest.fixture
def actor(batch: Account, tmp_path: Path) -> Iterator[Actor]:
    actor = Actor(batch, tmp_path / "go")
    yield actor
    actor.go.touch()


@pytest.mark.parametrize("state", REFUSALS)
def test_what_a_state_does_not_allow_is_a_conflict_and_changes_nothing(actor: Actor, state: str) -> None:
    actor.bring_into(state)
    for operation, code in REFUSALS[state].items():
        assert actor.do(operation) == (409, code)
    assert actor.state() == state


@pytest.mark.parametrize(("state", "operation"), ALLOWED)
def test_what_a_state_allows_leads_to_the_next(actor: Actor, state: str, operation: str) -> None:
    actor.bring_into(state)
    status, code = actor.do(operation)
    assert code is None
    assert status in (200, 201, 202)
    assert actor.state() in AFTER.get((state, operation), {state})


def test_former_states_are_told(actor: Actor) -> None:
    actor.bring_into("active")
    job = actor.batch.client.get_job("job")
    assert job.previous_state is None
    actor.do("disable")
    job = actor.batch.await_job(state="disabled")
    assert job.previous_state == "disabling"
    actor.do("enable")
    job = actor.batch.await_job(state="active")
    assert job.previous_state == "enabling"
    actor.do("terminate")
    job = actor.batch.client.get_job("job")
    assert (job.state, job.previous_state) == ("terminating", "active")
    assert job.execution_info is not None
    assert (job.execution_info.end_time, job.execution_info.termination_reason) == (None, None)
    actor.go.touch()
    job = actor.batch.await_job()
    assert job.previous_state == "terminating"
    assert job.execution_info is not None
    assert job.execution_info.end_time is not None


def test_a_job_that_waits_for_its_tasks_can_be_told_not_to(actor: Actor) -> None:
    actor.bring_into("disabling")
    answer = actor.batch.send("POST", "/jobs/job/disable", json={"disableTasks": "requeue"})
    assert answer.status_code == 202
    actor.go.touch()
    actor.batch.await_job(state="disabled")
    assert actor.batch.client.get_task("job", "task").state == "active"


def test_a_disabled_job_takes_tasks_and_runs_them_later(actor: Actor) -> None:
    actor.bring_into("disabled")
    assert actor.do("add") == (201, None)
    assert actor.batch.client.get_task("job", "late").state == "active"
    actor.do("enable")
    actor.batch.await_task("late")
