"""Tasks: added, run, retried, ended, reactivated and deleted."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from azure.batch import BatchClient, models
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError

from tests.support.account import Account, error_code, shell


def execution(task: models.BatchTask) -> models.BatchTaskExecutionInfo:
    assert task.execution_info is not None
    return task.execution_info


def failure(task: models.BatchTask) -> models.BatchTaskFailureInfo:
    info = execution(task).failure_info
    assert info is not None
    return info


def test_a_task_runs_and_says_how_it_ended(batch: Account) -> None:
    task = batch.run("echo hello; echo trouble >&2")
    info = execution(task)
    assert (info.exit_code, info.result, info.failure_info) == (0, "success", None)
    assert (info.retry_count, info.requeue_count) == (0, 0)
    assert info.start_time is not None
    assert info.end_time is not None
    assert info.start_time <= info.end_time
    assert (task.previous_state, task.state) == ("running", "completed")
    assert batch.stdout() == "hello\n"
    assert batch.read("stderr.txt") == b"trouble\n"


def test_a_task_tells_where_it_ran(batch: Account) -> None:
    task = batch.run("true")
    (node,) = batch.client.list_nodes("pool")
    info = task.node_info
    assert info is not None
    assert (info.pool_id, info.node_id, info.affinity_id) == ("pool", node.id, node.affinity_id)
    assert info.task_root_directory == "workitems/job/job-1/task"
    assert info.node_url == node.url


def test_the_service_fills_in_the_defaults_of_a_task(batch: Account) -> None:
    batch.make_job(constraints=models.BatchJobConstraints(max_task_retry_count=4))
    batch.add_task("true")
    task = batch.client.get_task("job", "task")
    assert task.constraints is not None
    assert (task.constraints.retention_time, task.constraints.max_task_retry_count) == (timedelta(days=7), 4)
    assert task.required_slots == 1
    assert task.user_identity is not None
    assert task.user_identity.auto_user is not None
    assert task.user_identity.auto_user.elevation_level == "nonadmin"
    assert (execution(task).retry_count, execution(task).requeue_count) == (0, 0)


def test_a_command_that_fails_is_a_failed_task(batch: Account) -> None:
    task = batch.run("exit 3")
    assert (execution(task).exit_code, execution(task).result) == (3, "failure")
    assert (failure(task).category, failure(task).code) == ("usererror", "FailureExitCode")
    assert failure(task).message == "The task exited with an exit code representing a failure"
    counts = batch.client.get_job_task_counts("job").task_counts
    assert (counts.completed, counts.succeeded, counts.failed) == (1, 0, 1)


def test_a_program_that_is_not_there_is_a_failed_task(batch: Account) -> None:
    batch.make_pool()
    batch.make_job()
    batch.client.create_task("job", models.BatchTaskCreateOptions(id="task", command_line="no-such-program --help"))
    task = batch.await_task()
    assert (execution(task).exit_code, failure(task).code) == (None, "CommandProgramNotFound")


def test_a_command_line_is_not_run_by_a_shell(batch: Account) -> None:
    batch.make_pool()
    batch.make_job()
    line = "printf %s| $HOME `id` && 'two words' >x"
    batch.client.create_task("job", models.BatchTaskCreateOptions(id="task", command_line=line))
    batch.await_task()
    assert batch.stdout() == "$HOME|`id`|&&|two words|>x|"


def test_a_task_sees_its_variables(batch: Account) -> None:
    batch.make_pool()
    batch.make_job(
        common_environment_settings=[
            models.EnvironmentSetting(name="BOTH", value="job"),
            models.EnvironmentSetting(name="JOB", value="j"),
        ]
    )
    batch.add_task(
        "echo $BOTH $JOB $TASK $AZ_BATCH_JOB_ID $AZ_BATCH_TASK_ID $AZ_BATCH_POOL_ID $AZ_BATCH_ACCOUNT_NAME; "
        "test $PWD = $AZ_BATCH_TASK_WORKING_DIR",
        environment_settings=[
            models.EnvironmentSetting(name="BOTH", value="task"),
            models.EnvironmentSetting(name="TASK", value="t"),
        ],
    )
    assert execution(batch.await_task()).exit_code == 0
    assert batch.stdout() == f"task j t job task pool {batch.name}\n"


def test_a_task_is_run_again_as_often_as_it_may(batch: Account) -> None:
    limits = models.BatchTaskConstraints(max_task_retry_count=2)
    task = batch.run("echo run >> runs; cat runs; exit 1", constraints=limits)
    assert (execution(task).retry_count, execution(task).exit_code) == (2, 1)
    assert execution(task).last_retry_time is not None
    # The working directory stays.
    assert batch.stdout() == "run\nrun\nrun\n"


def test_a_retry_that_succeeds_is_a_success(batch: Account) -> None:
    limits = models.BatchTaskConstraints(max_task_retry_count=-1)
    task = batch.run("echo run >> runs; test $(wc -l < runs) -ge 3", constraints=limits)
    assert (execution(task).retry_count, execution(task).result) == (2, "success")


def test_a_task_out_of_time_is_ended_and_not_run_again(batch: Account) -> None:
    limits = models.BatchTaskConstraints(max_wall_clock_time=timedelta(seconds=1), max_task_retry_count=3)
    task = batch.run("sleep 600", constraints=limits)
    assert (execution(task).result, execution(task).retry_count) == ("failure", 0)
    assert failure(task).category == "usererror"


def test_a_task_is_added_once(batch: Account) -> None:
    batch.make_job()
    batch.add_task("true", "Task")
    with pytest.raises(ResourceExistsError) as caught:
        batch.add_task("true", "tASK")
    assert error_code(caught.value) == "TaskExists"


def test_a_collection_is_added_with_a_result_for_each_task(batch: Account) -> None:
    batch.make_job()
    batch.add_task("true", "there")
    tasks = [
        models.BatchTaskCreateOptions(id="good", command_line="true"),
        models.BatchTaskCreateOptions(id="there", command_line="true"),
        models.BatchTaskCreateOptions(id="good", command_line="true"),
        models.BatchTaskCreateOptions(id="bad id", command_line="true"),
    ]
    results = batch.client.create_task_collection("job", models.BatchTaskGroup(task_values=tasks)).result_values or []
    found = [(result.task_id, result.status, result.error.code if result.error else None) for result in results]
    assert found == [
        ("good", "success", None),
        ("there", "clienterror", "TaskExists"),
        ("good", "clienterror", "TaskExists"),
        ("bad id", "clienterror", "InvalidPropertyValue"),
    ]
    assert (results[0].location or "").endswith("/jobs/job/tasks/good")
    assert [task.id for task in batch.client.list_tasks("job")] == ["there", "good"]


def test_more_than_a_hundred_tasks_are_refused(batch: Account) -> None:
    batch.make_job()
    group = [{"id": f"t{number}", "commandLine": "true"} for number in range(101)]
    response = batch.send("POST", "/jobs/job/addtaskcollection", json={"value": group})
    assert (response.status_code, response.json()["code"]) == (400, "InvalidPropertyValue")
    assert list(batch.client.list_tasks("job")) == []


def test_a_collection_of_more_than_a_mebibyte_is_refused_and_the_client_divides_it(batch: Account) -> None:
    batch.make_job()
    setting = models.EnvironmentSetting(name="LONG", value="x" * 12_000)
    tasks = [
        models.BatchTaskCreateOptions(id=f"t{number}", command_line="true", environment_settings=[setting])
        for number in range(100)
    ]
    with pytest.raises(HttpResponseError) as caught:
        batch.client.create_task_collection("job", models.BatchTaskGroup(task_values=tasks))
    assert (caught.value.status_code, error_code(caught.value)) == (413, "RequestBodyTooLarge")
    assert len(batch.client.create_tasks("job", tasks).result_values or []) == 100
    assert batch.client.get_job_task_counts("job").task_counts.active == 100


def test_tasks_fill_the_slots_of_all_nodes(batch: Account) -> None:
    batch.make_pool(nodes=2, task_slots_per_node=2)
    batch.await_nodes(count=2)
    batch.make_job()
    for number in range(6):
        batch.add_task("sleep 600", f"task{number}")
    batch.await_task("task3", state="running")
    running = list(batch.client.list_tasks("job", filter="state eq 'running'"))
    places = sorted(task.node_info.node_id or "" for task in running if task.node_info)
    assert len(places) == 4
    assert places[0] == places[1] != places[2] == places[3]
    counts = batch.client.get_job_task_counts("job")
    assert (counts.task_slot_counts.running, counts.task_slot_counts.active) == (4, 2)


def test_a_task_too_big_for_the_room_left_does_not_hold_up_the_others(batch: Account) -> None:
    batch.make_pool(task_slots_per_node=2)
    batch.make_job()
    batch.add_task("sleep 600", "long")
    batch.await_task("long", state="running")
    batch.add_task("true", "big", required_slots=2)
    batch.add_task("true", "small")
    batch.await_task("small")
    assert batch.client.get_task("job", "big").state == "active"


def test_a_task_runs_on_the_node_it_asks_for(batch: Account) -> None:
    batch.make_pool(nodes=3)
    node = batch.await_nodes(count=3)[2]
    batch.make_job()
    batch.add_task("true", affinity_info=models.BatchAffinityInfo(affinity_id=node.affinity_id or ""))
    task = batch.await_task()
    assert task.node_info is not None
    assert task.node_info.node_id == node.id


def test_a_terminated_task_has_ended_at_once(batch: Account) -> None:
    batch.make_pool()
    batch.make_job()
    batch.add_task("sleep 600")
    batch.add_task("true", "next")
    batch.await_task(state="running")
    batch.client.terminate_task("job", "task")
    task = batch.client.get_task("job", "task")
    assert (task.state, execution(task).exit_code, failure(task).code) == ("completed", None, "TaskEnded")
    batch.await_task("next")
    with pytest.raises(ResourceExistsError) as caught:
        batch.client.terminate_task("job", "task")
    assert error_code(caught.value) == "TaskCompleted"


def test_a_waiting_task_can_be_terminated(batch: Account) -> None:
    batch.make_job()
    batch.add_task("true")
    batch.client.terminate_task("job", "task")
    assert batch.client.get_task("job", "task").state == "completed"


def test_a_failed_task_is_reactivated_with_all_its_retries(batch: Account) -> None:
    limits = models.BatchTaskConstraints(max_task_retry_count=1)
    batch.run("test -e $AZ_BATCH_NODE_SHARED_DIR/go", constraints=limits)
    batch.add_task("touch $AZ_BATCH_NODE_SHARED_DIR/go", "other")
    batch.await_task("other")
    batch.client.reactivate_task("job", "task")
    batch.wait_until(lambda: execution(batch.client.get_task("job", "task")).result == "success")
    assert execution(batch.client.get_task("job", "task")).retry_count == 0
    with pytest.raises(ResourceExistsError) as caught:
        batch.client.reactivate_task("job", "task")
    assert error_code(caught.value) == "TaskSucceeded"


def test_a_task_that_runs_is_not_reactivated(batch: Account) -> None:
    batch.make_job()
    batch.add_task("true")
    with pytest.raises(ResourceExistsError) as caught:
        batch.client.reactivate_task("job", "task")
    assert error_code(caught.value) == "TaskNotCompleted"


def test_the_constraints_of_a_task_are_replaced(batch: Account) -> None:
    batch.make_job()
    batch.add_task("true", constraints=models.BatchTaskConstraints(max_task_retry_count=5))
    constraints = models.BatchTaskConstraints(max_wall_clock_time=timedelta(hours=1))
    batch.client.replace_task("job", "task", models.BatchTask(constraints=constraints))
    found = batch.client.get_task("job", "task").constraints
    assert found is not None
    assert (found.max_wall_clock_time, found.max_task_retry_count) == (timedelta(hours=1), 0)


def test_a_deleted_task_is_gone_and_its_id_is_free(batch: Account) -> None:
    batch.make_pool()
    batch.make_job()
    batch.add_task("sleep 600")
    batch.await_task(state="running")
    batch.client.delete_task("job", "task")
    with pytest.raises(ResourceNotFoundError) as caught:
        batch.client.get_task("job", "task")
    assert error_code(caught.value) == "TaskNotFound"
    batch.add_task("ls -A")
    batch.await_task()
    assert batch.stdout() == ""


def test_an_ordinary_task_has_no_subtasks(batch: Account) -> None:
    batch.make_job()
    batch.add_task("true")
    assert list(batch.client.list_subtasks("job", "task")) == []


@pytest.mark.parametrize(
    "options",
    [
        {"id": ""},
        {"command_line": " "},
        {"required_slots": 0},
        {"constraints": models.BatchTaskConstraints(max_task_retry_count=-2)},
        {"resource_files": [models.ResourceFile(http_url="http://127.0.0.1/x", storage_container_url="y")]},
        {"resource_files": [models.ResourceFile(file_path="x")]},
        {"resource_files": [models.ResourceFile(http_url="http://127.0.0.1/x", file_path="x", file_mode="rwx")]},
        {"environment_settings": [models.EnvironmentSetting(name="A=B", value="")]},
        {"environment_settings": [models.EnvironmentSetting(name="", value="")]},
    ],
)
def test_a_task_that_can_not_be_is_refused(batch: Account, options: dict[str, object]) -> None:
    batch.make_job()
    given = {"id": "task", "command_line": "true", **options}
    with pytest.raises(HttpResponseError) as caught:
        batch.client.create_task("job", models.BatchTaskCreateOptions(**given))  # type: ignore[call-overload]
    assert error_code(caught.value) == "InvalidPropertyValue"


def test_hundreds_of_short_tasks_all_run(batch: Account) -> None:
    batch.make_pool(nodes=2, task_slots_per_node=4)
    batch.make_job()
    tasks = [models.BatchTaskCreateOptions(id=f"t{number}", command_line="/bin/true") for number in range(400)]
    batch.client.create_tasks("job", tasks)
    batch.wait_until(lambda: batch.client.get_job_task_counts("job").task_counts.succeeded == 400)
    assert sum(node.total_tasks_run or 0 for node in batch.await_nodes(count=2)) == 400


def test_the_job_of_a_task_must_exist(client: BatchClient) -> None:
    with pytest.raises(ResourceNotFoundError) as caught:
        client.create_task("nothing", models.BatchTaskCreateOptions(id="task", command_line=shell("true")))
    assert error_code(caught.value) == "JobNotFound"


def test_a_task_that_is_being_deleted_is_not_made_active_again(batch: Account) -> None:
    batch.make_pool(nodes=1, task_slots_per_node=4)
    batch.make_job()
    batch.await_nodes()
    again = ("POST", "/reactivate")
    calls = [("DELETE", ""), again, again, ("DELETE", ""), ("POST", "/terminate"), again, ("DELETE", "")]
    for number in range(8):
        name = f"task{number}"
        batch.add_task("sleep 4242 & sleep 4242", name)
        batch.await_task(name, state="running")
        with ThreadPoolExecutor(len(calls)) as threads:
            list(threads.map(lambda call, name=name: batch.send(call[0], f"/jobs/job/tasks/{name}{call[1]}"), calls))
    batch.wait_until(lambda: [node.running_tasks_count for node in batch.client.list_nodes("pool")] == [0])
    assert list(batch.client.list_tasks("job")) == []


def test_a_task_among_others_is_refused_for_what_does_not_exist_within_it(batch: Account) -> None:
    batch.make_job()
    good = {"id": "good", "commandLine": "x", "userIdentity": {"autoUser": {"scope": "Task"}}}
    wrong = {"id": "wrong", "commandLine": "x", "userIdentity": {"autoUser": {"rank": "task"}}}
    results = batch.send("POST", "/jobs/job/addtaskcollection", json={"value": [good, wrong]}).json()["value"]
    assert [result["status"] for result in results] == ["success", "clienterror"]
    values = {value["key"]: value["value"] for value in results[1]["error"]["values"]}
    assert values["PropertyName"] == "userIdentity.autoUser.rank"
    identity = batch.client.get_task("job", "good").user_identity
    assert identity is not None
    assert identity.auto_user is not None
    assert identity.auto_user.scope == "task"


@pytest.mark.parametrize(
    "identity", [{}, {"username": "someone", "autoUser": {"scope": "task"}}, {"autoUser": {"elevationLevel": "root"}}]
)
def test_an_identity_is_one_user_or_the_other(batch: Account, identity: dict[str, Any]) -> None:
    batch.make_job()
    task = {"id": "task", "commandLine": "x", "userIdentity": identity}
    response = batch.send("POST", "/jobs/job/tasks", json=task)
    assert (response.status_code, response.json()["code"]) == (400, "InvalidPropertyValue")
