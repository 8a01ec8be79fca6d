"""Job manager tasks: made with the job, before all its other tasks."""

from pathlib import Path
from typing import Any

import pytest
from azure.batch import models
from azure.core.exceptions import HttpResponseError, ResourceExistsError

from tests.support.account import Account, error_code, error_values, shell

WAITS = "until test -e {go}; do sleep 0.05; done"


def manager(command: str = "true", **options: Any) -> models.BatchJobManagerTask:
    return models.BatchJobManagerTask(**{"id": "manager", "command_line": shell(command), **options})


def reason(job: models.BatchJob) -> str | None:
    return None if job.execution_info is None else job.execution_info.termination_reason


def test_it_is_a_task_of_the_job_that_is_made_with_it(batch: Account) -> None:
    variable = models.EnvironmentSetting(name="COLOUR", value="red")
    task = manager("echo $AZ_BATCH_TASK_ID $COLOUR", display_name="Boss", environment_settings=[variable])
    batch.make_job(job_manager_task=task)
    assert [found.id for found in batch.client.list_tasks("job")] == ["manager"]
    assert batch.client.get_job_task_counts("job").task_counts.active == 1
    assert batch.client.get_task("job", "manager").display_name == "Boss"
    batch.make_pool()
    batch.await_task("manager")
    assert batch.stdout("manager") == "manager red\n"


def test_it_is_shown_with_its_defaults(batch: Account) -> None:
    batch.make_job(job_manager_task=manager())
    found = batch.client.get_job("job").job_manager_task
    assert found is not None
    assert (found.kill_job_on_completion, found.run_exclusive, found.allow_low_priority_node) == (True, True, True)
    assert found.required_slots == 1
    assert found.constraints is not None
    assert found.constraints.max_task_retry_count == 0


def test_the_job_ends_with_it_whatever_else_runs(batch: Account, tmp_path: Path) -> None:
    batch.make_pool(nodes=2)
    batch.make_job(job_manager_task=manager(WAITS.format(go=tmp_path / "go")))
    batch.add_task("sleep 600")
    batch.await_task("manager", state="running")
    batch.await_task(state="running")
    (tmp_path / "go").touch()
    job = batch.await_job()
    assert reason(job) == "JMComplete"
    info = batch.client.get_task("job", "task").execution_info
    assert info is not None
    assert info.failure_info is not None
    assert info.failure_info.code == "TaskEnded"


def test_its_failure_ends_the_job_as_well_once_it_is_not_run_again(batch: Account) -> None:
    batch.make_pool()
    limits = models.BatchTaskConstraints(max_task_retry_count=1)
    batch.make_job(job_manager_task=manager("exit 3", constraints=limits))
    assert reason(batch.await_job()) == "JMComplete"
    info = batch.client.get_task("job", "manager").execution_info
    assert info is not None
    assert (info.exit_code, info.retry_count) == (3, 1)


def test_a_job_may_outlive_it(batch: Account) -> None:
    batch.make_pool()
    batch.make_job(job_manager_task=manager(kill_job_on_completion=False), all_tasks_complete_mode="terminatejob")
    assert reason(batch.await_job()) == "AllTasksComplete"
    batch.make_job("other", job_manager_task=manager(kill_job_on_completion=False))
    batch.await_task("manager", "other")
    assert batch.client.get_job("other").state == "active"


def test_the_release_task_runs_after_it(batch: Account, tmp_path: Path) -> None:
    batch.make_pool()
    batch.make_job(
        job_manager_task=manager(),
        job_preparation_task=models.BatchJobPreparationTask(command_line=shell("true")),
        job_release_task=models.BatchJobReleaseTask(command_line=shell(f"touch {tmp_path}/released")),
    )
    batch.await_job()
    assert (tmp_path / "released").exists()


def test_it_comes_before_the_other_tasks_of_its_job_and_after_those_of_a_more_important_one(
    batch: Account, tmp_path: Path
) -> None:
    batch.make_job("high", priority=1)
    batch.add_task(WAITS.format(go=tmp_path / "go"), job_id="high")
    batch.make_job(job_manager_task=manager("sleep 600"))
    batch.add_task("sleep 600")
    batch.make_pool()
    batch.await_task(job_id="high", state="running")
    assert batch.client.get_task("job", "manager").state == "active"
    (tmp_path / "go").touch()
    batch.await_task("manager", state="running")
    assert batch.client.get_task("job", "task").state == "active"


def test_nothing_else_runs_on_its_node(batch: Account) -> None:
    batch.make_pool(nodes=2, task_slots_per_node=2)
    batch.await_nodes(count=2)
    batch.make_job(job_manager_task=manager("sleep 600"))
    for number in range(4):
        batch.add_task("sleep 600", f"task{number}")
    batch.await_task("task1", state="running")
    nodes = {node.running_tasks_count for node in batch.client.list_nodes("pool")}
    assert nodes == {1, 2}
    assert batch.client.get_job_task_counts("job").task_counts.active == 2


def test_a_node_is_kept_free_for_one_that_needs_a_whole_one(batch: Account, tmp_path: Path) -> None:
    batch.make_pool(task_slots_per_node=2)
    batch.await_nodes()
    batch.make_job("busy")
    for name in ("one", "two"):
        batch.add_task(WAITS.format(go=tmp_path / name), name, "busy")
        batch.await_task(name, "busy", state="running")
    batch.make_job(job_manager_task=manager("sleep 600"), priority=1)
    batch.add_task("true", "three", "busy")
    (tmp_path / "one").touch()
    batch.await_task("one", "busy")
    (node,) = batch.client.list_nodes("pool")
    assert node.running_tasks_count == 1
    assert batch.client.get_task("busy", "three").state == "active"
    (tmp_path / "two").touch()
    batch.await_task("manager", state="running")
    assert batch.client.get_task("busy", "three").state == "active"


@pytest.mark.parametrize(
    ("verb", "path", "body"),
    [
        ("POST", "/jobs/job/terminate", None),
        ("POST", "/jobs/job/disable", {"disableTasks": "requeue"}),
        ("DELETE", "/jobs/job", None),
        ("DELETE", "/jobs/job/tasks/manager", None),
    ],
)
def test_a_node_is_kept_free_no_longer_than_it_waits(
    batch: Account, tmp_path: Path, verb: str, path: str, body: dict[str, str] | None
) -> None:
    batch.make_pool(task_slots_per_node=2)
    batch.make_job("busy")
    batch.add_task(WAITS.format(go=tmp_path / "go"), "one", "busy")
    batch.await_task("one", "busy", state="running")
    batch.make_job(job_manager_task=manager("sleep 600"), priority=1)
    batch.add_task("true", "two", "busy")
    assert batch.client.get_task("busy", "two").state == "active"
    options: dict[str, Any] = {} if body is None else {"json": body}
    assert batch.send(verb, path, **options).status_code in (200, 202)
    batch.await_task("two", "busy")
    assert batch.client.get_task("busy", "one").state == "running"


def test_no_node_is_kept_free_for_one_that_is_too_large_for_it(batch: Account) -> None:
    batch.make_pool(task_slots_per_node=2)
    batch.make_job(job_manager_task=manager(required_slots=4), priority=1)
    batch.make_job("other")
    batch.add_task("true", job_id="other")
    batch.await_task(job_id="other")
    assert batch.client.get_task("job", "manager").state == "active"


def test_it_shares_its_node_if_it_may(batch: Account) -> None:
    batch.make_pool(task_slots_per_node=4)
    batch.make_job(job_manager_task=manager("sleep 600", run_exclusive=False, required_slots=2))
    batch.add_task("sleep 600")
    batch.await_task("manager", state="running")
    batch.await_task(state="running")
    (node,) = batch.client.list_nodes("pool")
    assert node.running_task_slots_count == 3


def test_it_stays_away_from_spot_nodes_if_it_is_to(batch: Account) -> None:
    batch.make_pool(nodes=0, target_low_priority_nodes=1)
    batch.await_nodes()
    batch.make_job(job_manager_task=manager(allow_low_priority_node=False))
    batch.add_task("true")
    batch.await_task()
    assert batch.client.get_task("job", "manager").state == "active"
    resize = models.BatchPoolResizeOptions(target_dedicated_nodes=1, target_low_priority_nodes=1)
    batch.client.begin_resize_pool("pool", resize)
    assert reason(batch.await_job()) == "JMComplete"


def test_its_node_is_the_last_to_leave(batch: Account) -> None:
    batch.make_pool(nodes=2, task_slots_per_node=2)
    batch.await_nodes(count=2)
    batch.make_job(job_manager_task=manager("sleep 600", run_exclusive=True))
    task = batch.await_task("manager", state="running")
    for number in range(2):
        batch.add_task("sleep 600", f"task{number}")
        batch.await_task(f"task{number}", state="running")
    batch.client.begin_resize_pool("pool", models.BatchPoolResizeOptions(target_dedicated_nodes=1))
    batch.wait_until(lambda: len(list(batch.client.list_nodes("pool"))) == 1)
    (node,) = batch.client.list_nodes("pool")
    assert task.node_info is not None
    assert node.id == task.node_info.node_id


def test_without_its_node_it_takes_the_place_of_another_task(batch: Account) -> None:
    batch.make_pool(nodes=2)
    batch.await_nodes(count=2)
    batch.make_job(job_manager_task=manager("sleep 600"))
    batch.await_task("manager", state="running")
    batch.make_job("other")
    batch.add_task("sleep 600", job_id="other")
    batch.await_task(job_id="other", state="running")
    task = batch.client.get_task("job", "manager")
    assert task.node_info is not None
    options = models.BatchNodeRemoveOptions(node_ids=[task.node_info.node_id or ""])
    batch.client.begin_remove_nodes("pool", options)
    batch.await_task(job_id="other", state="active")
    info = batch.await_task("manager", state="running").execution_info
    assert info is not None
    assert info.requeue_count == 1
    lost = batch.client.get_task("other", "task").execution_info
    assert lost is not None
    assert lost.requeue_count == 1


def test_without_its_node_it_leaves_more_important_jobs_alone(batch: Account) -> None:
    batch.make_pool(nodes=2)
    batch.await_nodes(count=2)
    batch.make_job(job_manager_task=manager("sleep 600"))
    task = batch.await_task("manager", state="running")
    batch.make_job("other", priority=1)
    batch.add_task("sleep 600", job_id="other")
    batch.await_task(job_id="other", state="running")
    assert task.node_info is not None
    options = models.BatchNodeRemoveOptions(node_ids=[task.node_info.node_id or ""])
    batch.client.begin_remove_nodes("pool", options)
    batch.wait_until(lambda: len(list(batch.client.list_nodes("pool"))) == 1)
    batch.await_task("manager", state="active")
    assert batch.client.get_task("other", "task").state == "running"


def test_ended_by_request_it_ends_the_job(batch: Account) -> None:
    batch.make_pool()
    batch.make_job(job_manager_task=manager("sleep 600"))
    batch.await_task("manager", state="running")
    batch.client.terminate_task("job", "manager")
    assert reason(batch.await_job()) == "JMComplete"


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"id": "no id"}, "jobManagerTask.id"),
        ({"command_line": " "}, "jobManagerTask.commandLine"),
        ({"required_slots": 0}, "jobManagerTask.requiredSlots"),
        ({"constraints": models.BatchTaskConstraints(max_task_retry_count=-2)}, "jobManagerTask.constraints"),
    ],
)
def test_one_that_can_not_be_is_refused(batch: Account, options: dict[str, Any], name: str) -> None:
    with pytest.raises(HttpResponseError) as caught:
        batch.make_job(job_manager_task=manager(**options))
    assert (caught.value.status_code, error_code(caught.value)) == (400, "InvalidPropertyValue")
    assert error_values(caught.value)["PropertyName"].startswith(name)


def test_what_only_other_tasks_have_is_refused(batch: Account) -> None:
    settings = {"coordinationCommandLine": "true"}
    task = {"id": "manager", "commandLine": "true", "multiInstanceSettings": settings}
    body = {"id": "job", "poolInfo": {"poolId": "pool"}, "jobManagerTask": task}
    assert batch.send("POST", "/jobs", json=body).status_code == 400


def test_its_id_is_its_own(batch: Account) -> None:
    preparation = models.BatchJobPreparationTask(command_line="true", id="prepare")
    release = models.BatchJobReleaseTask(command_line="true", id="clean")
    for task_id, code in (("Prepare", "TaskIdSameAsJobPreparationTask"), ("Clean", "TaskIdSameAsJobReleaseTask")):
        with pytest.raises(ResourceExistsError) as caught:
            batch.make_job(
                job_preparation_task=preparation, job_release_task=release, job_manager_task=manager(id=task_id)
            )
        assert error_code(caught.value) == code
    batch.make_job(job_manager_task=manager())
    with pytest.raises(ResourceExistsError) as caught:
        batch.add_task("true", "MANAGER")
    assert error_code(caught.value) == "TaskExists"


def test_an_application_package_that_is_not_there_is_refused(batch: Account) -> None:
    package = models.BatchApplicationPackageReference(application_id="nothing")
    with pytest.raises(ResourceExistsError) as caught:
        batch.make_job(job_manager_task=manager(application_package_references=[package]))
    assert error_code(caught.value) == "InvalidApplicationPackageReferences"
