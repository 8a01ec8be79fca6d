"""Pools: created, shown, changed, resized and deleted through the official client."""

from datetime import timedelta

import pytest
from azure.batch import BatchClient, models
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError

from localbatch.launcher import LocalAzure
from localbatch.wire.connection import Endpoints
from tests.support.account import IMAGE, Account, error_code, error_values, open_account


def test_a_pool_gets_its_nodes_and_becomes_steady(batch: Account) -> None:
    batch.make_pool(nodes=2)
    nodes = batch.await_nodes(count=2)
    assert len({node.id for node in nodes}) == 2
    assert len({node.ip_address for node in nodes}) == 2
    pool = batch.client.get_pool("pool")
    assert (pool.current_dedicated_nodes, pool.target_dedicated_nodes, pool.current_low_priority_nodes) == (2, 2, 0)


def test_the_service_fills_in_the_defaults_of_a_pool(batch: Account) -> None:
    batch.make_pool(nodes=0)
    pool = batch.client.get_pool("pool")
    assert pool.state == "active"
    assert pool.vm_size == "standard_d2s_v3"
    assert pool.resize_timeout == timedelta(minutes=15)
    assert (pool.enable_auto_scale, pool.enable_inter_node_communication) == (False, False)
    assert pool.task_slots_per_node == 1
    assert pool.task_scheduling_policy is not None
    assert pool.task_scheduling_policy.node_fill_type == "spread"
    assert pool.virtual_machine_configuration is not None
    assert pool.virtual_machine_configuration.image_reference.version == "latest"


def test_metadata_and_display_name_come_back(batch: Account) -> None:
    batch.make_pool(nodes=0, display_name="Größe", metadata=[models.BatchMetadataItem(name="owner", value="me")])
    pool = batch.client.get_pool("pool")
    assert pool.display_name == "Größe"
    assert [(item.name, item.value) for item in pool.metadata or []] == [("owner", "me")]


def test_spot_nodes_are_told_from_dedicated_ones(batch: Account) -> None:
    batch.make_pool(nodes=1, target_low_priority_nodes=1)
    nodes = batch.await_nodes(count=2)
    assert sorted(node.is_dedicated for node in nodes if node.is_dedicated is not None) == [False, True]
    assert batch.client.get_pool("pool").current_low_priority_nodes == 1


def test_a_second_pool_of_the_same_id_in_another_case_is_refused(batch: Account) -> None:
    batch.make_pool("Pool", nodes=0)
    with pytest.raises(ResourceExistsError) as caught:
        batch.make_pool("pOOL", nodes=0)
    assert error_code(caught.value) == "PoolExists"
    assert batch.client.get_pool("pool").id == "Pool"


def test_a_pool_exists_or_not(batch: Account) -> None:
    batch.make_pool(nodes=0)
    assert batch.client.pool_exists("pool") is True
    assert batch.send("HEAD", "/pools/other").status_code == 404


def test_an_account_sees_only_its_own_pools(batch: Account, service: Endpoints) -> None:
    batch.make_pool(nodes=0)
    with open_account(service) as other:
        assert list(other.client.list_pools()) == []
        with pytest.raises(ResourceNotFoundError):
            other.client.get_pool("pool")
        other.make_pool(nodes=0)
    assert [pool.id for pool in batch.client.list_pools()] == ["pool"]


def test_a_pool_grows_and_shrinks(batch: Account) -> None:
    batch.make_pool(nodes=1)
    batch.await_nodes()
    for size in (3, 1, 0):
        resize = models.BatchPoolResizeOptions(target_dedicated_nodes=size)
        batch.client.begin_resize_pool("pool", resize, polling_interval=0).result()
        batch.await_nodes(count=size)


def test_a_pool_that_is_being_resized_is_not_resized_again() -> None:
    with (
        LocalAzure(storage=False, attach=False, allocation_seconds=600) as azure,
        open_account(azure.endpoints) as batch,
    ):
        batch.make_pool()
        assert batch.client.get_pool("pool").allocation_state == "resizing"
        with pytest.raises(ResourceExistsError) as caught:
            batch.client.begin_resize_pool("pool", models.BatchPoolResizeOptions(target_dedicated_nodes=2))
        assert error_code(caught.value) == "PoolBeingResized"

        batch.client.begin_stop_pool_resize("pool", polling_interval=0).result()

        pool = batch.client.get_pool("pool")
        assert (pool.allocation_state, pool.current_dedicated_nodes) == ("steady", 0)


def test_a_resize_that_shrinks_a_pool_requeues_the_tasks_of_nodes_that_leave(batch: Account) -> None:
    batch.make_pool()
    batch.make_job()
    batch.add_task("sleep 600")
    batch.await_task(state="running")
    batch.client.begin_resize_pool("pool", models.BatchPoolResizeOptions(target_dedicated_nodes=0), polling_interval=0)
    task = batch.await_task(state="active")
    assert task.execution_info is not None
    assert (task.execution_info.requeue_count, task.execution_info.retry_count) == (1, 0)


def test_a_resize_can_end_the_tasks_of_nodes_that_leave(batch: Account) -> None:
    batch.make_pool()
    batch.make_job()
    batch.add_task("sleep 600")
    batch.await_task(state="running")
    options = models.BatchPoolResizeOptions(target_dedicated_nodes=0, node_deallocation_option="terminate")
    batch.client.begin_resize_pool("pool", options, polling_interval=0).result()
    info = batch.await_task().execution_info
    assert info is not None
    assert info.failure_info is not None
    assert info.failure_info.code == "TaskEnded"


def test_a_resize_can_wait_for_the_tasks_of_nodes_that_leave(batch: Account) -> None:
    batch.make_pool()
    batch.make_job()
    batch.add_task("until test -e $AZ_BATCH_NODE_SHARED_DIR/go; do sleep 0.1; done")
    batch.add_task("true", "second")
    batch.await_task(state="running")
    options = models.BatchPoolResizeOptions(target_dedicated_nodes=0, node_deallocation_option="taskcompletion")
    assert batch.send("POST", "/pools/pool/resize", json=options.as_dict()).status_code == 202
    assert batch.client.get_pool("pool").allocation_state == "resizing"
    assert batch.client.get_task("job", "task").state == "running"

    batch.client.begin_stop_pool_resize("pool", polling_interval=0).result()

    (node,) = batch.await_nodes(state="running")
    assert node.running_tasks_count == 1
    assert batch.client.get_task("job", "second").state == "active"


def test_named_nodes_are_removed(batch: Account) -> None:
    batch.make_pool(nodes=3)
    first, second, third = batch.await_nodes(count=3)
    removal = models.BatchNodeRemoveOptions(node_ids=[first.id or "", third.id or ""])
    batch.client.begin_remove_nodes("pool", removal, polling_interval=0).result()
    assert [node.id for node in batch.await_nodes()] == [second.id]
    assert batch.client.get_pool("pool").target_dedicated_nodes == 1


def test_removing_an_unknown_node_is_refused(batch: Account) -> None:
    batch.make_pool()
    batch.await_nodes()
    with pytest.raises(ResourceNotFoundError) as caught:
        batch.client.begin_remove_nodes("pool", models.BatchNodeRemoveOptions(node_ids=["nobody"]))
    assert error_code(caught.value) == "NodeNotFound"


def test_an_update_changes_what_it_names(batch: Account) -> None:
    batch.make_pool(nodes=0, display_name="kept", metadata=[models.BatchMetadataItem(name="a", value="1")])
    before = batch.client.get_pool("pool")
    items = [models.BatchMetadataItem(name="b", value="2")]
    batch.client.update_pool("pool", models.BatchPoolUpdateOptions(metadata=items))
    after = batch.client.get_pool("pool")
    assert [item.name for item in after.metadata or []] == ["b"]
    assert after.display_name == "kept"
    assert after.etag != before.etag


def test_replaced_properties_that_are_left_out_are_removed(batch: Account) -> None:
    batch.make_pool(nodes=0, start_task=models.BatchStartTask(command_line="/bin/true"))
    options = models.BatchPoolReplaceOptions(application_package_references=[], metadata=[])
    batch.client.replace_pool_properties("pool", options)
    assert batch.client.get_pool("pool").start_task is None


def test_a_deleted_pool_is_gone_and_its_tasks_wait(batch: Account) -> None:
    batch.make_pool()
    batch.make_job()
    batch.add_task("sleep 600")
    batch.await_task(state="running")
    batch.client.begin_delete_pool("pool", polling_interval=0).result()
    batch.await_gone(lambda: batch.client.get_pool("pool"))
    assert batch.client.get_task("job", "task").state == "active"
    batch.make_pool()
    batch.await_task(state="running")


def test_a_pool_that_is_being_deleted_is_not_changed() -> None:
    with LocalAzure(storage=False, attach=False) as azure, open_account(azure.endpoints) as batch:
        batch.make_pool()
        batch.make_job()
        # It does not mind being asked to end, so that the pool takes a while.
        batch.add_task("trap : TERM; while true; do sleep 0.1; done")
        batch.await_task(state="running")
        assert batch.send("DELETE", "/pools/pool").status_code == 202
        assert batch.client.get_pool("pool").state == "deleting"
        with pytest.raises(ResourceExistsError) as caught:
            batch.client.update_pool("pool", models.BatchPoolUpdateOptions(metadata=[]))
        assert error_code(caught.value) == "PoolBeingDeleted"


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"id": "with space"}, "id"),
        ({"id": "x" * 65}, "id"),
        ({"task_slots_per_node": 9}, "taskSlotsPerNode"),
        ({"vm_size": "standard_hb120rs_v3", "task_slots_per_node": 257}, "taskSlotsPerNode"),
        ({"vm_size": "small"}, "vmSize"),
        ({"target_dedicated_nodes": -1}, "targetDedicatedNodes"),
        ({"resize_timeout": timedelta(minutes=1)}, "resizeTimeout"),
        ({"start_task": models.BatchStartTask(command_line="")}, "startTask.commandLine"),
    ],
)
def test_a_pool_that_can_not_be_is_refused(client: BatchClient, options: dict[str, object], name: str) -> None:
    given = {"id": "pool", "vm_size": "standard_d2s_v3", "virtual_machine_configuration": IMAGE, **options}
    with pytest.raises(HttpResponseError) as caught:
        client.create_pool(models.BatchPoolCreateOptions(**given))  # type: ignore[call-overload]
    assert error_code(caught.value) == "InvalidPropertyValue"
    assert caught.value.status_code == 400
    assert error_values(caught.value)["PropertyName"] == name


def test_an_update_counts_slots_by_the_new_vm_size(batch: Account) -> None:
    batch.make_pool(nodes=0)
    batch.client.update_pool("pool", models.BatchPoolUpdateOptions(vm_size="standard_d4s_v3", task_slots_per_node=16))
    with pytest.raises(HttpResponseError) as caught:
        batch.client.update_pool("pool", models.BatchPoolUpdateOptions(vm_size="standard_d2s_v3"))
    assert error_values(caught.value)["PropertyName"] == "taskSlotsPerNode"


def test_what_is_not_emulated_is_refused_and_never_ignored(batch: Account) -> None:
    pool = {
        "id": "pool",
        "vmSize": "standard_d2s_v3",
        "virtualMachineConfiguration": {
            "imageReference": {"publisher": "canonical", "offer": "ubuntu-24_04-lts", "sku": "server"},
            "nodeAgentSKUId": "batch.node.ubuntu 24.04",
        },
        "certificateReferences": [{"thumbprint": "0123456789", "thumbprintAlgorithm": "sha1"}],
    }
    answer = batch.send("POST", "/pools", version="2024-02-01.19.0", json=pool)
    assert (answer.status_code, answer.json()["code"]) == (400, "UnsupportedProperty")
    assert list(batch.client.list_pools()) == []


def test_the_nodes_of_a_pool_are_counted_by_state(batch: Account) -> None:
    batch.make_pool(nodes=2)
    batch.await_nodes(count=2)
    (counts,) = batch.client.list_pool_node_counts(filter="poolId eq 'pool'")
    assert counts.dedicated is not None
    assert (counts.dedicated.idle, counts.dedicated.total) == (2, 2)
    assert counts.low_priority is not None
    assert counts.low_priority.total == 0


@pytest.mark.parametrize(("given", "kept"), [("Pack", "pack"), ("spread", "spread"), (None, "spread")])
def test_how_nodes_are_filled_is_kept_in_any_case_and_has_a_default(
    batch: Account, given: str | None, kept: str
) -> None:
    batch.make_pool(nodes=0, task_scheduling_policy={"nodeFillType": given} if given else {})
    policy = batch.client.get_pool("pool").task_scheduling_policy
    assert policy is not None
    assert policy.node_fill_type == kept


REFERENCE = {"publisher": "canonical", "offer": "ubuntu-24_04-lts", "sku": "server"}
MACHINE = {"imageReference": REFERENCE, "nodeAgentSKUId": "batch.node.ubuntu 24.04"}


@pytest.mark.parametrize(
    ("options", "code", "name"),
    [
        ({"taskSchedulingPolicy": {"nodeFillType": "sideways"}}, "InvalidPropertyValue", "nodeFillType"),
        ({"virtualMachineConfiguration": {}}, "MissingRequiredProperty", "imageReference"),
        (
            {"virtualMachineConfiguration": {"imageReference": MACHINE["imageReference"]}},
            *("MissingRequiredProperty", "nodeAgentSKUId"),
        ),
        (
            {"virtualMachineConfiguration": {"nodeAgentSKUId": MACHINE["nodeAgentSKUId"]}},
            *("MissingRequiredProperty", "imageReference"),
        ),
        (
            {"virtualMachineConfiguration": {**MACHINE, "imageReference": {"publisher": "canonical"}}},
            *("InvalidPropertyValue", "imageReference.offer"),
        ),
        (
            {"virtualMachineConfiguration": {**MACHINE, "nodeAgentSKUId": "batch.node.amiga"}},
            *("InvalidPropertyValue", "nodeAgentSKUId"),
        ),
        ({"metadata": [{"name": "owner"}]}, "MissingRequiredProperty", "metadata.0.value"),
        ({"metadata": [{"value": "me"}]}, "MissingRequiredProperty", "metadata.0.name"),
    ],
)
def test_what_a_pool_is_made_of_is_checked_when_it_is_made_and_changed(
    batch: Account, options: dict[str, object], code: str, name: str
) -> None:
    batch.make_pool(nodes=0)
    body = {"id": "new", "vmSize": "standard_d2s_v3", "virtualMachineConfiguration": MACHINE, **options}
    for response in (batch.send("POST", "/pools", json=body), batch.send("PATCH", "/pools/pool", json=options)):
        assert (response.status_code, response.json()["code"]) == (400, code)
        values = {item["key"]: item["value"] for item in response.json()["values"]}
        assert values["PropertyName"].endswith(name)


def test_a_pool_without_a_machine_is_refused(batch: Account) -> None:
    response = batch.send("POST", "/pools", json={"id": "new", "vmSize": "standard_d2s_v3"})
    assert (response.status_code, response.json()["code"]) == (400, "MissingRequiredProperty")
    assert response.json()["values"] == [{"key": "PropertyName", "value": "virtualMachineConfiguration"}]
