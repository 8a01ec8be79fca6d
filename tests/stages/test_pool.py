"""The pool stage."""

import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.batch import models
from azure.core.exceptions import ResourceExistsError
from azure.mgmt.batch import BatchManagementClient
from prefect.blocks.system import Secret
from pydantic import SecretStr

from localbatch.launcher import LocalAzure
from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.blocks.credentials import BatchSharedKey, DefaultCredential
from prefect_azure_batch.blocks.pool_description import DEFAULT_VM_SIZE, PoolDescription
from prefect_azure_batch.blocks.pool_parts import Needs, Network
from prefect_azure_batch.tasks.cleanup import delete_created
from prefect_azure_batch.tasks.diagnosis import diagnose_pool
from prefect_azure_batch.tasks.errors import BadInput, PoolUnusable, ServiceFailure
from prefect_azure_batch.tasks.job import create_job
from prefect_azure_batch.tasks.managed_pool import create_managed_pool
from prefect_azure_batch.tasks.nodes import wait_for_nodes
from prefect_azure_batch.tasks.pool import check_new_pool, check_pool, check_sign_in, create_pool
from prefect_azure_batch.tasks.pool_request import pool_options
from prefect_azure_batch.tasks.records import Created, JobPlan, PoolPlan
from prefect_azure_batch.tasks.vm_sizes import supported_sizes
from tests.support.processes import wait_until


@pytest.fixture
def plan(account: AzureBatchAccount) -> Iterator[PoolPlan]:
    name = f"pool-{uuid.uuid4()}"
    yield PoolPlan(name, PoolDescription(nodes=1, slots=2), run_id="this run")
    delete_created(account, Created(pool_id=name))


def test_a_key_links_no_pool_on_azure_to_what_is_the_users_own(account: AzureBatchAccount) -> None:
    subnet = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/v/subnets/n"
    asked = PoolDescription(network=Network(subnet=subnet))
    by_key = BatchSharedKey(account_name="lab", account_key=SecretStr("aGk="))
    azure = account.model_copy(update={"endpoint": "https://lab.westeurope.batch.azure.com", "credential": by_key})
    with pytest.raises(BadInput, match=r"^network\.subnet: .* shared key: give .* another credential"):
        check_sign_in(azure, asked)
    check_sign_in(azure, PoolDescription())
    check_sign_in(azure.model_copy(update={"credential": DefaultCredential()}), asked)
    check_sign_in(account, asked)


def test_a_pool_has_the_shape_asked_for(account: AzureBatchAccount, plan: PoolPlan) -> None:
    pool = account.get_client().get_pool(create_pool(account, plan))
    assert (pool.target_dedicated_nodes, pool.task_slots_per_node, pool.vm_size) == (1, 2, "standard_d2s_v3")


def test_a_pool_has_spot_nodes_besides(account: AzureBatchAccount, plan: PoolPlan) -> None:
    mixed = replace(plan, description=PoolDescription(nodes=1, spot_nodes=2, fill="pack", metadata={"owner": "me"}))
    create_pool(account, mixed)
    nodes = wait_for_nodes(account, plan.pool_id, 3)
    kinds = [bool(node.is_dedicated) for node in account.get_client().list_nodes(plan.pool_id)]
    assert (len(nodes), sorted(kinds)) == (3, [False, False, True])
    pool = account.get_client().get_pool(plan.pool_id)
    assert pool.task_scheduling_policy is not None
    assert pool.task_scheduling_policy.node_fill_type == "pack"
    assert {item.name: item.value for item in pool.metadata or []}["owner"] == "me"


def test_a_start_task_has_its_files_and_the_environment(
    account: AzureBatchAccount, plan: PoolPlan, tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").write_text("from here")
    container = account.storage.get_client().get_container_client("shared-notes")
    container.create_container()
    container.upload_blob("a/more.txt", b", and from a blob")
    check = 'test "$(cat notes.txt more.txt)$GREETING" = "from here, and from a blob!"'
    start_task = {"command": check, "files": [str(tmp_path / "notes.txt"), "az://shared-notes/a/more.txt"]}
    asked = {"nodes": 1, "start_task": start_task, "environment": {"GREETING": "!"}}
    try:
        create_pool(account, replace(plan, description=PoolDescription.model_validate(asked)))
        assert len(wait_for_nodes(account, plan.pool_id, 1)) == 1
    finally:
        container.delete_container()


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        (
            {"image": "canonical:ubuntu-24_04-lts:serer"},
            "does not offer .*, for example: canonical:ubuntu-24_04-lts:server,",
        ),
        ({"image": "canonical:ubuntuserver:18.04-lts"}, "Batch has ended its support"),
        ({"image": "microsoftwindowsserver:windowsserver:2022-datacenter"}, "is Windows"),
        ({"autoscale": {"formula": "$TargetDedicatedNodes = ("}}, r"autoscale\.formula: Line 1"),
        ({"start_task": {"command": "x", "files": ["no/such/file"]}}, "No input matches"),
        (
            {"users": [{"name": "me", "password_secret": "no-such"}]},
            r"'no-such', named by users\[0\]\.password_secret: make it",
        ),
        ({"tags": {"cost": "center"}}, "^tags: A shared key cannot sign in to Azure Resource Manager"),
        ({"mounts": [{"kind": "nfs", "source": "not a source", "path": "x"}], "vm_size": "nonsense"}, "vmSize"),
    ],
)
def test_what_cannot_be_had_is_refused_before_a_pool_is_made(
    account: AzureBatchAccount, plan: PoolPlan, asked: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(BadInput, match=complaint) as refused:
        create_pool(account, replace(plan, description=PoolDescription.model_validate(asked)))
    assert "\n" not in str(refused.value)
    assert plan.pool_id not in [pool.id for pool in account.get_client().list_pools()]


def test_an_image_can_be_named_with_its_version(account: AzureBatchAccount, plan: PoolPlan) -> None:
    asked = PoolDescription(nodes=1, image="almalinux:almalinux-x86_64:9-gen2:9.4.1")
    machine = account.get_client().get_pool(create_pool(account, replace(plan, description=asked)))
    assert machine.virtual_machine_configuration is not None
    assert machine.virtual_machine_configuration.node_agent_sku_id == "batch.node.el 9"
    assert machine.virtual_machine_configuration.image_reference.version == "9.4.1"


def test_all_that_the_service_checks_of_a_pool_can_be_asked_for(account: AzureBatchAccount, plan: PoolPlan) -> None:
    """What only shows that a description is sent in whole, and taken; each key is looked at in unit tests."""
    subnet = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/v/subnets/n"
    asked = {
        "nodes": 1,
        "network": {"subnet": subnet, "public_ip": False},
        "disks": {"encrypt": ["temporarydisk"], "data": [{"size_gib": 10}]},
        "mounts": [],
    }
    pool = account.get_client().get_pool(
        create_pool(account, replace(plan, description=PoolDescription.model_validate(asked)))
    )
    network, machine = pool.network_configuration, pool.virtual_machine_configuration
    assert network is not None
    assert network.public_ip_address_configuration is not None
    assert (network.subnet_id, network.public_ip_address_configuration.ip_address_provisioning_type) == (
        subnet,
        "nopublicipaddresses",
    )
    assert machine is not None
    assert [disk.disk_size_gb for disk in machine.data_disks or []] == [10]


def test_what_was_found_of_a_pool_is_not_looked_for_again(account: AzureBatchAccount, plan: PoolPlan) -> None:
    found = replace(check_new_pool(account, plan), vm_size="standard_d4s_v3")
    assert account.get_client().get_pool(create_pool(account, plan, found)).vm_size == "standard_d4s_v3"


def test_creating_a_pool_again_finds_it(account: AzureBatchAccount, plan: PoolPlan) -> None:
    assert create_pool(account, plan) == create_pool(account, plan)


def test_the_pool_of_another_run_is_not_taken(account: AzureBatchAccount, plan: PoolPlan) -> None:
    create_pool(account, plan)
    with pytest.raises(ServiceFailure) as refused:
        create_pool(account, PoolPlan(plan.pool_id, PoolDescription(nodes=1, slots=2), run_id="another run"))
    assert refused.value.code == "PoolExists"


@pytest.mark.parametrize(("nodes", "slots"), [(0, 1), (-1, 1), (1, 0), (1, 257)])
def test_impossible_sizes_are_refused(nodes: int, slots: int) -> None:
    with pytest.raises(ValueError, match=r"nodes|slots"):
        PoolDescription(nodes=nodes, slots=slots)


def test_what_batch_refuses_of_a_pool_is_named_with_the_reason(account: AzureBatchAccount, plan: PoolPlan) -> None:
    for vm_size, slots, name in ((DEFAULT_VM_SIZE, 200, "taskSlotsPerNode"), ("no_such_size", 1, "vmSize")):
        with pytest.raises(BadInput, match=f"{name}: ") as refused:
            create_pool(account, PoolPlan(plan.pool_id, PoolDescription(nodes=1, slots=slots, vm_size=vm_size)))
        assert "\n" not in str(refused.value)


def test_a_missing_pool_is_refused_in_one_line(account: AzureBatchAccount) -> None:
    with pytest.raises(BadInput, match="no pool 'none'"):
        check_pool(account, "none")


def test_an_impossible_pool_id_is_refused(account: AzureBatchAccount) -> None:
    with pytest.raises(BadInput, match="pool"):
        check_pool(account, "no such pool!")


def test_deleting_what_is_gone_is_fine(account: AzureBatchAccount) -> None:
    delete_created(account, Created("no-job", "no-pool", (("no-container", "no-folder"),)))


def test_a_pool_whose_nodes_fail_to_start_is_told_with_the_reason(account: AzureBatchAccount, plan: PoolPlan) -> None:
    client = account.get_client()
    create_pool(account, PoolPlan(plan.pool_id, PoolDescription(nodes=1, slots=1)))
    start_task = models.BatchStartTask(command_line="/bin/false", wait_for_success=True)
    client.update_pool(plan.pool_id, models.BatchPoolUpdateOptions(start_task=start_task))
    client.begin_resize_pool(
        plan.pool_id, models.BatchPoolResizeOptions(target_dedicated_nodes=0), polling_interval=1
    ).wait()
    client.begin_resize_pool(
        plan.pool_id, models.BatchPoolResizeOptions(target_dedicated_nodes=1), polling_interval=1
    ).wait()
    wait_until(lambda: [node.state for node in client.list_nodes(plan.pool_id)] == ["starttaskfailed"], 30)
    with pytest.raises(PoolUnusable, match="start task failed"):
        diagnose_pool(client, plan.pool_id)


def test_a_pool_that_is_gone_is_told(account: AzureBatchAccount) -> None:
    with pytest.raises(PoolUnusable, match="is gone"):
        diagnose_pool(account.get_client(), "no-such-pool")


def without_nodes(local_azure: LocalAzure, account: AzureBatchAccount, plan: PoolPlan) -> None:
    """Makes a pool whose first allocation failed."""
    local_azure.fail_allocation(plan.pool_id, code="AccountCoreQuotaReached")
    create_pool(account, plan)
    wait_until(lambda: bool(account.get_client().get_pool(plan.pool_id).resize_errors), 30)


def job_of(account: AzureBatchAccount, plan: PoolPlan, run_id: str) -> models.BatchJob:
    run = create_job(account, JobPlan(plan.pool_id, plan.pool_id, run_id))
    return account.get_client().get_job(run.job_id)


@pytest.fixture
def job_gone(account: AzureBatchAccount, plan: PoolPlan) -> Iterator[None]:
    yield
    delete_created(account, Created(job_id=plan.pool_id))


@pytest.mark.usefixtures("job_gone")
def test_an_allocation_that_failed_for_this_run_ends_the_waiting(
    local_azure: LocalAzure, account: AzureBatchAccount, plan: PoolPlan
) -> None:
    without_nodes(local_azure, account, plan)
    with pytest.raises(PoolUnusable, match="got no node: AccountCoreQuotaReached"):
        diagnose_pool(account.get_client(), plan.pool_id, job_of(account, plan, plan.run_id))


@pytest.mark.usefixtures("job_gone")
def test_an_allocation_that_failed_before_another_run_began_is_none_of_its_business(
    local_azure: LocalAzure, account: AzureBatchAccount, plan: PoolPlan
) -> None:
    without_nodes(local_azure, account, plan)
    client, job = account.get_client(), job_of(account, plan, "another run")
    diagnose_pool(client, plan.pool_id, job)
    local_azure.fail_allocation(plan.pool_id, code="AllocationFailed")
    options = models.BatchPoolResizeOptions(target_dedicated_nodes=2)
    client.begin_resize_pool(plan.pool_id, options, polling_interval=0).wait()
    with pytest.raises(PoolUnusable, match="got no node: AllocationFailed"):
        diagnose_pool(client, plan.pool_id, job)


@pytest.mark.usefixtures("job_gone")
def test_a_pool_that_scales_itself_tries_again(
    local_azure: LocalAzure, account: AzureBatchAccount, plan: PoolPlan
) -> None:
    without_nodes(local_azure, account, plan)
    client = account.get_client()
    formula = models.BatchPoolEnableAutoScaleOptions(auto_scale_formula="$TargetDedicatedNodes = 0;")
    client.enable_pool_auto_scale(plan.pool_id, formula)
    wait_until(lambda: client.get_pool(plan.pool_id).allocation_state == "steady", 30)
    assert client.get_pool(plan.pool_id).resize_errors
    diagnose_pool(client, plan.pool_id, job_of(account, plan, plan.run_id))
    assert wait_for_nodes(account, plan.pool_id, 3) == []


def test_a_pool_without_a_node_is_refused_for_a_map(account: AzureBatchAccount, plan: PoolPlan) -> None:
    create_pool(account, plan)
    client = account.get_client()
    wait_until(lambda: client.get_pool(plan.pool_id).allocation_state == "steady", 30)
    resize = models.BatchPoolResizeOptions(target_dedicated_nodes=0, target_low_priority_nodes=0)
    client.begin_resize_pool(plan.pool_id, resize, polling_interval=0).wait()
    with pytest.raises(BadInput, match="no node, and no formula"):
        check_pool(account, plan.pool_id)


def test_a_pool_with_identities_and_tags_is_made_through_the_management_plane(
    local_azure: LocalAzure, account: AzureBatchAccount, plan: PoolPlan
) -> None:
    identity = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/nodes"
    subnet = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/v/subnets/n"
    asked = PoolDescription.model_validate(
        {
            "nodes": 1,
            "slots": 2,
            "identities": [identity],
            "tags": {"cost": "ocean"},
            "fill": "pack",
            "start_task": {"command": "true", "elevated": True},
            "environment": {"Pool": "admin"},
            "network": {"subnet": subnet, "public_ip": False},
            "metadata": {"scope": "task"},
            "disks": {"encrypt": ["temporarydisk"], "data": [{"size_gib": 5, "caching": "readwrite"}]},
        }
    )
    scaled, endpoint = (
        replace(plan, description=asked, lease=timedelta(minutes=30)),
        local_azure.endpoints.batch_endpoint,
    )
    client = BatchManagementClient(local_azure.management_credential(), "local", base_url=endpoint)
    where = ("local", local_azure.endpoints.batch_account)
    options = pool_options(
        scaled, check_new_pool(account, replace(plan, description=PoolDescription())), datetime.now(UTC)
    )
    create_managed_pool(client, *where, options, asked, enforce_https=False)
    assert len(wait_for_nodes(account, plan.pool_id, 1)) == 1
    shown = account.get_client().get_pool(plan.pool_id).as_dict()
    for name, value in options.as_dict().items():
        if name not in ("virtualMachineConfiguration", "networkConfiguration", "autoScaleEvaluationInterval"):
            assert shown[name] == value, name
    assert shown["networkConfiguration"]["subnetId"] == subnet
    assert shown["networkConfiguration"]["publicIPAddressConfiguration"] == {"provision": "nopublicipaddresses"}
    assert [each["resourceId"] for each in shown["identity"]["userAssignedIdentities"]] == [identity]
    managed = client.pool.get(*where, plan.pool_id, enforce_https=False)
    assert managed.tags == {"cost": "ocean"}
    with pytest.raises(ResourceExistsError):
        create_managed_pool(client, *where, options, asked, enforce_https=False)


@pytest.mark.usefixtures("prefect_server")
def test_a_secret_is_read_where_the_pool_is_made_and_nowhere_else(account: AzureBatchAccount, plan: PoolPlan) -> None:
    Secret(value="correct horse").save("node-password", overwrite=True)
    users = [{"name": "visitor", "password_secret": "node-password", "elevated": True}]
    asked = replace(plan, description=PoolDescription.model_validate({"nodes": 1, "users": users}))
    pool = account.get_client().get_pool(create_pool(account, asked))
    assert [(user.name, user.elevation_level) for user in pool.user_accounts or []] == [("visitor", "admin")]
    assert "correct horse" not in repr(asked) + repr(check_new_pool(account, asked))


@pytest.mark.usefixtures("prefect_server")
@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        ({"tags": {"a": "b"}}, "shared key cannot sign in to Azure Resource Manager"),
        ({"users": [{"name": "u", "password_secret": "no-such"}]}, "no Prefect Secret block 'no-such'"),
    ],
)
def test_what_the_account_cannot_give_is_told_before(
    account: AzureBatchAccount, plan: PoolPlan, asked: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(BadInput, match=complaint):
        check_new_pool(account, replace(plan, description=PoolDescription.model_validate(asked)))


def test_a_size_is_found_by_what_is_needed(local_azure: LocalAzure, account: AzureBatchAccount, plan: PoolPlan) -> None:
    asked = PoolDescription(nodes=1, needs=Needs(cpus=3, memory_gib=20))
    pool = account.get_client().get_pool(create_pool(account, replace(plan, description=asked)))
    assert pool.vm_size == "standard_e4s_v5"
    endpoint = local_azure.endpoints.batch_endpoint
    client = BatchManagementClient(local_azure.management_credential(), "local", base_url=endpoint)
    sizes = supported_sizes(client, "local", local_azure.endpoints.batch_account, enforce_https=False)
    assert {"standard_e4s_v5", "standard_d2s_v3"} <= sizes
