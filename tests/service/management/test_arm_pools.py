"""Pools through azure-mgmt-batch: the same pools as those of the data plane."""

import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.batch import models as batch_models
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.mgmt.batch import BatchManagementClient, models

from localbatch.launcher import LocalAzure
from localbatch.wire.connection import Endpoints
from tests.support.account import PATIENCE, Account, open_account
from tests.support.management import GROUP, create_account, make_client, send
from tests.support.processes import wait_until

IDENTITY = f"/subscriptions/s/resourceGroups/{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/me"
DEPLOYMENT = {
    "virtualMachineConfiguration": {
        "imageReference": {"publisher": "canonical", "offer": "ubuntu-24_04-lts", "sku": "server"},
        "nodeAgentSkuId": "batch.node.ubuntu 24.04",
        "osDisk": {"caching": "ReadOnly", "ephemeralOSDiskSettings": {"placement": "CacheDisk"}},
        "nodePlacementConfiguration": {"policy": "Zonal"},
    }
}


class ArmPools:
    """The pools of one account in the management plane.

    Args:
        client: the management client.
        account: the account.
        batch: the same account in the data plane.
    """

    def __init__(self, client: BatchManagementClient, account: str, batch: Account) -> None:
        self.client, self.account, self.batch = client, account, batch

    def create(self, name: str = "pool", nodes: int = 0, **properties: Any) -> models.Pool:
        return self.put({"targetDedicatedNodes": nodes}, name, **properties)

    def put(
        self, fixed: dict[str, Any], name: str = "pool", top: dict[str, Any] | None = None, **properties: Any
    ) -> models.Pool:
        body = {
            "vmSize": "STANDARD_D2S_V3",
            "deploymentConfiguration": DEPLOYMENT,
            "scaleSettings": {"fixedScale": fixed},
            **properties,
        }
        return self.client.pool.create(GROUP, self.account, name, models.Pool({"properties": body, **(top or {})}))

    def update(self, name: str = "pool", top: dict[str, Any] | None = None, **properties: Any) -> models.Pool:
        body = models.Pool({"properties": properties, **(top or {})})
        return self.client.pool.update(GROUP, self.account, name, body)

    def get(self, name: str = "pool") -> models.Pool:
        return self.client.pool.get(GROUP, self.account, name)

    def list(self, **options: Any) -> list[str | None]:
        return [pool.name for pool in self.client.pool.list_by_batch_account(GROUP, self.account, **options)]

    def await_steady(self, name: str = "pool") -> models.Pool:
        wait_until(lambda: self.get(name).allocation_state == "Steady", PATIENCE)
        return self.get(name)


@pytest.fixture(scope="module")
def client(service: Endpoints) -> Iterator[BatchManagementClient]:
    with make_client(service) as client:
        yield client


@pytest.fixture
def pools(service: Endpoints, client: BatchManagementClient) -> Iterator[ArmPools]:
    name = f"acc{uuid.uuid4().hex[:12]}"
    create_account(client, name)
    with open_account(service, name) as batch:
        yield ArmPools(client, name, batch)


def test_a_pool_is_shown_as_it_was_created(pools: ArmPools) -> None:
    created = pools.create(
        nodes=2,
        displayName="A pool",
        taskSlotsPerNode=4,
        interNodeCommunication="Disabled",
        taskSchedulingPolicy={"nodeFillType": "Pack"},
        metadata=[{"name": "a", "value": "Spread"}],
        startTask={
            "commandLine": "/bin/true",
            "userIdentity": {"autoUser": {"scope": "Pool", "elevationLevel": "Admin"}},
        },
        networkConfiguration={"dynamicVnetAssignmentScope": "none", "enableAcceleratedNetworking": False},
    )
    assert (created.name, created.type) == ("pool", "Microsoft.Batch/batchAccounts/pools")
    assert created.provisioning_state == "Succeeded"
    pool = pools.await_steady()
    assert (pool.vm_size, pool.display_name, pool.task_slots_per_node) == ("STANDARD_D2S_V3", "A pool", 4)
    assert (pool.current_dedicated_nodes, pool.current_low_priority_nodes) == (2, 0)
    assert (pool.inter_node_communication, pool.identity.type if pool.identity else "") == ("Disabled", "None")
    assert pool.task_scheduling_policy is not None
    assert pool.task_scheduling_policy.node_fill_type == "Pack"
    assert [(item.name, item.value) for item in pool.metadata or []] == [("a", "Spread")]
    machine = pool.deployment_configuration.virtual_machine_configuration if pool.deployment_configuration else None
    assert machine is not None
    assert (machine.node_agent_sku_id, machine.image_reference.version) == ("batch.node.ubuntu 24.04", "latest")
    assert machine.node_placement_configuration is not None
    assert (machine.node_placement_configuration.policy, machine.os_disk and machine.os_disk.caching) == (
        "Zonal",
        "ReadOnly",
    )
    start = pool.start_task
    assert start is not None
    assert start.user_identity is not None
    assert start.user_identity.auto_user is not None
    assert (start.command_line, start.user_identity.auto_user.scope) == ("/bin/true", "Pool")
    fixed = pool.scale_settings.fixed_scale if pool.scale_settings else None
    assert fixed is not None
    assert (fixed.target_dedicated_nodes, fixed.resize_timeout) == (2, timedelta(minutes=15))


def test_both_planes_show_the_same_pool(pools: ArmPools) -> None:
    pools.create("of-arm", 1, taskSchedulingPolicy={"nodeFillType": "Pack"})
    pools.batch.make_pool("of-batch", nodes=1, enable_inter_node_communication=True)
    seen = pools.batch.client.get_pool("of-arm")
    assert seen.virtual_machine_configuration is not None
    assert seen.virtual_machine_configuration.os_disk is not None
    assert (seen.vm_size, seen.virtual_machine_configuration.os_disk.caching) == ("standard_d2s_v3", "readonly")
    assert seen.task_scheduling_policy is not None
    assert seen.task_scheduling_policy.node_fill_type == "pack"
    assert pools.get("of-batch").inter_node_communication == "Enabled"
    assert sorted(str(name) for name in pools.list()) == ["of-arm", "of-batch"]
    pools.batch.make_job(pool_id="of-arm")
    pools.batch.add_task("true")
    pools.batch.await_task()


def test_a_pool_has_the_identities_it_was_given(pools: ArmPools) -> None:
    identity = {"type": "UserAssigned", "userAssignedIdentities": {IDENTITY: {}}}
    created = pools.put({"targetDedicatedNodes": 0}, top={"identity": identity, "tags": {"team": "x"}})
    assert created.tags == {"team": "x"}
    assert created.identity is not None
    [(resource, details)] = (created.identity.user_assigned_identities or {}).items()
    assert (resource, len(details.principal_id or "")) == (IDENTITY, 36)
    shown = pools.batch.client.get_pool("pool").identity
    assert shown is not None
    assert [(each.resource_id, each.client_id) for each in shown.user_assigned_identities or []] == [
        (IDENTITY, details.client_id)
    ]
    assert pools.update(displayName="kept").identity == created.identity
    pools.update(top={"identity": {"type": "None"}})
    assert pools.batch.client.get_pool("pool").identity is None


@pytest.mark.parametrize(
    "identity",
    [
        {"type": "SystemAssigned"},
        {"type": "UserAssigned"},
        {"type": "None", "userAssignedIdentities": {IDENTITY: {}}},
        {"type": "UserAssigned", "userAssignedIdentities": {"me": {}}},
    ],
)
def test_an_identity_that_can_not_be_is_refused(pools: ArmPools, identity: dict[str, Any]) -> None:
    with pytest.raises(HttpResponseError, match="InvalidPropertyValue"):
        pools.put({"targetDedicatedNodes": 0}, top={"identity": identity})
    assert pools.list() == []


def test_an_update_changes_what_it_names_and_resizes(pools: ArmPools) -> None:
    pools.create(metadata=[{"name": "a", "value": "1"}], startTask={"commandLine": "/bin/true"})
    pools.await_steady()
    changed = pools.update(
        metadata=[{"name": "b", "value": "2"}],
        scaleSettings={"fixedScale": {"targetDedicatedNodes": 1, "targetLowPriorityNodes": 1, "resizeTimeout": "PT8M"}},
    )
    assert changed.scale_settings is not None
    assert changed.scale_settings.fixed_scale is not None
    assert changed.scale_settings.fixed_scale.resize_timeout == timedelta(minutes=8)
    pool = pools.await_steady()
    assert (pool.current_dedicated_nodes, pool.current_low_priority_nodes) == (1, 1)
    assert [item.name for item in pool.metadata or []] == ["b"]
    assert pool.start_task is not None


def test_a_pool_put_again_is_what_it_was_or_is_changed(pools: ArmPools) -> None:
    first = pools.create(nodes=1)
    assert pools.await_steady().etag == first.etag
    assert pools.create(nodes=1).etag == first.etag
    changed = pools.create(nodes=1, metadata=[{"name": "changed", "value": "1"}])
    assert [item.name for item in changed.metadata or []] == ["changed"]
    with pytest.raises(ResourceExistsError, match="OperationInvalidForCurrentState"):
        pools.create(nodes=1, vmSize="STANDARD_D4S_V3")


def test_a_pool_being_resized_is_not_resized(pools: ArmPools, tmp_path: Path) -> None:
    with (
        LocalAzure(storage=False, driver="simulated", allocation_seconds=60, attach=False) as slow,
        make_client(slow.endpoints) as client,
        open_account(slow.endpoints, "localbatch") as batch,
    ):
        waiting = ArmPools(client, "localbatch", batch)
        created = waiting.create(nodes=1)
        assert created.allocation_state == "Resizing"
        assert created.resize_operation_status is not None
        assert created.resize_operation_status.target_dedicated_nodes == 1
        with pytest.raises(ResourceExistsError, match="PoolBeingResized"):
            waiting.update(displayName="x", scaleSettings={"fixedScale": {"targetDedicatedNodes": 2}})
        assert waiting.get().display_name is None
        stopped = client.pool.stop_resize(GROUP, "localbatch", "pool")
        assert stopped.allocation_state in ("Stopping", "Steady")
        assert waiting.await_steady().current_dedicated_nodes == 0


def test_a_pool_scales_by_a_formula_until_that_is_switched_off(pools: ArmPools) -> None:
    pools.create(scaleSettings={"autoScale": {"formula": "$TargetDedicatedNodes=1", "evaluationInterval": "PT6M"}})
    pool = pools.await_steady()
    assert pool.scale_settings is not None
    assert pool.scale_settings.auto_scale is not None
    assert pool.scale_settings.auto_scale.evaluation_interval == timedelta(minutes=6)
    assert pool.auto_scale_run is not None
    assert "$TargetDedicatedNodes=1" in (pool.auto_scale_run.results or "")
    switched = pools.client.pool.disable_auto_scale(GROUP, pools.account, "pool")
    assert switched.scale_settings is not None
    assert switched.scale_settings.fixed_scale is not None
    assert switched.scale_settings.fixed_scale.target_dedicated_nodes == 1
    formula = {"autoScale": {"formula": "$TargetDedicatedNodes=0"}}
    pools.update(scaleSettings=formula)
    pools.await_steady()
    assert pools.batch.client.get_pool("pool").enable_auto_scale
    pools.update(scaleSettings={"fixedScale": {"targetDedicatedNodes": 2}})
    assert pools.await_steady().current_dedicated_nodes == 2


@pytest.mark.parametrize(
    "scale",
    [
        {"autoScale": {"formula": "x = ("}},
        {"autoScale": {"formula": "x = 1", "evaluationInterval": "PT1M"}},
        {"fixedScale": {"targetDedicatedNodes": -1}},
        {"fixedScale": {"targetDedicatedNodes": 1, "resizeTimeout": "PT1M"}},
    ],
)
def test_a_change_of_scale_that_is_refused_leaves_formula_and_metadata_as_they_were(
    pools: ArmPools, scale: dict[str, Any]
) -> None:
    pools.create(scaleSettings={"autoScale": {"formula": "$TargetDedicatedNodes=0"}})
    pools.await_steady()
    with pytest.raises(HttpResponseError) as caught:
        pools.update(metadata=[{"name": "new", "value": "1"}], scaleSettings=scale)
    assert caught.value.status_code == 400
    pool = pools.batch.client.get_pool("pool")
    assert (pool.auto_scale_formula, pool.metadata) == ("$TargetDedicatedNodes=0", None)


@pytest.mark.parametrize(
    ("properties", "code"),
    [
        ({"vmSize": "small"}, "InvalidPropertyValue"),
        ({"taskSlotsPerNode": 9}, "InvalidPropertyValue"),
        ({"interNodeCommunication": "Perhaps"}, "InvalidPropertyValue"),
        ({"scaleSettings": {"fixedScale": {}, "autoScale": {"formula": "x"}}}, "InvalidPropertyValue"),
        ({"scaleSettings": {"fixedScale": {"resizeTimeout": "PT1M"}}}, "InvalidPropertyValue"),
        ({"scaleSettings": {"fixedScale": {"resizeTimeout": "soon"}}}, "InvalidRequestContent"),
        ({"applicationPackages": [{"id": "none"}]}, "InvalidApplicationPackageReferences"),
        ({"startTask": {}}, "MissingRequiredProperty"),
        ({"networkConfiguration": {"endpointConfiguration": {"inboundNatPools": [{}]}}}, "MissingRequiredProperty"),
        ({"upgradePolicy": {"mode": 1}}, "InvalidPropertyValue"),
        ({"nonsense": 1}, "InvalidRequestContent"),
    ],
)
def test_a_pool_that_can_not_be_is_refused(pools: ArmPools, properties: dict[str, Any], code: str) -> None:
    with pytest.raises(HttpResponseError, match=code) as caught:
        pools.create(**properties)
    assert caught.value.status_code in (400, 409)
    assert pools.list() == []


def test_pools_are_filtered_selected_and_paged(pools: ArmPools) -> None:
    for number in range(3):
        pools.create(f"p{number}", 0, interNodeCommunication="Enabled" if number else "Disabled")
    assert pools.list(maxresults=1) == ["p0", "p1", "p2"]
    assert pools.list(filter="startswith(name, 'p') and properties/interNodeCommunication eq 'Enabled'") == ["p1", "p2"]
    assert pools.list(filter="properties/provisioningState eq 'Deleting'") == []
    [pool, *_] = pools.client.pool.list_by_batch_account(GROUP, pools.account, select="properties/vmSize")
    assert (pool.name, pool.vm_size, pool.creation_time) == ("p0", "STANDARD_D2S_V3", None)
    with pytest.raises(HttpResponseError, match="InvalidQueryParameterValue"):
        pools.list(filter="properties/displayName eq 'x'")


def test_an_etag_guards_an_update(pools: ArmPools) -> None:
    created = pools.create()
    body = models.Pool({"properties": {"displayName": "x"}})

    def change(etag: str | None) -> models.Pool:
        return pools.client.pool.update(
            GROUP, pools.account, "pool", body, etag=etag, match_condition=MatchConditions.IfNotModified
        )

    assert change(created.etag).display_name == "x"
    with pytest.raises(ResourceModifiedError, match="ConditionNotMet"):
        change(created.etag)


def test_a_deleted_pool_is_gone_when_the_operation_says_so(pools: ArmPools) -> None:
    pools.create(nodes=1)
    pools.await_steady()
    pools.client.pool.begin_delete(GROUP, pools.account, "pool").result()
    with pytest.raises(ResourceNotFoundError, match="PoolNotFound"):
        pools.get()
    pools.client.pool.begin_delete(GROUP, pools.account, "pool").result()


@pytest.mark.parametrize("path", ["", "?$filter=name%20eq%20%27x%27"])
def test_pools_of_an_account_that_does_not_exist_are_not_found(
    service: Endpoints, client: BatchManagementClient, path: str
) -> None:
    answer = send(client, service, "GET", f"/batchAccounts/nosuchaccount/pools{path}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "ResourceNotFound")


def test_pools_of_the_management_plane_outlive_a_restart(tmp_path: Path) -> None:
    identity = {"type": "UserAssigned", "userAssignedIdentities": {IDENTITY: {}}}
    main = "localbatch"
    with (
        LocalAzure(root=tmp_path, storage=False, attach=False) as azure,
        make_client(azure.endpoints) as client,
        open_account(azure.endpoints, main, keep=True) as batch,
    ):
        pools = ArmPools(client, main, batch)
        pools.put({"targetDedicatedNodes": 1}, top={"identity": identity, "tags": {"a": "1"}})
        before = pools.await_steady().as_dict()
    with (
        LocalAzure(root=tmp_path, storage=False, attach=False) as azure,
        make_client(azure.endpoints) as client,
        open_account(azure.endpoints, main) as batch,
    ):
        assert ArmPools(client, main, batch).await_steady().as_dict() == before
        options = batch_models.BatchPoolResizeOptions(target_dedicated_nodes=0)
        batch.client.begin_resize_pool("pool", options, polling_interval=1).result()
