"""Jobs: created, changed, disabled, ended and deleted."""

from datetime import timedelta

import pytest
from azure.batch import BatchClient, models
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError

from tests.support.account import Account, error_code

INFINITE = timedelta(days=10675199, hours=2, minutes=48, seconds=5, microseconds=477580)


def test_the_service_fills_in_the_defaults_of_a_job(batch: Account) -> None:
    batch.make_job()
    job = batch.client.get_job("job")
    assert (job.state, job.priority, job.max_parallel_tasks) == ("active", 0, -1)
    assert (job.uses_task_dependencies, job.allow_task_preemption) == (False, False)
    assert (job.all_tasks_complete_mode, job.task_failure_mode) == ("noaction", "noaction")
    assert job.constraints is not None
    assert job.constraints.max_task_retry_count == 0
    assert abs((job.constraints.max_wall_clock_time or timedelta()) - INFINITE) < timedelta(milliseconds=1)
    assert job.execution_info is not None
    assert job.execution_info.pool_id == "pool"


def test_a_second_job_of_the_same_id_is_refused(batch: Account) -> None:
    batch.make_job("Job")
    with pytest.raises(ResourceExistsError) as caught:
        batch.make_job("JOB")
    assert "(JobExists) The specified job already exists." in str(caught.value)


def test_a_job_waits_for_a_pool_that_does_not_exist_yet(batch: Account) -> None:
    batch.make_job()
    batch.add_task("true")
    assert batch.client.get_task("job", "task").state == "active"
    batch.make_pool()
    batch.await_task()


def test_a_job_ends_when_all_its_tasks_have_if_it_is_to(batch: Account) -> None:
    batch.make_pool()
    batch.make_job()
    for number in range(3):
        batch.add_task("true", f"task{number}")
    mode = models.BatchAllTasksCompleteMode.TERMINATE_JOB
    batch.client.update_job("job", models.BatchJobUpdateOptions(all_tasks_complete_mode=mode))
    job = batch.await_job()
    assert job.execution_info is not None
    assert job.execution_info.termination_reason == "AllTasksComplete"
    assert job.execution_info.end_time is not None
    assert batch.client.get_job_task_counts("job").task_counts.succeeded == 3


def test_a_job_without_tasks_counts_as_complete(batch: Account) -> None:
    batch.make_job(all_tasks_complete_mode="terminatejob")
    batch.await_job()


def test_a_job_that_ends_with_its_tasks_can_not_be_told_otherwise(batch: Account) -> None:
    batch.make_job()
    batch.add_task("true")
    batch.client.update_job("job", models.BatchJobUpdateOptions(all_tasks_complete_mode="terminatejob"))
    with pytest.raises(HttpResponseError) as caught:
        batch.client.update_job("job", models.BatchJobUpdateOptions(all_tasks_complete_mode="noaction"))
    assert error_code(caught.value) == "InvalidPropertyValue"


def test_a_job_out_of_time_is_ended(batch: Account) -> None:
    batch.make_pool()
    batch.make_job(constraints=models.BatchJobConstraints(max_wall_clock_time=timedelta(seconds=1)))
    batch.add_task("sleep 600")
    batch.add_task("sleep 600", "waiting")
    job = batch.await_job()
    assert job.execution_info is not None
    assert job.execution_info.termination_reason == "MaxWallClockTimeExpiry"
    assert batch.client.get_task("job", "task").state == "completed"
    assert batch.client.get_task("job", "waiting").state == "active"


def test_a_terminated_job_ends_what_runs_and_leaves_what_waits(batch: Account) -> None:
    batch.make_pool()
    batch.make_job()
    batch.add_task("sleep 600")
    batch.add_task("true", "waiting")
    batch.await_task(state="running")
    options = {"terminateReason": "enough"}
    batch.client.begin_terminate_job("job", options=options, polling_interval=0).result()  # type: ignore[arg-type]
    job = batch.await_job()
    assert job.execution_info is not None
    assert job.execution_info.termination_reason == "enough"
    info = batch.client.get_task("job", "task").execution_info
    assert info is not None
    assert info.failure_info is not None
    assert (info.exit_code, info.failure_info.code) == (None, "TaskEnded")
    assert batch.client.get_task("job", "waiting").state == "active"
    with pytest.raises(ResourceExistsError) as caught:
        batch.add_task("true", "late")
    assert error_code(caught.value) == "JobCompleted"


def test_a_job_is_terminated_without_a_body_too(batch: Account) -> None:
    batch.make_job()
    assert batch.send("POST", "/jobs/job/terminate").status_code == 202
    job = batch.await_job()
    assert job.execution_info is not None
    assert job.execution_info.termination_reason == "UserTerminate"
    assert batch.send("POST", "/jobs/job/terminate").status_code == 409


def test_a_deleted_job_is_gone_with_its_tasks_and_files(batch: Account) -> None:
    task = batch.run("echo hello")
    assert task.node_info is not None
    node_id = task.node_info.node_id or ""
    batch.client.begin_delete_job("job", polling_interval=0).result()
    batch.await_gone(lambda: batch.client.get_job("job"))
    names = [file.name or "" for file in batch.client.list_node_files("pool", node_id, recursive=True)]
    assert not any(name.startswith("workitems/job") for name in names)
    batch.make_job()
    assert list(batch.client.list_tasks("job")) == []


def test_a_job_that_is_being_deleted_refuses_tasks(batch: Account) -> None:
    batch.make_pool()
    batch.make_job()
    batch.add_task("trap : TERM; echo deaf; while true; do sleep 0.1; done")
    batch.await_task(state="running")
    batch.wait_until(lambda: batch.stdout() == "deaf\n")
    assert batch.send("DELETE", "/jobs/job?force=true").status_code == 202
    assert batch.client.get_job("job").state == "deleting"
    with pytest.raises(ResourceExistsError) as caught:
        batch.add_task("true", "late")
    assert error_code(caught.value) == "JobBeingDeleted"


@pytest.mark.parametrize(("tasks", "state"), [("requeue", "active"), ("terminate", "completed")])
def test_a_disabled_job_runs_nothing(batch: Account, tasks: str, state: str) -> None:
    batch.make_pool()
    batch.make_job()
    batch.add_task("sleep 600")
    batch.await_task(state="running")
    options = models.BatchJobDisableOptions(disable_tasks=tasks)
    batch.client.begin_disable_job("job", options, polling_interval=0).result()
    batch.await_job(state="disabled")
    assert batch.client.get_task("job", "task").state == state
    batch.add_task("true", "second")
    assert batch.client.get_task("job", "second").state == "active"


def test_an_enabled_job_runs_again_perhaps_on_another_pool(batch: Account) -> None:
    batch.make_pool("second")
    batch.make_job()
    batch.add_task("true")
    with pytest.raises(ResourceExistsError):
        batch.client.update_job("job", models.BatchJobUpdateOptions(pool_info=models.BatchPoolInfo(pool_id="second")))
    options = models.BatchJobDisableOptions(disable_tasks="requeue")
    batch.client.begin_disable_job("job", options, polling_interval=0).result()
    batch.client.update_job("job", models.BatchJobUpdateOptions(pool_info=models.BatchPoolInfo(pool_id="second")))
    batch.client.begin_enable_job("job", polling_interval=0).result()
    task = batch.await_task()
    assert task.node_info is not None
    assert task.node_info.pool_id == "second"


def test_a_deleted_job_leaves_no_files_on_a_pool_it_was_on_before(batch: Account) -> None:
    batch.make_pool()
    batch.make_job(job_preparation_task=models.BatchJobPreparationTask(command_line="true"))
    batch.add_task("true")
    batch.await_task()
    batch.client.begin_disable_job("job", models.BatchJobDisableOptions(disable_tasks="wait"), polling_interval=0)
    batch.await_job(state="disabled")
    batch.client.update_job("job", models.BatchJobUpdateOptions(pool_info=models.BatchPoolInfo(pool_id="second")))
    (node,) = batch.client.list_nodes("pool")

    def directories() -> list[str]:
        files = batch.client.list_node_files("pool", node.id, recursive=True)
        return [file.name for file in files if file.name and file.name.startswith("workitems/job")]

    assert directories()
    batch.client.begin_delete_job("job", polling_interval=0).result()
    batch.await_gone(lambda: batch.client.get_job("job"))
    assert not directories()


def test_a_job_runs_no_more_tasks_at_once_than_it_may(batch: Account) -> None:
    batch.make_pool(nodes=2, task_slots_per_node=4)
    batch.await_nodes(count=2)
    batch.make_job(max_parallel_tasks=2)
    for number in range(5):
        batch.add_task("sleep 600", f"task{number}")
    batch.await_task("task1", state="running")
    counts = batch.client.get_job_task_counts("job").task_counts
    assert (counts.running, counts.active) == (2, 3)
    batch.client.update_job("job", models.BatchJobUpdateOptions(max_parallel_tasks=3))
    batch.await_task("task2", state="running")
    assert batch.client.get_job_task_counts("job").task_counts.running == 3


def test_the_more_important_job_runs_first(batch: Account) -> None:
    batch.make_job("low")
    batch.make_job("high", priority=10)
    batch.add_task("true", job_id="low")
    batch.add_task("sleep 600", job_id="high")
    batch.make_pool()
    batch.await_task(job_id="high", state="running")
    assert batch.client.get_task("low", "task").state == "active"


def test_an_update_changes_what_it_names(batch: Account) -> None:
    batch.make_job(priority=5, metadata=[models.BatchMetadataItem(name="a", value="1")])
    batch.client.update_job("job", models.BatchJobUpdateOptions(priority=-7))
    job = batch.client.get_job("job")
    assert job.priority == -7
    assert [item.name for item in job.metadata or []] == ["a"]


def test_an_update_that_can_not_be_is_refused(batch: Account) -> None:
    batch.make_job()
    for change in (
        {"priority": -1001},
        {"maxParallelTasks": 0},
        {"constraints": {"maxTaskRetryCount": -2}},
        {"constraints": {"maxWallClockTime": "PT0S"}},
    ):
        for method, more in (("PATCH", {}), ("PUT", {"poolInfo": {"poolId": "pool"}})):
            answer = batch.send(method, "/jobs/job", json={**change, **more})
            assert (answer.status_code, answer.json()["code"]) == (400, "InvalidPropertyValue")


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_an_update_of_an_unknown_form_is_refused(batch: Account, method: str) -> None:
    batch.make_job()
    for change in ({"constraints": {"vmSize": 1}}, {"priority": "high"}, {"metadata": [{"name": "a", "x": "y"}]}):
        answer = batch.send(method, "/jobs/job", json={"poolInfo": {"poolId": "pool"}, **change})
        assert (answer.status_code, answer.json()["code"]) == (400, "InvalidRequestBody")


def test_a_replacement_gives_defaults_to_what_it_leaves_out(batch: Account) -> None:
    batch.make_job(priority=5, metadata=[models.BatchMetadataItem(name="a", value="1")])
    batch.client.replace_job("job", models.BatchJob(pool_info=models.BatchPoolInfo(pool_id="pool")))
    job = batch.client.get_job("job")
    assert (job.priority, job.metadata) == (0, None)


@pytest.mark.parametrize(
    "options",
    [
        {"priority": 1001},
        {"max_parallel_tasks": 0},
        {"all_tasks_complete_mode": "never"},
        {"constraints": models.BatchJobConstraints(max_task_retry_count=-2)},
        {"pool_info": models.BatchPoolInfo(pool_id="no such/id")},
    ],
)
def test_a_job_that_can_not_be_is_refused(client: BatchClient, options: dict[str, object]) -> None:
    given = {"id": "job", "pool_info": models.BatchPoolInfo(pool_id="pool"), **options}
    with pytest.raises(HttpResponseError) as caught:
        client.create_job(models.BatchJobCreateOptions(**given))  # type: ignore[call-overload]
    assert error_code(caught.value) == "InvalidPropertyValue"


def test_a_job_that_asks_for_what_is_not_emulated_is_refused(batch: Account) -> None:
    manager = {"id": "manager", "commandLine": "true", "authenticationTokenSettings": {"access": ["job"]}}
    body = {"id": "job", "poolInfo": {"poolId": "pool"}, "jobManagerTask": manager}
    response = batch.send("POST", "/jobs", version="2024-07-01.20.0", json=body)
    assert (response.status_code, response.json()["code"]) == (400, "UnsupportedProperty")
    with pytest.raises(ResourceNotFoundError):
        batch.client.get_job("job")


def test_metadata_of_a_job_needs_names_and_values(batch: Account) -> None:
    batch.make_job()
    body = {"id": "new", "poolInfo": {"poolId": "pool"}}
    for item, name in (({"name": "owner"}, "metadata.0.value"), ({"value": "me"}, "metadata.0.name")):
        for method, path, rest in (("POST", "/jobs", body), ("PATCH", "/jobs/job", {})):
            response = batch.send(method, path, json={**rest, "metadata": [item]})
            assert (response.status_code, response.json()["code"]) == (400, "MissingRequiredProperty")
            assert response.json()["values"] == [{"key": "PropertyName", "value": name}]


def test_the_network_of_a_job_is_echoed(batch: Account) -> None:
    network = models.BatchJobNetworkConfiguration(subnet_id="/subscriptions/s/subnets/n", skip_withdraw_from_vnet=True)
    batch.make_job(network_configuration=network)
    found = batch.client.get_job("job").network_configuration
    assert found is not None
    assert (found.subnet_id, found.skip_withdraw_from_vnet) == ("/subscriptions/s/subnets/n", True)
    other = models.BatchJobNetworkConfiguration(subnet_id="other", skip_withdraw_from_vnet=False)
    batch.client.update_job("job", models.BatchJobUpdateOptions(network_configuration=other))
    found = batch.client.get_job("job").network_configuration
    assert found is not None
    assert found.subnet_id == "other"
    batch.client.replace_job("job", models.BatchJob(pool_info=models.BatchPoolInfo(pool_id="pool")))
    assert batch.client.get_job("job").network_configuration is None


def test_the_pool_of_a_job_can_be_named_by_a_patch_only_while_it_is_disabled(batch: Account) -> None:
    batch.make_job()
    for method, expected in (("PATCH", 409), ("PUT", 200)):
        answer = batch.send(method, "/jobs/job", json={"poolInfo": {"poolId": "pool"}})
        assert answer.status_code == expected
    answer = batch.send("PUT", "/jobs/job", json={"poolInfo": {"poolId": "other"}})
    assert (answer.status_code, answer.json()["code"]) == (409, "OperationInvalidForCurrentState")
