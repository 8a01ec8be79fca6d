"""What the end of a task does to its job."""

from typing import Any

import pytest
from azure.batch import models
from azure.core.exceptions import HttpResponseError

from tests.support.account import Account, error_code, error_values

ACTS: dict[str, Any] = {"task_failure_mode": "performexitoptionsjobaction"}


def by_default(**options: str) -> models.ExitConditions:
    return models.ExitConditions(default=models.ExitOptions(**options))


def by_code(code: int, action: str) -> models.ExitConditions:
    return models.ExitConditions(
        exit_codes=[models.ExitCodeMapping(code=code, exit_options=models.ExitOptions(job_action=action))]
    )


def reason(job: models.BatchJob) -> str | None:
    assert job.execution_info is not None
    return job.execution_info.termination_reason


def test_a_failed_task_ends_a_job_that_acts_on_it(batch: Account) -> None:
    batch.make_pool(task_slots_per_node=2)
    batch.make_job(**ACTS)
    batch.add_task("sleep 60", "long")
    batch.await_task("long", state="running")
    batch.add_task("exit 1")
    assert reason(batch.await_job()) == "TaskFailed"
    assert batch.client.get_task("job", "long").state == "completed"


def test_a_failed_task_leaves_a_job_alone_that_does_not_act(batch: Account) -> None:
    batch.run("exit 1")
    assert batch.client.get_job("job").state == "active"


def test_an_exit_condition_disables_the_job_and_requeues_its_tasks(batch: Account) -> None:
    batch.make_pool(task_slots_per_node=2)
    batch.make_job(**ACTS)
    batch.add_task("sleep 60", "long")
    batch.await_task("long", state="running")
    batch.add_task("exit 7", exit_conditions=by_code(7, "disable"))
    batch.await_job(state="disabled")
    long = batch.client.get_task("job", "long")
    assert long.execution_info is not None
    assert (long.state, long.execution_info.requeue_count) == ("active", 1)


def test_an_exit_condition_saves_the_job(batch: Account) -> None:
    batch.make_pool()
    batch.make_job(**ACTS)
    batch.add_task("exit 7", exit_conditions=by_code(7, "None"))
    task = batch.await_task()
    assert batch.client.get_job("job").state == "active"
    assert task.exit_conditions is not None
    assert task.exit_conditions.exit_codes is not None
    assert task.exit_conditions.exit_codes[0].exit_options.job_action == "none"


def test_success_ends_a_job_if_its_code_is_named(batch: Account) -> None:
    batch.make_pool()
    batch.make_job(**ACTS)
    batch.add_task("true", exit_conditions=by_code(0, "terminate"))
    assert reason(batch.await_job()) == "TaskFailed"


def test_a_task_that_cannot_start_counts_as_failed(batch: Account) -> None:
    batch.make_pool()
    batch.make_job(**ACTS)
    task = models.BatchTaskCreateOptions(id="task", command_line="no-such-program")
    batch.client.create_task("job", task)
    assert reason(batch.await_job()) == "TaskFailed"


def test_the_job_acts_only_when_all_retries_are_used_up(batch: Account) -> None:
    batch.make_pool()
    batch.make_job(**ACTS)
    limits = models.BatchTaskConstraints(max_task_retry_count=2)
    batch.add_task("exit 1", constraints=limits)
    batch.await_job()
    info = batch.client.get_task("job", "task").execution_info
    assert info is not None
    assert info.retry_count == 2


def test_what_happens_before_the_program_has_a_condition_of_its_own(batch: Account) -> None:
    batch.make_pool()
    batch.make_job(**ACTS)
    conditions = models.ExitConditions(
        pre_processing_error=models.ExitOptions(job_action="none"), default=models.ExitOptions(job_action="terminate")
    )
    task = models.BatchTaskCreateOptions(id="task", command_line="no-such-program", exit_conditions=conditions)
    batch.client.create_task("job", task)
    batch.await_task()
    assert batch.client.get_job("job").state == "active"


@pytest.mark.parametrize("by_exit_code", [False, True])
def test_an_upload_that_fails_has_a_condition_of_its_own_unless_the_exit_code_has_one(
    batch: Account, by_exit_code: bool
) -> None:
    satisfy, block = (models.ExitOptions(dependency_action=action) for action in ("satisfy", "block"))
    codes = [models.ExitCodeMapping(code=0, exit_options=satisfy)] if by_exit_code else None
    conditions = models.ExitConditions(file_upload_error=block if by_exit_code else satisfy, exit_codes=codes)
    identity = models.BatchNodeIdentityReference(resource_id="nobody")
    container = models.OutputFileBlobContainerDestination(
        container_url="http://127.0.0.1:1/c", identity_reference=identity
    )
    output = models.OutputFile(
        file_pattern="../stdout.txt",
        destination=models.OutputFileDestination(container=container),
        upload_options=models.OutputFileUploadConfiguration(upload_condition="taskcompletion"),
    )
    batch.make_pool()
    batch.make_job(uses_task_dependencies=True)
    batch.add_task("true", "parent", exit_conditions=conditions, output_files=[output])
    batch.add_task("true", "child", depends_on=models.BatchTaskDependencies(task_ids=["parent"]))
    batch.await_task("child")
    info = batch.client.get_task("job", "parent").execution_info
    assert info is not None
    assert info.failure_info is not None
    assert (info.exit_code, info.failure_info.code) == (0, "FileUploadAccessDenied")


def test_a_task_that_is_deleted_has_not_failed(batch: Account) -> None:
    batch.make_pool()
    batch.make_job(**ACTS)
    batch.add_task("sleep 60")
    batch.await_task(state="running")
    batch.client.delete_task("job", "task")
    assert batch.client.get_job("job").state == "active"


@pytest.mark.parametrize(
    ("acts", "conditions", "name"),
    [
        (False, by_default(job_action="none"), "exitConditions.default.jobAction"),
        (False, by_code(3, "terminate"), "exitConditions.exitCodes.0.exitOptions.jobAction"),
        (True, by_default(job_action="explode"), "exitConditions.default.jobAction"),
        (True, by_default(dependency_action="cancel"), "exitConditions.default.dependencyAction"),
        (
            True,
            models.ExitConditions(
                exit_code_ranges=[models.ExitCodeRangeMapping(start=3, end=2, exit_options=models.ExitOptions())]
            ),
            "exitConditions.exitCodeRanges.0",
        ),
    ],
)
def test_exit_conditions_that_cannot_be_are_refused(
    batch: Account, acts: bool, conditions: models.ExitConditions, name: str
) -> None:
    batch.make_job(**(ACTS if acts else {}))
    with pytest.raises(HttpResponseError) as caught:
        batch.add_task("true", exit_conditions=conditions)
    assert error_code(caught.value) == "InvalidPropertyValue"
    assert error_values(caught.value)["PropertyName"] == name
