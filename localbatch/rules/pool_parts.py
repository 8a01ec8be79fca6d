"""What machines, network and user accounts of a pool must look like, beyond their types: pure.

Source of the limits: the docstrings of ``azure.batch.models``, API version 2025-06-01.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from localbatch.bodies.pool_parts import (
    MachineParts,
    NatPool,
    NetworkConfiguration,
    PoolParts,
    SecurityRule,
    UserAccount,
)
from localbatch.rules.images import is_windows
from localbatch.rules.mounts import check_mounts
from localbatch.wire.errors import invalid_property

_NAT_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,75}[A-Za-z0-9_])?")
_MOST_NAT_POOLS, _MOST_RULES, _LEAST_PORTS = 5, 25, 40
_RESERVED_BACKEND = (29876, 29877)
_RESERVED_FRONTEND = range(50000, 55001)
_LONGEST_USER = 20
_IMAGE_IDS = ("virtualMachineImageId", "sharedGalleryImageId", "communityGalleryImageId")
_IMAGE_PARTS = ("publisher", "offer", "sku")
_ONLY_WINDOWS = "It goes with images of Windows, and this pool's is of Linux."
_ONLY_LINUX = "It goes with images of Linux, and this pool's is of Windows."


def check_parts(parts: PoolParts) -> None:
    """Refuses machines, a network, user accounts or mounted file systems that can't be.

    Raises:
        ServiceError: ``InvalidPropertyValue`` naming the property.
    """
    machine = parts.virtual_machine_configuration
    if machine is not None:
        _check_machine("virtualMachineConfiguration", machine)
    if parts.network_configuration is not None:
        _check_network("networkConfiguration", parts.network_configuration)
    check_mounts(parts.mount_configuration)
    _check_distinct("userAccounts", [account.name.lower() for account in parts.user_accounts])
    for number, account in enumerate(parts.user_accounts):
        _check_account(f"userAccounts.{number}", account, machine)


def _check_machine(name: str, machine: MachineParts) -> None:
    if machine.windows_configuration is not None and not is_windows(machine.node_agent_sku_id):
        raise invalid_property(f"{name}.windowsConfiguration", machine.windows_configuration, _ONLY_WINDOWS)
    if machine.license_type is not None and not is_windows(machine.node_agent_sku_id):
        raise invalid_property(f"{name}.licenseType", machine.license_type, _ONLY_WINDOWS)
    _check_image(f"{name}.imageReference", machine.image_reference)
    for disk in machine.data_disks:
        _check_range(f"{name}.dataDisks.lun", disk.lun, 0, 63)
        _check_range(f"{name}.dataDisks.diskSizeGB", disk.disk_size_gb, 1, 2**31 - 1)
    _check_distinct(f"{name}.dataDisks.lun", [disk.lun for disk in machine.data_disks])
    _check_distinct(f"{name}.extensions.name", [extension.name for extension in machine.extensions])


def _check_image(name: str, image: Mapping[str, object]) -> None:
    for part in _IMAGE_PARTS if not image.keys() & set(_IMAGE_IDS) else ():
        if not image.get(part):
            raise invalid_property(f"{name}.{part}", image.get(part, ""), "An image without an id needs it.")
    for image_id in _IMAGE_IDS:
        if image_id in image and len(image) > 1:
            raise invalid_property(f"{name}.{image_id}", image[image_id], "It goes with no other property of an image.")


def _check_network(name: str, network: NetworkConfiguration) -> None:
    addresses = network.public_ip_address_configuration
    families = sorted(family.lower() for family in addresses.ip_families) if addresses else []
    if families not in ([], ["ipv4"], ["ipv4", "ipv6"]):
        reason = "A pool has addresses of IPv4, or of IPv4 and IPv6."
        raise invalid_property(f"{name}.publicIPAddressConfiguration.ipFamilies", ", ".join(families), reason)
    if network.endpoint_configuration is None:
        return
    pools, name = network.endpoint_configuration.inbound_nat_pools, f"{name}.endpointConfiguration.inboundNATPools"
    if pools and addresses is not None and addresses.provision == "nopublicipaddresses":
        raise invalid_property(name, len(pools), "A pool without public addresses has no ports outside.")
    if len(pools) > _MOST_NAT_POOLS:
        raise invalid_property(name, len(pools), f"There may be {_MOST_NAT_POOLS} of them at most.")
    for number, pool in enumerate(pools):
        _check_nat_pool(f"{name}.{number}", pool)
    _check_distinct(f"{name}.name", [pool.name.lower() for pool in pools])
    _check_distinct(f"{name}.backendPort", [pool.backend_port for pool in pools])
    _check_apart(name, pools)
    rules = [rule for pool in pools for rule in pool.network_security_group_rules]
    _check_rules(f"{name}.networkSecurityGroupRules", rules)


def _check_nat_pool(name: str, pool: NatPool) -> None:
    if not _NAT_NAME.fullmatch(pool.name):
        reason = "It has 1 to 77 letters, digits, '_', '.' and '-', a letter or digit first and no '.' or '-' last."
        raise invalid_property(f"{name}.name", pool.name, reason)
    _check_range(f"{name}.backendPort", pool.backend_port, 1, 65535)
    if pool.backend_port in _RESERVED_BACKEND:
        raise invalid_property(f"{name}.backendPort", pool.backend_port, "The port is reserved.")
    first, last = pool.frontend_port_range_start, pool.frontend_port_range_end
    _check_range(f"{name}.frontendPortRangeStart", first, 1, 65534)
    _check_range(f"{name}.frontendPortRangeEnd", last, 1, 65534)
    if last - first + 1 < _LEAST_PORTS:
        raise invalid_property(f"{name}.frontendPortRangeEnd", last, f"There must be {_LEAST_PORTS} ports at least.")
    if first < _RESERVED_FRONTEND.stop and last >= _RESERVED_FRONTEND.start:
        raise invalid_property(f"{name}.frontendPortRangeStart", first, "Ports from 50000 to 55000 are reserved.")


def _check_apart(name: str, pools: Iterable[NatPool]) -> None:
    ordered = sorted(pools, key=lambda pool: pool.frontend_port_range_start)
    for lower, upper in pairwise(ordered):
        if upper.frontend_port_range_start <= lower.frontend_port_range_end:
            raise invalid_property(name, upper.frontend_port_range_start, "The ranges of ports must not overlap.")


def _check_rules(name: str, rules: list[SecurityRule]) -> None:
    if len(rules) > _MOST_RULES:
        raise invalid_property(name, len(rules), f"A pool may have {_MOST_RULES} of them at most.")
    for rule in rules:
        _check_range(f"{name}.priority", rule.priority, 150, 4096)
        if not rule.source_address_prefix.strip():
            raise invalid_property(f"{name}.sourceAddressPrefix", rule.source_address_prefix, "It must not be empty.")
    _check_distinct(f"{name}.priority", [rule.priority for rule in rules])


def _check_account(name: str, account: UserAccount, machine: MachineParts | None) -> None:
    if not 1 <= len(account.name.strip()) <= _LONGEST_USER:
        raise invalid_property(f"{name}.name", account.name, f"It must have 1 to {_LONGEST_USER} characters.")
    windows, ids = account.windows_user_configuration, account.linux_user_configuration
    # A change of the accounts alone says nothing of the machine.
    if machine is not None and windows is not None and not is_windows(machine.node_agent_sku_id):
        raise invalid_property(f"{name}.windowsUserConfiguration", windows, _ONLY_WINDOWS)
    if machine is not None and ids is not None and is_windows(machine.node_agent_sku_id):
        raise invalid_property(f"{name}.linuxUserConfiguration", f"uid {ids.uid}, gid {ids.gid}", _ONLY_LINUX)
    if ids is not None and (ids.uid is None) != (ids.gid is None):
        reason = "uid and gid are given together or not at all."
        raise invalid_property(f"{name}.linuxUserConfiguration", f"uid {ids.uid}, gid {ids.gid}", reason)


def _check_range(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise invalid_property(name, value, f"It must lie between {least} and {most}.")


def _check_distinct(name: str, values: Sequence[str | int]) -> None:
    for value in values:
        if values.count(value) > 1:
            raise invalid_property(name, value, "It must not occur twice.")
