"""What a pool says of machines, network and user accounts, as far as there is something to check.

None of it changes what a node of this machine is. It is checked as Azure does and shown again.
Source: the docstrings of ``azure.batch.models``, API version 2025-06-01.
"""

from pydantic import Field

from localbatch.bodies.body import Body
from localbatch.bodies.mounts import MountConfiguration
from localbatch.wire.confidential import without_secrets
from localbatch.wire.formats import JsonObject, JsonValue


class SecurityRule(Body):
    """Who may reach a port from outside."""

    priority: int
    source_address_prefix: str


class NatPool(Body):
    """Ports by which one port of each node is reached from outside."""

    name: str
    backend_port: int
    frontend_port_range_start: int
    frontend_port_range_end: int
    network_security_group_rules: list[SecurityRule] = Field(default_factory=list)


class EndpointConfiguration(Body):
    """The ports of a pool."""

    inbound_nat_pools: list[NatPool] = Field(alias="inboundNATPools")


class PublicAddressConfiguration(Body):
    """Where public addresses of a pool come from."""

    provision: str = "batchmanaged"
    ip_families: list[str] = Field(default_factory=list, alias="ipFamilies")


class NetworkConfiguration(Body):
    """The network of a pool."""

    endpoint_configuration: EndpointConfiguration | None = None
    public_ip_address_configuration: PublicAddressConfiguration | None = Field(
        default=None, alias="publicIPAddressConfiguration"
    )


class LinuxUser(Body):
    """Ids of a user of Linux."""

    uid: int | None = None
    gid: int | None = None


class UserAccount(Body):
    """A user account that a pool has on all its nodes."""

    name: str
    linux_user_configuration: LinuxUser | None = None
    windows_user_configuration: dict[str, object] | None = None


class DataDisk(Body):
    """An empty disk that each node has besides."""

    lun: int
    disk_size_gb: int = Field(alias="diskSizeGB")


class Extension(Body):
    """An extension of virtual machines."""

    name: str


class MachineParts(Body):
    """What a node's virtual machine is made from."""

    image_reference: dict[str, object] = Field(default_factory=dict)
    node_agent_sku_id: str = Field(default="", alias="nodeAgentSKUId")
    data_disks: list[DataDisk] = Field(default_factory=list)
    extensions: list[Extension] = Field(default_factory=list)
    windows_configuration: dict[str, object] | None = None
    license_type: str | None = None


class PoolParts(Body):
    """Those parts of a pool, or of changes to it."""

    virtual_machine_configuration: MachineParts | None = None
    network_configuration: NetworkConfiguration | None = None
    user_accounts: list[UserAccount] = Field(default_factory=list)
    mount_configuration: list[MountConfiguration] = Field(default_factory=list)


def complete_parts(document: JsonObject) -> None:
    """Fills in what the service adds to a pool's network, and takes out the secrets that no node needs."""
    network = document.get("networkConfiguration")
    if isinstance(network, dict):
        network.setdefault("dynamicVNetAssignmentScope", "none")
        network.setdefault("enableAcceleratedNetworking", False)
        for rule in _find(network, "endpointConfiguration", "inboundNATPools", "networkSecurityGroupRules"):
            rule.setdefault("sourcePortRanges", ["*"])
    if "userAccounts" in document:
        document |= without_secrets({"userAccounts": document["userAccounts"]})
    machine = document.get("virtualMachineConfiguration")
    if isinstance(machine, dict) and "extensions" in machine:
        machine |= without_secrets({"extensions": machine["extensions"]})


def _find(value: JsonValue, *path: str) -> list[JsonObject]:
    """Returns the objects at the end of a path; lists on the way are looked through item by item."""
    if isinstance(value, list):
        return [found for item in value for found in _find(item, *path)]
    if not isinstance(value, dict):
        return []
    return _find(value.get(path[0]), *path[1:]) if path else [value]
