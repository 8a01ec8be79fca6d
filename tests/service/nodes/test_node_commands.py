"""Nodes on command: reboot, reimage, deallocate, start; scheduling off and on."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.batch import models
from azure.core.exceptions import HttpResponseError

from tests.support.account import Account, error_code, shell

COUNT = "echo run >> $AZ_BATCH_NODE_SHARED_DIR/"
COMMANDS = {"reboot": "rebooting", "reimage": "reimaging", "deallocate": "deallocating"}


def start_task(command: str) -> models.BatchStartTask:
    return models.BatchStartTask(command_line=shell(command), wait_for_success=True)


def node_id(batch: Account) -> str:
    (node,) = batch.client.list_nodes("pool")
    return str(node.id)


def send(batch: Account, command: str, **body: str) -> int:
    """Has the node do something; without a body there is none at all."""
    options: dict[str, Any] = {"json": body} if body else {}
    return batch.send("POST", f"/pools/pool/nodes/{node_id(batch)}/{command}", **options).status_code


def state(batch: Account) -> models.BatchNodeState | str | None:
    return batch.client.get_node("pool", node_id(batch)).state


def node_file(batch: Account, name: str) -> bytes | None:
    """Returns a file of the node, if there is one."""
    try:
        return b"".join(batch.client.download_node_file("pool", node_id(batch), name))
    except HttpResponseError:
        return None


def waiting_task(batch: Account, go: Path) -> None:
    """Adds a task that runs until a file is there."""
    batch.make_pool()
    batch.make_job()
    batch.add_task(f"until test -e {go}; do sleep 0.05; done")
    batch.await_task(state="running")


def test_a_reboot_keeps_files_and_runs_the_start_task_again(batch: Account) -> None:
    batch.make_pool(start_task=start_task(f"{COUNT}starts"))
    (before,) = batch.await_nodes()
    options: Any = {"nodeRebootOption": "requeue"}
    batch.client.begin_reboot_node("pool", node_id(batch), options, polling_interval=0).result()
    (after,) = batch.await_nodes()
    assert after.id == before.id
    assert after.last_boot_time > before.last_boot_time
    batch.make_job()
    batch.add_task("cat $AZ_BATCH_NODE_SHARED_DIR/starts")
    batch.await_task()
    assert batch.stdout() == "run\nrun\n"


def test_a_reimaged_node_has_lost_its_files(batch: Account) -> None:
    batch.make_pool(start_task=start_task(f"{COUNT}starts"))
    batch.make_job(
        job_preparation_task=models.BatchJobPreparationTask(
            command_line=shell(f"{COUNT}preparations"), rerun_on_node_reboot_after_success=False
        )
    )
    batch.add_task("true", "first")
    batch.await_task("first")
    options: Any = {"nodeReimageOption": "requeue"}
    batch.client.begin_reimage_node("pool", node_id(batch), options, polling_interval=0).result()
    batch.await_nodes()
    batch.add_task("cd $AZ_BATCH_NODE_SHARED_DIR; cat starts preparations", "second")
    batch.await_task("second")
    assert batch.stdout("second") == "run\nrun\n"
    with pytest.raises(HttpResponseError) as caught:
        list(batch.client.list_task_files("job", "first"))
    assert error_code(caught.value) == "TaskFilesUnavailable"


def test_a_deallocated_node_stays_in_its_pool_and_can_be_started(batch: Account) -> None:
    batch.make_pool()
    (before,) = batch.await_nodes()
    options: Any = {"nodeDeallocateOption": "requeue"}
    batch.client.begin_deallocate_node("pool", node_id(batch), options, polling_interval=0).result()
    (node,) = batch.await_nodes(state="deallocated")
    assert batch.client.get_pool("pool").current_dedicated_nodes == 1
    batch.make_job()
    batch.add_task("true")
    assert batch.client.get_task("job", "task").state == "active"
    with pytest.raises(HttpResponseError) as caught:
        list(batch.client.list_node_files("pool", str(node.id)))
    assert error_code(caught.value) == "OperationNotValidOnNode"
    batch.client.begin_start_node("pool", str(node.id), polling_interval=0).result()
    batch.await_task()
    assert node_id(batch) == before.id


@pytest.mark.parametrize("command", COMMANDS)
def test_a_running_task_is_requeued_if_nothing_else_is_said(batch: Account, tmp_path: Path, command: str) -> None:
    waiting_task(batch, tmp_path / "go")
    assert send(batch, command) == 202
    (tmp_path / "go").touch()
    if command == "deallocate":
        batch.await_nodes(state="deallocated")
        assert batch.client.get_task("job", "task").state == "active"
        assert send(batch, "start") == 202
    info = batch.await_task().execution_info
    assert info is not None
    assert (info.exit_code, info.requeue_count, info.retry_count) == (0, 1, 0)


@pytest.mark.parametrize(("command", "between"), COMMANDS.items())
def test_a_running_task_can_be_ended(batch: Account, tmp_path: Path, command: str, between: str) -> None:
    waiting_task(batch, tmp_path / "go")
    batch.client.update_job("job", models.BatchJobUpdateOptions(all_tasks_complete_mode="terminatejob"))
    assert send(batch, command, **{f"node{command.capitalize()}Option": "Terminate"}) == 202
    info = batch.client.get_task("job", "task").execution_info
    assert info is not None
    assert info.failure_info is not None
    assert info.failure_info.code == "TaskEnded"
    batch.await_job()
    batch.wait_until(lambda: state(batch) in ("idle", "deallocated"))


@pytest.mark.parametrize(("command", "between"), COMMANDS.items())
def test_a_running_task_can_be_waited_for(batch: Account, tmp_path: Path, command: str, between: str) -> None:
    waiting_task(batch, tmp_path / "go")
    batch.add_task("true", "waiting")
    assert send(batch, command, **{f"node{command.capitalize()}Option": "taskcompletion"}) == 202
    assert state(batch) == between
    (counts,) = batch.client.list_pool_node_counts()
    assert (counts.dedicated[between], counts.dedicated.total) == (1, 1)  # type: ignore[index,union-attr]
    assert batch.client.get_task("job", "task").state == "running"
    assert batch.client.get_task("job", "waiting").state == "active"
    (tmp_path / "go").touch()
    assert batch.await_task().execution_info.requeue_count == 0  # type: ignore[union-attr]
    batch.wait_until(lambda: state(batch) in ("idle", "running", "deallocated"))


def test_the_files_of_tasks_can_be_waited_for(batch: Account) -> None:
    batch.make_pool()
    batch.make_job()
    batch.add_task("true", constraints=models.BatchTaskConstraints(retention_time=timedelta(seconds=3)))
    batch.await_task()
    assert send(batch, "reimage", nodeReimageOption="retaineddata") == 202
    assert batch.stdout() == ""
    assert state(batch) == "reimaging"
    batch.await_nodes()
    with pytest.raises(HttpResponseError) as caught:
        list(batch.client.list_task_files("job", "task"))
    assert error_code(caught.value) == "TaskFilesCleanedup"


def test_a_node_leaves_once_the_files_of_its_tasks_are_gone(batch: Account) -> None:
    batch.make_pool()
    batch.make_job()
    batch.add_task("true", constraints=models.BatchTaskConstraints(retention_time=timedelta(seconds=2)))
    batch.await_task()
    resize = models.BatchPoolResizeOptions(target_dedicated_nodes=0, node_deallocation_option="retaineddata")
    poller = batch.client.begin_resize_pool("pool", resize, polling_interval=0)
    assert batch.stdout() == ""
    assert batch.client.get_pool("pool").allocation_state == "resizing"
    poller.result()
    assert list(batch.client.list_nodes("pool")) == []
    assert batch.client.get_pool("pool").resize_errors is None


def test_changes_of_the_pool_reach_a_node_when_it_starts_again(batch: Account) -> None:
    batch.make_pool(start_task=start_task("echo old > $AZ_BATCH_NODE_SHARED_DIR/made"))
    batch.await_nodes()
    change = models.BatchPoolUpdateOptions(start_task=start_task("echo new > $AZ_BATCH_NODE_SHARED_DIR/made"))
    batch.client.update_pool("pool", change)
    assert "old" in batch.client.get_node("pool", node_id(batch)).start_task.command_line  # type: ignore[union-attr]
    send(batch, "reboot")
    batch.await_nodes()
    batch.make_job()
    batch.add_task("cat $AZ_BATCH_NODE_SHARED_DIR/made")
    batch.await_task()
    assert batch.stdout() == "new\n"


@pytest.mark.parametrize(("again", "runs"), [(True, 2), (False, 1)])
def test_preparation_tasks_run_again_after_a_reboot_if_their_job_wants_it(
    batch: Account, again: bool, runs: int
) -> None:
    batch.make_pool()
    preparation = models.BatchJobPreparationTask(
        command_line=shell(f"{COUNT}runs"), rerun_on_node_reboot_after_success=again
    )
    batch.make_job(job_preparation_task=preparation)
    batch.add_task("true", "first")
    batch.await_task("first")
    send(batch, "reboot")
    batch.await_nodes()
    batch.add_task("cat $AZ_BATCH_NODE_SHARED_DIR/runs", "second")
    batch.await_task("second")
    assert batch.stdout("second") == "run\n" * runs


def test_where_a_preparation_task_failed_only_a_reimage_helps(batch: Account, tmp_path: Path) -> None:
    batch.make_pool()
    batch.make_job(
        job_preparation_task=models.BatchJobPreparationTask(
            command_line=shell(f"echo run >> {tmp_path}/runs; test -e {tmp_path}/good")
        )
    )
    batch.add_task("true")
    batch.wait_until(lambda: (tmp_path / "runs").exists())
    batch.await_task(state="active")
    (tmp_path / "good").touch()
    send(batch, "reboot")
    batch.await_nodes()
    batch.make_job("other")
    batch.add_task("true", job_id="other")
    batch.await_task(job_id="other")
    assert batch.client.get_task("job", "task").state == "active"
    send(batch, "reimage")
    batch.await_task()
    assert (tmp_path / "runs").read_text() == "run\n" * 2


def test_a_start_task_that_nobody_waits_for_ends_with_the_reboot(batch: Account) -> None:
    start = models.BatchStartTask(command_line=shell(f"{COUNT}starts; sleep 600"), wait_for_success=False)
    batch.make_pool(start_task=start)
    batch.await_nodes()
    batch.wait_until(lambda: node_file(batch, "shared/starts") == b"run\n")
    send(batch, "reboot")
    batch.make_job()
    batch.add_task("until test $(wc -l < $AZ_BATCH_NODE_SHARED_DIR/starts) = 2; do sleep 0.05; done")
    batch.await_task()
    assert batch.client.get_node("pool", node_id(batch)).start_task_info.state == "running"  # type: ignore[union-attr]


def test_a_node_whose_start_task_failed_is_given_another_one_by_a_reboot(batch: Account) -> None:
    batch.make_pool(start_task=start_task("exit 1"))
    batch.await_nodes(state="starttaskfailed")
    batch.client.update_pool("pool", models.BatchPoolUpdateOptions(start_task=start_task("true")))
    assert send(batch, "reboot") == 202
    batch.await_nodes()


def test_a_node_without_scheduling_takes_no_tasks(batch: Account) -> None:
    batch.make_pool()
    batch.await_nodes()
    batch.client.disable_node_scheduling(
        "pool", node_id(batch), models.BatchNodeDisableSchedulingOptions(node_disable_scheduling_option="requeue")
    )
    (node,) = batch.await_nodes(state="offline")
    assert node.scheduling_state == "disabled"
    batch.make_job()
    batch.add_task("true")
    assert batch.client.get_task("job", "task").state == "active"
    batch.client.enable_node_scheduling("pool", node_id(batch))
    batch.await_task()
    assert batch.await_nodes()[0].scheduling_state == "enabled"


def test_scheduling_is_disabled_and_enabled_once(batch: Account) -> None:
    batch.make_pool()
    batch.await_nodes()
    with pytest.raises(HttpResponseError) as caught:
        batch.client.enable_node_scheduling("pool", node_id(batch))
    assert error_code(caught.value) == "NodeAlreadyInTargetSchedulingState"
    assert [send(batch, "disablescheduling") for _ in range(2)] == [200, 409]
    assert state(batch) == "offline"


@pytest.mark.parametrize(("option", "task_state"), [("requeue", "active"), ("Terminate", "completed")])
def test_disabling_scheduling_stops_tasks(batch: Account, tmp_path: Path, option: str, task_state: str) -> None:
    waiting_task(batch, tmp_path / "go")
    assert send(batch, "disablescheduling", nodeDisableSchedulingOption=option) == 200
    batch.await_nodes(state="offline")
    assert batch.client.get_task("job", "task").state == task_state


def test_a_task_stopped_on_one_node_runs_on_another(batch: Account, tmp_path: Path) -> None:
    batch.make_pool(nodes=2)
    batch.await_nodes(count=2)
    batch.make_job()
    batch.add_task(f"until test -e {tmp_path}/go; do sleep 0.05; done")
    task = batch.await_task(state="running")
    assert task.node_info is not None
    first = task.node_info.node_id
    assert batch.send("POST", f"/pools/pool/nodes/{first}/disablescheduling").status_code == 200
    (tmp_path / "go").touch()
    task = batch.await_task()
    assert task.node_info is not None
    assert task.node_info.node_id != first


def test_disabling_scheduling_can_wait_for_tasks(batch: Account, tmp_path: Path) -> None:
    waiting_task(batch, tmp_path / "go")
    assert send(batch, "disablescheduling", nodeDisableSchedulingOption="taskcompletion") == 200
    (node,) = batch.await_nodes(state="running")
    assert node.scheduling_state == "disabled"
    (tmp_path / "go").touch()
    batch.await_task()
    batch.await_nodes(state="offline")
    assert batch.client.get_pool("pool").current_dedicated_nodes == 1


def test_a_node_reboots_without_scheduling_and_stays_so(batch: Account, tmp_path: Path) -> None:
    waiting_task(batch, tmp_path / "go")
    send(batch, "disablescheduling", nodeDisableSchedulingOption="taskcompletion")
    assert send(batch, "reboot") == 202
    batch.await_nodes(state="offline")


@pytest.mark.parametrize("command", ["reboot", "reimage", "deallocate", "disablescheduling"])
def test_an_option_that_does_not_exist_is_refused(batch: Account, command: str) -> None:
    batch.make_pool()
    batch.await_nodes()
    name = "nodeDisableSchedulingOption" if command == "disablescheduling" else f"node{command.capitalize()}Option"
    for body in ({name: "never"}, {name: 1}, {"other": "requeue"}):
        response = batch.send("POST", f"/pools/pool/nodes/{node_id(batch)}/{command}", json=body)
        assert response.status_code == 400
        assert response.json()["values"][0]["value"] in (name, "other")
    assert batch.send("POST", f"/pools/pool/nodes/{node_id(batch)}/{command}", json={}).status_code in (200, 202)


@pytest.mark.parametrize("command", [*COMMANDS, "start", "disablescheduling", "enablescheduling"])
def test_an_unknown_node_or_pool_is_not_found(batch: Account, command: str) -> None:
    batch.make_pool(nodes=0)
    for pool, code in (("pool", "NodeNotFound"), ("other", "PoolNotFound")):
        response = batch.send("POST", f"/pools/{pool}/nodes/nobody/{command}")
        assert (response.status_code, response.json()["code"]) == (404, code)
