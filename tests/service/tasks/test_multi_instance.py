"""Multi-instance tasks through the SDK: several nodes together, and nothing left on any of them."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.batch import models

from localbatch.wire.connection import Endpoints
from tests.support.account import Account, shell
from tests.support.nodes import processes_below
from tests.support.processes import wait_until

SOON = 10.0
BACKGROUND = "setsid sleep 600 > /dev/null 2>&1 &"


@pytest.fixture
def mpi(batch: Account) -> Account:
    """An account with a pool of three nodes that may speak to each other, and a job."""
    batch.make_pool(nodes=3, enable_inter_node_communication=True)
    batch.make_job()
    return batch


def settings(
    coordination: str = "true", instances: int = 3, files: list[models.ResourceFile] | None = None
) -> models.MultiInstanceSettings:
    return models.MultiInstanceSettings(
        number_of_instances=instances, coordination_command_line=shell(coordination), common_resource_files=files
    )


def add(batch: Account, command: str, coordination: str = "true", instances: int = 3, **options: Any) -> None:
    batch.add_task(command, multi_instance_settings=settings(coordination, instances), **options)


def run(batch: Account, command: str, coordination: str = "true", **options: Any) -> models.BatchTask:
    add(batch, command, coordination, **options)
    return batch.await_task()


def subtasks(batch: Account) -> list[models.BatchSubtask]:
    """The subtasks, once all of them have ended, which may be a little after the task."""

    def ended() -> bool:
        return all(each.state == "completed" for each in batch.client.list_subtasks("job", "task"))

    batch.wait_until(ended)
    return list(batch.client.list_subtasks("job", "task"))


def read_subtask(batch: Account, subtask: models.BatchSubtask, name: str = "stdout.txt") -> str:
    node = subtask.node_info
    assert node is not None
    path = f"{node.task_root_directory}/{name}"
    return b"".join(batch.client.download_node_file(str(node.pool_id), str(node.node_id), path)).decode()


def exit_code(task: models.BatchTask) -> int | None:
    assert task.execution_info is not None
    return task.execution_info.exit_code


def failure_code(task: models.BatchTask) -> str:
    assert task.execution_info is not None
    failure = task.execution_info.failure_info
    return failure.code or "" if failure else ""


@pytest.fixture
def nothing_left(service: Endpoints) -> Iterator[None]:
    """No process of any node is left once the test is over; its pool need not be deleted for that."""
    yield
    mount = Path(service.root) / "mnt" / "batch" / "tasks"
    roots = (Path(service.root) / "nodes", mount)
    wait_until(lambda: not any(processes_below(root) for root in roots), SOON)


pytestmark = pytest.mark.usefixtures("nothing_left")


def test_the_coordination_command_runs_on_every_node_and_the_application_on_the_first(mpi: Account) -> None:
    task = run(mpi, "echo application on $AZ_BATCH_NODE_ID", "echo coordination on $AZ_BATCH_NODE_ID")
    assert exit_code(task) == 0
    assert task.node_info is not None
    primary = task.node_info.node_id
    assert mpi.stdout() == f"coordination on {primary}\napplication on {primary}\n"
    found = subtasks(mpi)
    nodes = [str(each.node_info.node_id) for each in found if each.node_info]
    assert [each.id for each in found] == [1, 2]
    assert len({primary, *nodes}) == 3
    assert [read_subtask(mpi, each) for each in found] == [f"coordination on {node}\n" for node in nodes]
    assert [(each.exit_code, each.result) for each in found] == [(0, "success")] * 2
    assert [each.node_info.task_root_directory for each in found if each.node_info] == [
        f"workitems/job/job-1/task/{number}" for number in (1, 2)
    ]


def test_each_node_knows_all_nodes_and_whether_it_is_the_first(mpi: Account) -> None:
    names = ("HOST_LIST", "NODE_LIST", "MASTER_NODE", "IS_CURRENT_NODE_MASTER", "TASK_SHARED_DIR")
    say = "; ".join(f"echo $AZ_BATCH_{name}" for name in names)
    run(mpi, "true", f"{say}; echo $CCP_NODES; cd ..; pwd")
    addresses = {node.id: str(node.ip_address) for node in mpi.client.list_nodes("pool")}
    task = mpi.client.get_task("job", "task")
    assert task.node_info is not None
    found = subtasks(mpi)
    ids = [task.node_info.node_id, *(each.node_info.node_id for each in found if each.node_info)]
    hosts = [addresses[str(node_id)] for node_id in ids]
    outputs = [mpi.stdout(), *(read_subtask(mpi, each) for each in found)]
    for number, lines in enumerate(output.splitlines() for output in outputs):
        assert lines[0] == ",".join(hosts)
        assert lines[1] == ";".join(hosts)
        assert lines[2] == f"{hosts[0]}:6000"
        assert lines[3] == ("true" if number == 0 else "false")
        assert lines[4] == lines[6]
        assert lines[5] == f"3 {hosts[0]} 1 {hosts[1]} 1 {hosts[2]} 1"


def test_the_application_waits_for_the_coordination_of_all_nodes(mpi: Account) -> None:
    slow = "test $AZ_BATCH_IS_CURRENT_NODE_MASTER = true || sleep 1; date +%s.%N"
    run(mpi, "date +%s.%N", slow)
    application = float(mpi.stdout().splitlines()[1])
    assert all(float(read_subtask(mpi, each)) < application for each in subtasks(mpi))


def test_what_coordination_leaves_in_the_background_lives_until_the_task_ends(mpi: Account) -> None:
    coordination = f"{BACKGROUND} echo $! > daemon"
    assert exit_code(run(mpi, "kill -0 $(cat daemon)", coordination)) == 0


@pytest.mark.parametrize("where", ["true", "false"])
def test_a_failing_coordination_command_fails_the_task_with_its_code(mpi: Account, where: str) -> None:
    fails = f"test $AZ_BATCH_IS_CURRENT_NODE_MASTER != {where} || exit 9; {BACKGROUND} sleep 600"
    task = run(mpi, "echo never", fails)
    assert exit_code(task) == 9
    assert failure_code(task) == "FailureExitCode"
    assert "never" not in mpi.stdout()


def test_a_failing_coordination_command_is_run_again_on_all_nodes(mpi: Account) -> None:
    fails = "echo run; test $AZ_BATCH_IS_CURRENT_NODE_MASTER = false || test -e ran || { touch ran; exit 9; }"
    task = run(mpi, "echo done", fails, constraints=models.BatchTaskConstraints(max_task_retry_count=2))
    assert exit_code(task) == 0
    assert task.execution_info is not None
    assert task.execution_info.retry_count == 1
    assert mpi.stdout() == "run\ndone\n"


def test_a_coordination_program_that_is_missing_is_told(mpi: Account) -> None:
    options = models.MultiInstanceSettings(number_of_instances=3, coordination_command_line="/no/such/program")
    mpi.add_task("true", multi_instance_settings=options)
    task = mpi.await_task()
    assert failure_code(task) == "CommandProgramNotFound"
    assert exit_code(task) is None


def test_the_exit_code_of_the_application_is_that_of_the_task(mpi: Account) -> None:
    task = run(mpi, f"{BACKGROUND} exit 7", BACKGROUND)
    assert exit_code(task) == 7
    assert [each.exit_code for each in subtasks(mpi)] == [0, 0]


@pytest.mark.parametrize("call", ["terminate_task", "delete_task"])
def test_a_task_ended_by_request_leaves_no_process_on_any_node(mpi: Account, call: str) -> None:
    add(mpi, f"{BACKGROUND} sleep 600", BACKGROUND)
    mpi.await_task(state="running")
    mpi.wait_until(lambda: [each.state for each in mpi.client.list_subtasks("job", "task")] == ["running"] * 2)
    getattr(mpi.client, call)("job", "task")
    mpi.await_nodes(count=3)


def test_a_time_limit_ends_the_task_on_all_nodes(mpi: Account) -> None:
    limit = models.BatchTaskConstraints(max_wall_clock_time=timedelta(seconds=1))
    task = run(mpi, "sleep 600", BACKGROUND, constraints=limit)
    assert failure_code(task) == "TaskEnded"


@pytest.mark.parametrize("primary", [True, False])
def test_a_node_that_leaves_takes_the_whole_task_along(mpi: Account, primary: bool) -> None:
    add(mpi, "sleep 600", BACKGROUND)
    mpi.await_task(state="running")
    mpi.wait_until(lambda: [each.state for each in mpi.client.list_subtasks("job", "task")] == ["running"] * 2)
    task = mpi.client.get_task("job", "task")
    leaving = task.node_info if primary else next(iter(mpi.client.list_subtasks("job", "task"))).node_info
    assert leaving is not None
    mpi.client.begin_remove_nodes(
        "pool", models.BatchNodeRemoveOptions(node_ids=[str(leaving.node_id)], node_deallocation_option="requeue")
    )
    mpi.await_nodes(count=2)
    task = mpi.await_task(state="active")
    assert task.execution_info is not None
    assert task.execution_info.requeue_count == 1
    assert list(mpi.client.list_subtasks("job", "task")) == []
    # With three nodes again the whole task starts anew.
    mpi.client.begin_resize_pool("pool", models.BatchPoolResizeOptions(target_dedicated_nodes=3))
    mpi.await_task(state="running")


def test_nodes_are_taken_together_or_not_at_all(mpi: Account) -> None:
    mpi.add_task("sleep 600", "small")
    mpi.await_task("small", state="running")
    add(mpi, "echo all three")
    pause = threading.Event()
    assert not pause.wait(0.5)
    assert mpi.client.get_task("job", "task").state == "active"
    states = [node.state for node in mpi.client.list_nodes("pool")]
    assert sorted(states) == ["idle", "idle", "running"]
    mpi.client.terminate_task("job", "small")
    assert exit_code(mpi.await_task()) == 0


@pytest.mark.parametrize("options", [{}, {"enable_inter_node_communication": True, "task_slots_per_node": 2}])
def test_without_inter_node_communication_or_with_several_slots_the_task_waits_for_ever(
    batch: Account, options: dict[str, Any]
) -> None:
    batch.make_pool(nodes=2, **options)
    batch.make_job()
    add(batch, "true", instances=2)
    batch.add_task("true", "small")
    batch.await_task("small")
    assert batch.client.get_task("job", "task").state == "active"


def test_settings_are_shown_with_their_default_and_checked(batch: Account) -> None:
    batch.make_job()
    batch.add_task("true", multi_instance_settings=models.MultiInstanceSettings(coordination_command_line="x"))
    shown = batch.client.get_task("job", "task").multi_instance_settings
    assert shown is not None
    assert (shown.number_of_instances, shown.coordination_command_line) == (1, "x")
    bad: tuple[tuple[dict[str, Any], str], ...] = (
        ({"coordinationCommandLine": " "}, "coordinationCommandLine"),
        ({"coordinationCommandLine": "x", "numberOfInstances": 0}, "numberOfInstances"),
        ({"numberOfInstances": 2}, "coordinationCommandLine"),
        ({"coordinationCommandLine": "x", "commonResourceFiles": [{}]}, "commonResourceFiles"),
    )
    for given, name in bad:
        body = {"id": "other", "commandLine": "x", "multiInstanceSettings": given}
        answer = batch.send("POST", "/jobs/job/tasks", json=body)
        assert answer.status_code == 400
        assert name in answer.text()


@pytest.mark.parametrize("name", ["stdout.txt", "stderr.txt", "./stdout.txt", "../up", "wd", "certs"])
def test_a_common_file_takes_no_place_of_batchs_own(mpi: Account, name: str) -> None:
    file = models.ResourceFile(http_url="http://127.0.0.1:1/x", file_path=name)
    mpi.add_task("true", multi_instance_settings=settings(files=[file]))
    assert failure_code(mpi.await_task()) == "ResourceFileCreateFailed"


def test_a_node_whose_preparation_failed_has_no_subtask(batch: Account) -> None:
    batch.make_pool(nodes=2, enable_inter_node_communication=True)
    batch.make_job(job_preparation_task=models.BatchJobPreparationTask(command_line=shell("exit 1")))
    add(batch, "true", instances=2)

    def failed() -> bool:
        statuses = batch.client.list_job_preparation_and_release_task_status("job")
        infos = [status.job_preparation_task_execution_info for status in statuses]
        return len(infos) == 2 and all(info is not None and info.result == "failure" for info in infos)

    batch.wait_until(failed)
    batch.await_task(state="active")
    assert list(batch.client.list_subtasks("job", "task")) == []


def test_a_node_shows_of_which_subtask_it_ran(mpi: Account) -> None:
    run(mpi, "true")
    shown = [node.recent_tasks or [] for node in mpi.await_nodes(count=3)]
    assert sorted(tasks[0].subtask_id or 0 for tasks in shown) == [0, 1, 2]


def test_the_files_of_all_nodes_go_with_the_task(mpi: Account) -> None:
    run(mpi, "true", "touch made")
    mpi.await_nodes(count=3)
    mpi.client.delete_task("job", "task")
    for node in mpi.client.list_nodes("pool"):
        names = [file.name for file in mpi.client.list_node_files("pool", str(node.id), recursive=True)]
        assert not [name for name in names if name and "made" in name]
