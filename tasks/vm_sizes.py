"""VM sizes by what a task needs: the smallest of the usual ones that has it and that the account can have.

Source: "Sizes for virtual machines in Azure", Microsoft Learn. The table holds current families of general purpose, and
those with GPUs; any other size can be named.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prefect_azure_batch.blocks.pool_parts import Needs
from prefect_azure_batch.tasks.errors import BadInput

if TYPE_CHECKING:
    from azure.mgmt.batch import BatchManagementClient


@dataclass(frozen=True)
class VmSize:
    """One size: cores, memory and local disk in GiB, and GPUs of a node."""

    name: str
    cpus: int
    memory: float
    gpus: int = 0
    local_disk: int = 0

    def has(self, needs: Needs) -> bool:
        """Whether a node of it has what is needed."""
        return (
            self.cpus >= needs.cpus
            and self.memory >= needs.memory_gib
            and self.gpus >= needs.gpus
            and self.local_disk >= needs.local_disk_gib
        )


SLOTS_OF_CORE = 4
"""Task slots that a node can have for each of its cores. Source: "Run tasks concurrently", Microsoft Learn."""

# Of D and E before version 3 the numbers are others; a second number, behind a hyphen, is that of cores switched on.
_TELLS_CORES = re.compile(r"standard_(?:[de][a-z]?|f|hb|hc|nc|nd|nv)(\d+)[a-z]*(?:_[a-z0-9]+)?_v[3-9]")


def _sizes() -> Iterator[VmSize]:
    for cpus in (2, 4, 8, 16, 32, 48, 64, 96):
        yield VmSize(f"standard_d{cpus}s_v5", cpus, 4 * cpus)
        yield VmSize(f"standard_d{cpus}ds_v5", cpus, 4 * cpus, local_disk=cpus * 75 // 2)
    for cpus in (2, 4, 8, 16, 32, 48, 64):
        memory = min(8 * cpus, 512)
        yield VmSize(f"standard_e{cpus}s_v5", cpus, memory)
        yield VmSize(f"standard_e{cpus}ds_v5", cpus, memory, local_disk=cpus * 75 // 2)
    for cpus, memory, gpus, disk in ((4, 28, 1, 176), (8, 56, 1, 352), (16, 110, 1, 352), (64, 440, 4, 2816)):
        yield VmSize(f"standard_nc{cpus}as_t4_v3", cpus, memory, gpus, disk)
    for gpus in (1, 2, 4):
        yield VmSize(f"standard_nc{24 * gpus}ads_a100_v4", 24 * gpus, 220 * gpus, gpus, 64 * gpus)


SIZES = tuple(sorted(_sizes(), key=lambda size: (size.gpus, size.cpus, size.memory, size.local_disk)))
"""From the smallest to the largest, those without GPUs first."""


def cores_of(vm_size: str) -> int | None:
    """Cores of a VM size of a family whose names tell them; None for others."""
    found = _TELLS_CORES.fullmatch(vm_size.lower())
    return int(found[1]) if found else None


def choose_size(needs: Needs, supported: Collection[str] | None) -> VmSize:
    """The smallest size that has what is needed.

    Args:
        needs: what that is.
        supported: names of the sizes that the account can have, in small letters; None if nobody knows.

    Raises:
        BadInput: there is none.
    """
    fitting = [size for size in SIZES if size.has(needs)]
    if not fitting:
        raise BadInput(f"needs: no usual VM size has {needs}: name one that does with vm_size.")
    for size in fitting:
        if supported is None or size.name in supported:
            return size
    names = ", ".join(size.name for size in fitting[:3])
    raise BadInput(f"needs: the Batch account's region has none of the VM sizes that have {needs}, such as {names}.")


def supported_sizes(
    client: "BatchManagementClient", resource_group: str, account_name: str, **request_options: Any
) -> set[str]:
    """Names of the sizes that pools of an account can have, in small letters.

    Args:
        client: management client for the account's subscription.
        resource_group: resource group of the Batch account.
        account_name: name of the Batch account.
        request_options: options of azure-core for each request, such as ``enforce_https=False`` for an endpoint without
            TLS.

    Raises:
        AzureError: Azure refused or failed a request.
    """
    location = client.batch_account.get(resource_group, account_name, **request_options).location or ""
    skus = client.location.list_supported_virtual_machine_skus(location, **request_options)
    return {sku.name.lower() for sku in skus if sku.name}
