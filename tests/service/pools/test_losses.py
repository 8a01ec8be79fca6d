"""Nodes that are preempted, break or are lost, and allocations that fail: on request, and at a rate."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.batch import models

from localbatch.launcher import LocalAzure, LocalAzureError
from tests.support.account import IMAGE, Account, open_account, shell


@pytest.fixture(scope="module")
def azure() -> Iterator[LocalAzure]:
    """A Batch service whose pools get nodes at once."""
    with LocalAzure(storage=False, attach=False) as started:
        yield started


@pytest.fixture
def batch(azure: LocalAzure) -> Iterator[Account]:
    """An account of it that no other test sees."""
    with open_account(azure.endpoints) as account:
        yield account


@pytest.fixture(scope="module")
def slow_azure() -> Iterator[LocalAzure]:
    """The same, but nodes take a while to come."""
    with LocalAzure(storage=False, attach=False, allocation_seconds=1.0) as started:
        yield started


@pytest.fixture
def slow_batch(slow_azure: LocalAzure) -> Iterator[Account]:
    """An account of that."""
    with open_account(slow_azure.endpoints) as account:
        yield account


def make_pool(batch: Account, spot: int = 1, **options: object) -> None:
    batch.client.create_pool(
        models.BatchPoolCreateOptions(  # type: ignore[call-overload]
            id="pool",
            vm_size="Standard_D2s_v3",
            virtual_machine_configuration=IMAGE,
            target_low_priority_nodes=spot,
            **options,
        )
    )


def node_ids(batch: Account) -> list[str]:
    return [str(node.id) for node in batch.client.list_nodes("pool")]


def test_a_preempted_node_is_replaced_and_its_task_runs_again(
    azure: LocalAzure, batch: Account, tmp_path: Path
) -> None:
    make_pool(batch)
    preparation = models.BatchJobPreparationTask(command_line=shell("echo run >> $AZ_BATCH_NODE_SHARED_DIR/runs"))
    batch.make_job(job_preparation_task=preparation)
    batch.add_task(f"cat $AZ_BATCH_NODE_SHARED_DIR/runs; until test -e {tmp_path}/go; do sleep 0.05; done")
    batch.await_task(state="running")
    (first,) = node_ids(batch)
    assert first.endswith("_p")
    azure.preempt_node("pool", first, account=batch.name)
    batch.wait_until(lambda: node_ids(batch) not in ([], [first]))
    (tmp_path / "go").touch()
    task = batch.await_task()
    assert task.execution_info is not None
    assert task.node_info is not None
    assert (task.execution_info.requeue_count, task.execution_info.retry_count) == (1, 0)
    assert task.node_info.node_id == node_ids(batch)[0] != first
    assert batch.stdout() == "run\n"
    pool = batch.client.get_pool("pool")
    assert (pool.current_low_priority_nodes, pool.allocation_state) == (1, "steady")


def test_a_preempted_node_is_seen_until_another_takes_its_place(slow_azure: LocalAzure, slow_batch: Account) -> None:
    batch = slow_batch
    make_pool(batch)
    (node,) = batch.await_nodes()
    slow_azure.preempt_node("pool", str(node.id), account=batch.name)
    (found,) = batch.client.list_nodes("pool", filter="state eq 'preempted'")
    assert found.id == node.id
    (counts,) = batch.client.list_pool_node_counts()
    assert counts.low_priority is not None
    assert (counts.low_priority.preempted, counts.low_priority.total) == (1, 1)
    with pytest.raises(LocalAzureError, match="OperationInvalidForCurrentState"):
        slow_azure.preempt_node("pool", str(node.id), account=batch.name)
    batch.wait_until(lambda: node_ids(batch) != [node.id])
    batch.await_nodes()


def test_a_multi_instance_task_is_requeued_as_a_whole(azure: LocalAzure, batch: Account, tmp_path: Path) -> None:
    make_pool(batch, spot=2, enable_inter_node_communication=True)
    batch.make_job()
    settings = models.MultiInstanceSettings(number_of_instances=2, coordination_command_line=shell("true"))
    batch.add_task(f"until test -e {tmp_path}/go; do sleep 0.05; done", multi_instance_settings=settings)
    batch.wait_until(lambda: [task.state for task in batch.client.list_subtasks("job", "task")] == ["running"])
    task = batch.client.get_task("job", "task")
    assert task.node_info is not None
    (other,) = set(node_ids(batch)) - {task.node_info.node_id}
    azure.preempt_node("pool", other, account=batch.name)
    (tmp_path / "go").touch()
    info = batch.await_task().execution_info
    assert info is not None
    assert (info.requeue_count, info.exit_code) == (1, 0)


def test_a_dedicated_node_is_not_preempted(azure: LocalAzure, batch: Account) -> None:
    batch.make_pool()
    (node,) = batch.await_nodes()
    with pytest.raises(LocalAzureError, match=r"^OperationNotValidOnNode: The specified operation is not valid"):
        azure.preempt_node("pool", str(node.id), account=batch.name)
    with pytest.raises(LocalAzureError, match="NodeNotFound"):
        azure.preempt_node("pool", "nobody", account=batch.name)
    with pytest.raises(LocalAzureError, match="PoolNotFound"):
        azure.lose_node("pool", str(node.id))


def test_a_pool_is_deleted_while_a_node_waits_to_be_replaced(slow_azure: LocalAzure, slow_batch: Account) -> None:
    batch = slow_batch
    make_pool(batch)
    (node,) = batch.await_nodes()
    slow_azure.preempt_node("pool", str(node.id), account=batch.name)
    batch.client.begin_delete_pool("pool", polling_interval=0).result()
    batch.await_gone(lambda: batch.client.get_pool("pool"))


def test_a_lost_node_is_unknown_and_its_task_runs_elsewhere(azure: LocalAzure, batch: Account, tmp_path: Path) -> None:
    batch.make_pool(nodes=2)
    batch.await_nodes(count=2)
    batch.make_job()
    batch.add_task(f"until test -e {tmp_path}/go; do sleep 0.05; done")
    task = batch.await_task(state="running")
    assert task.node_info is not None
    first = str(task.node_info.node_id)
    azure.lose_node("pool", first, account=batch.name)
    assert batch.client.get_node("pool", first).state == "unknown"
    (tmp_path / "go").touch()
    task = batch.await_task()
    assert task.node_info is not None
    assert task.node_info.node_id != first
    response = batch.send("GET", f"/pools/pool/nodes/{first}/files")
    assert (response.status_code, response.json()["code"]) == (409, "OperationNotValidOnNode")
    azure.lose_node("pool", str(task.node_info.node_id), account=batch.name)
    response = batch.send("GET", "/jobs/job/tasks/task/files")
    assert (response.status_code, response.json()["code"]) == (409, "TaskFilesUnavailable")
    remove = models.BatchNodeRemoveOptions(node_ids=[first])
    batch.client.begin_remove_nodes("pool", remove, polling_interval=0).result()
    batch.await_nodes(state="unknown")


def test_a_node_is_made_unusable_and_says_why(azure: LocalAzure, batch: Account) -> None:
    batch.make_pool()
    batch.make_job()
    batch.add_task("sleep 600")
    batch.await_task(state="running")
    (node,) = node_ids(batch)
    azure.spoil_node("pool", node, code="DiskFull", message="No space is left", account=batch.name)
    found = batch.client.get_node("pool", node)
    assert found.state == "unusable"
    assert [(error.code, error.message) for error in found.errors or []] == [("DiskFull", "No space is left")]
    batch.await_task(state="active")
    response = batch.send("GET", f"/pools/pool/nodes/{node}/files")
    assert (response.status_code, response.json()["code"]) == (409, "NodeStateUnusable")
    response = batch.send("POST", f"/pools/pool/nodes/{node}/reboot")
    assert (response.status_code, response.json()["code"]) == (409, "NodeStateUnusable")


def test_an_allocation_fails_once(azure: LocalAzure, batch: Account) -> None:
    azure.fail_allocation("pool", code="AccountCoreQuotaReached", message="No more cores", account=batch.name)
    batch.make_pool(nodes=2)
    assert batch.await_nodes(count=0) == []
    errors = batch.client.get_pool("pool").resize_errors or []
    assert [(error.code, error.message) for error in errors] == [("AccountCoreQuotaReached", "No more cores")]
    resize = models.BatchPoolResizeOptions(target_dedicated_nodes=1)
    batch.client.begin_resize_pool("pool", resize, polling_interval=0).result()
    batch.await_nodes()
    assert batch.client.get_pool("pool").resize_errors is None
    azure.fail_allocation("pool", account=batch.name)
    for nodes, code in ((0, None), (1, "AllocationFailed")):
        resize = models.BatchPoolResizeOptions(target_dedicated_nodes=nodes)
        batch.client.begin_resize_pool("pool", resize, polling_interval=0).result()
        errors = batch.client.get_pool("pool").resize_errors or []
        assert [error.code for error in errors] == ([code] if code else [])


def test_spot_nodes_are_preempted_at_a_rate_and_no_task_is_lost() -> None:
    rate = ("--preemptions-per-hour=7200", "--preemption-seed=1")
    with (
        LocalAzure(storage=False, attach=False, options=rate, driver="simulated") as azure,
        open_account(azure.endpoints) as batch,
    ):
        make_pool(batch, spot=4, target_dedicated_nodes=1)
        nodes = batch.await_nodes(count=5)
        dedicated = [node.id for node in nodes if node.is_dedicated]
        batch.wait_until(lambda: len(set(node_ids(batch)) - {node.id for node in nodes}) >= 2)
        assert [node.id for node in batch.client.list_nodes("pool") if node.is_dedicated] == dedicated
        batch.make_job()
        batch.add_task("true")
        batch.await_task()
