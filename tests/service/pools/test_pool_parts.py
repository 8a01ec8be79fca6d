"""What pools say of machines, network and user accounts: checked, and shown again without secrets."""

from typing import Any

import pytest
from azure.batch import models
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from tests.support.account import IMAGE, Account, error_code, error_values

EXTENSION = models.VMExtension(
    name="monitor",
    publisher="Microsoft.Azure.Monitor",
    type="AzureMonitorLinuxAgent",
    type_handler_version="1.0",
    auto_upgrade_minor_version=True,
    settings={"workspace": "w"},
    protected_settings={"key": "secret"},
)
NAT = "networkConfiguration.endpointConfiguration.inboundNATPools"


def machine(**options: Any) -> models.VirtualMachineConfiguration:
    return models.VirtualMachineConfiguration(
        image_reference=IMAGE.image_reference, node_agent_sku_id=IMAGE.node_agent_sku_id, **options
    )


def nat_pool(
    name: str = "ssh", port: int = 22, first: int = 2000, last: int = 2099, **options: Any
) -> models.BatchInboundNatPool:
    return models.BatchInboundNatPool(
        name=name,
        protocol="tcp",
        backend_port=port,
        frontend_port_range_start=first,
        frontend_port_range_end=last,
        **options,
    )


def network(*pools: models.BatchInboundNatPool, **options: Any) -> models.NetworkConfiguration:
    return models.NetworkConfiguration(
        endpoint_configuration=models.BatchPoolEndpointConfiguration(inbound_nat_pools=list(pools)), **options
    )


def rule(priority: int, source: str = "*") -> models.NetworkSecurityGroupRule:
    return models.NetworkSecurityGroupRule(priority=priority, access="allow", source_address_prefix=source)


def make_pool(batch: Account, **parts: Any) -> models.BatchPool:
    """Creates a pool; gives it as it is shown."""
    options: dict[str, Any] = {"virtual_machine_configuration": IMAGE, **parts}
    pool = models.BatchPoolCreateOptions(id="pool", vm_size="standard_d2s_v3", **options)
    batch.client.create_pool(pool)
    return batch.client.get_pool("pool")


@pytest.mark.parametrize(
    "change",
    [
        {"display_name": "other"},
        {"task_scheduling_policy": models.BatchTaskSchedulingPolicy(node_fill_type="pack")},
        {"network_configuration": network(nat_pool())},
        {"user_accounts": [models.UserAccount(name="anna", password="p")]},
        {"upgrade_policy": models.UpgradePolicy(mode="manual")},
        {"virtual_machine_configuration": machine(extensions=[EXTENSION])},
        {"vm_size": "standard_d4s_v3"},
        {"enable_inter_node_communication": True},
        {"task_slots_per_node": 2},
    ],
    ids=lambda change: next(iter(change)),
)
def test_most_of_a_pool_changes_only_while_it_has_no_nodes(batch: Account, change: dict[str, Any]) -> None:
    make_pool(batch)
    batch.client.update_pool("pool", models.BatchPoolUpdateOptions(**change))
    resize = models.BatchPoolResizeOptions(target_dedicated_nodes=1)
    batch.client.begin_resize_pool("pool", resize, polling_interval=0).result()
    with pytest.raises(HttpResponseError) as caught:
        batch.client.update_pool("pool", models.BatchPoolUpdateOptions(**change))
    assert (caught.value.status_code, error_code(caught.value)) == (409, "OperationInvalidForCurrentState")
    assert "Only a pool without nodes can get another" in error_values(caught.value)["Reason"]


def test_disks_and_placement_are_shown_again(batch: Account) -> None:
    given = machine(
        data_disks=[models.DataDisk(logical_unit_number=0, disk_size_gb=64, caching="readonly")],
        os_disk=models.BatchOsDisk(caching="readwrite", disk_size_gb=100),
        node_placement_configuration=models.BatchNodePlacementConfiguration(policy="zonal"),
        disk_encryption_configuration=models.DiskEncryptionConfiguration(targets=["temporarydisk"]),
        security_profile=models.SecurityProfile(encryption_at_host=True),
    )
    shown = make_pool(batch, virtual_machine_configuration=given).virtual_machine_configuration
    assert shown is not None
    expected = given.as_dict()
    expected["imageReference"]["version"] = "latest"
    assert shown.as_dict() == expected


def test_extensions_are_shown_on_each_node_without_their_secrets(batch: Account) -> None:
    other = models.VMExtension(name="b", publisher="p", type="t")
    given = machine(extensions=[EXTENSION, other])
    make_pool(batch, virtual_machine_configuration=given, target_dedicated_nodes=1)
    (node,) = batch.await_nodes()
    found = list(batch.client.list_node_extensions("pool", str(node.id), max_results=1))
    assert [each.vm_extension.name for each in found if each.vm_extension] == [
        "batchNodeExtension",
        "monitor",
        "b",
    ]
    one = batch.client.get_node_extension("pool", str(node.id), "monitor")
    assert one.vm_extension is not None
    assert one.vm_extension.settings == {"workspace": "w"}
    assert one.vm_extension.protected_settings is None
    assert one.instance_view is not None
    assert "installs none" in str((one.instance_view.statuses or [])[0].message)
    selected = batch.client.get_node_extension("pool", str(node.id), "monitor", select=["provisioningState"])
    assert set(selected.as_dict()) == {"odata.metadata", "provisioningState"}
    with pytest.raises(ResourceNotFoundError):
        batch.client.get_node_extension("pool", str(node.id), "other")
    assert "secret" not in batch.send("GET", "/pools/pool").text()


def test_user_accounts_are_shown_without_passwords_and_keys(batch: Account) -> None:
    linux = models.LinuxUserConfiguration(uid=2000, gid=2000, ssh_private_key="private")
    account = models.UserAccount(
        name="anna", password="secret", elevation_level="admin", linux_user_configuration=linux
    )
    make_pool(batch, user_accounts=[account])
    (shown,) = batch.send("GET", "/pools/pool").json()["userAccounts"]
    assert shown == {"name": "anna", "elevationLevel": "admin", "linuxUserConfiguration": {"uid": 2000, "gid": 2000}}


def test_rules_of_a_network_are_completed(batch: Account) -> None:
    shown = make_pool(batch, network_configuration=network(nat_pool(network_security_group_rules=[rule(150)])))
    assert shown.network_configuration is not None
    assert shown.network_configuration.endpoint_configuration is not None
    (pool,) = shown.network_configuration.endpoint_configuration.inbound_nat_pools
    assert [each.source_port_ranges for each in pool.network_security_group_rules or []] == [["*"]]
    assert shown.network_configuration.dynamic_vnet_assignment_scope == "none"


DISK = models.DataDisk(logical_unit_number=1, disk_size_gb=1)
ANNA = models.UserAccount(name="anna", password="p")


@pytest.mark.parametrize(
    ("parts", "name"),
    [
        ({"network_configuration": network(*[nat_pool(f"p{n}", n, n * 100, n * 100 + 99) for n in range(1, 7)])}, NAT),
        ({"network_configuration": network(nat_pool("a"), nat_pool("A", 23, 3000, 3099))}, f"{NAT}.name"),
        ({"network_configuration": network(nat_pool("a"), nat_pool("b", 22, 3000, 3099))}, f"{NAT}.backendPort"),
        ({"network_configuration": network(nat_pool("a"), nat_pool("b", 23, 2099, 2199))}, NAT),
        ({"network_configuration": network(nat_pool("a-"))}, f"{NAT}.0.name"),
        ({"network_configuration": network(nat_pool("a" * 78))}, f"{NAT}.0.name"),
        ({"network_configuration": network(nat_pool(port=29876))}, f"{NAT}.0.backendPort"),
        ({"network_configuration": network(nat_pool(port=0))}, f"{NAT}.0.backendPort"),
        ({"network_configuration": network(nat_pool(first=2000, last=2038))}, f"{NAT}.0.frontendPortRangeEnd"),
        ({"network_configuration": network(nat_pool(first=49990, last=50040))}, f"{NAT}.0.frontendPortRangeStart"),
        ({"network_configuration": network(nat_pool(first=65500, last=65535))}, f"{NAT}.0.frontendPortRangeEnd"),
        (
            {"network_configuration": network(nat_pool(network_security_group_rules=[rule(150), rule(150)]))},
            f"{NAT}.networkSecurityGroupRules.priority",
        ),
        (
            {"network_configuration": network(nat_pool(network_security_group_rules=[rule(149)]))},
            f"{NAT}.networkSecurityGroupRules.priority",
        ),
        (
            {"network_configuration": network(nat_pool(network_security_group_rules=[rule(150, " ")]))},
            f"{NAT}.networkSecurityGroupRules.sourceAddressPrefix",
        ),
        (
            {
                "network_configuration": network(
                    nat_pool(),
                    public_ip_address_configuration=models.BatchPublicIpAddressConfiguration(
                        ip_address_provisioning_type="nopublicipaddresses"
                    ),
                )
            },
            NAT,
        ),
        (
            {"virtual_machine_configuration": machine(data_disks=[DISK, DISK])},
            "virtualMachineConfiguration.dataDisks.lun",
        ),
        (
            {"virtual_machine_configuration": machine(extensions=[EXTENSION, EXTENSION])},
            "virtualMachineConfiguration.extensions.name",
        ),
        (
            {"virtual_machine_configuration": machine(windows_configuration=models.WindowsConfiguration())},
            "virtualMachineConfiguration.windowsConfiguration",
        ),
        (
            {"virtual_machine_configuration": machine(license_type="Windows_Server")},
            "virtualMachineConfiguration.licenseType",
        ),
        (
            {
                "virtual_machine_configuration": models.VirtualMachineConfiguration(
                    image_reference=models.BatchVmImageReference(publisher="p", virtual_machine_image_id="/an/image"),
                    node_agent_sku_id=IMAGE.node_agent_sku_id,
                )
            },
            "virtualMachineConfiguration.imageReference.virtualMachineImageId",
        ),
        ({"user_accounts": [ANNA, ANNA]}, "userAccounts"),
        ({"user_accounts": [models.UserAccount(name="a" * 21, password="p")]}, "userAccounts.0.name"),
        (
            {
                "user_accounts": [
                    models.UserAccount(
                        name="a", password="p", linux_user_configuration=models.LinuxUserConfiguration(uid=1)
                    )
                ]
            },
            "userAccounts.0.linuxUserConfiguration",
        ),
    ],
)
def test_what_can_not_be_is_refused_by_name(batch: Account, parts: dict[str, Any], name: str) -> None:
    with pytest.raises(HttpResponseError) as caught:
        make_pool(batch, **parts)
    assert (caught.value.status_code, error_code(caught.value)) == (400, "InvalidPropertyValue")
    assert error_values(caught.value)["PropertyName"] == name
