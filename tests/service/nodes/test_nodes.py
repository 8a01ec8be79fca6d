"""Nodes: their life, their start tasks and what they say of themselves."""

import pytest
from azure.batch import models
from azure.core.exceptions import ResourceNotFoundError

from localbatch.launcher import LocalAzure
from tests.support.account import Account, error_code, open_account, shell


def test_a_node_says_who_it_is(batch: Account) -> None:
    batch.make_pool()
    (node,) = batch.await_nodes()
    assert node.id is not None
    assert node.id.startswith("tvmps_")
    assert node.id.endswith("_d")
    assert node.affinity_id == f"TVM:{node.id}"
    assert (node.ip_address or "").startswith("127.")
    assert node.vm_size == "standard_d2s_v3"
    assert node.scheduling_state == "enabled"
    assert (node.total_tasks_run, node.running_tasks_count) == (0, 0)
    image = node.virtual_machine_info.image_reference if node.virtual_machine_info else None
    assert image is not None
    assert (image.version, image.exact_version) == ("latest", "1.0.0")
    assert node.last_boot_time is not None
    assert node.allocation_time is not None
    assert node.last_boot_time >= node.allocation_time
    assert batch.client.get_node("pool", node.id).as_dict()["url"] == node.url


def test_a_node_is_listed_while_it_is_being_created() -> None:
    with LocalAzure(storage=False, attach=False, start_seconds=600) as azure, open_account(azure.endpoints) as batch:
        batch.make_pool()
        (node,) = batch.await_nodes(state="creating")
        assert node.last_boot_time is None
        batch.make_job()
        batch.add_task("true")
        assert batch.client.get_task("job", "task").state == "active"


def test_an_unknown_node_is_not_found(batch: Account) -> None:
    batch.make_pool(nodes=0)
    with pytest.raises(ResourceNotFoundError) as caught:
        batch.client.get_node("pool", "nobody")
    assert error_code(caught.value) == "NodeNotFound"


def test_a_start_task_runs_before_any_task(batch: Account) -> None:
    start = models.BatchStartTask(
        command_line=shell("echo $WHAT > $AZ_BATCH_NODE_SHARED_DIR/made"),
        environment_settings=[models.EnvironmentSetting(name="WHAT", value="by the start task")],
        wait_for_success=True,
    )
    batch.make_pool(start_task=start)
    batch.make_job()
    batch.add_task("cat $AZ_BATCH_NODE_SHARED_DIR/made")
    batch.await_task()
    assert batch.stdout() == "by the start task\n"
    (node,) = batch.await_nodes()
    info = node.start_task_info
    assert info is not None
    assert (info.state, info.exit_code, info.result, info.retry_count) == ("completed", 0, "success", 0)


def test_a_node_whose_start_task_fails_takes_no_tasks(batch: Account) -> None:
    start = models.BatchStartTask(command_line=shell("exit 5"), wait_for_success=True, max_task_retry_count=2)
    batch.make_pool(start_task=start)
    batch.make_job()
    batch.add_task("true")
    (node,) = batch.await_nodes(state="starttaskfailed")
    info = node.start_task_info
    assert info is not None
    assert info.failure_info is not None
    assert (info.exit_code, info.result, info.retry_count) == (5, "failure", 2)
    assert info.failure_info.code == "FailureExitCode"
    assert batch.client.get_task("job", "task").state == "active"


def test_a_start_task_that_nobody_waits_for_may_fail(batch: Account) -> None:
    start = models.BatchStartTask(command_line=shell("exit 5"), wait_for_success=False)
    batch.make_pool(start_task=start)
    batch.make_job()
    batch.add_task("true")
    assert batch.await_task().execution_info.exit_code == 0  # type: ignore[union-attr]


def test_a_node_tells_what_it_runs_and_ran(batch: Account) -> None:
    batch.make_pool(task_slots_per_node=4)
    batch.make_job()
    batch.add_task("true", "short")
    batch.await_task("short")
    batch.add_task("sleep 600", "long", required_slots=3)
    batch.await_task("long", state="running")
    (node,) = batch.await_nodes(state="running")
    assert (node.running_tasks_count, node.running_task_slots_count) == (1, 3)
    assert (node.total_tasks_run, node.total_tasks_succeeded) == (1, 1)
    assert [task.task_id for task in node.recent_tasks or []] == ["long", "short"]
    (some,) = batch.client.list_nodes("pool", select=["id,recentTasks"])
    assert some.recent_tasks is not None
    (less,) = batch.client.list_nodes("pool", select=["id"])
    assert (less.id, less.recent_tasks) == (node.id, None)


def test_nodes_are_found_by_their_state(batch: Account) -> None:
    batch.make_pool(nodes=2)
    batch.await_nodes(count=2)
    batch.make_job()
    batch.add_task("sleep 600")
    batch.await_task(state="running")
    assert len(list(batch.client.list_nodes("pool", filter="state eq 'running'"))) == 1
    assert len(list(batch.client.list_nodes("pool", filter="state eq 'Idle'", max_results=1))) == 1
    (node,) = batch.client.list_nodes("pool", filter="state eq 'idle'", select=["id,state"])
    assert set(node.as_dict()) == {"id", "state"}


def test_a_node_becomes_idle_again(batch: Account) -> None:
    batch.run("true")
    (node,) = batch.await_nodes()
    assert node.total_tasks_run == 1
