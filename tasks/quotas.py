"""What a Batch account may have, what it has, and what a pool and a job would add to that.

Only the management plane tells quotas and the cores of sizes. Source: "Batch service quotas and limits", Microsoft
Learn; the properties of ``BatchAccount`` in azure-mgmt-batch.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from azure.batch import BatchClient

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.blocks.errors import CredentialError
from prefect_azure_batch.tasks.errors import translated
from prefect_azure_batch.tasks.findings import DOUBTFUL, FINE, REFUSED, UNKNOWN, Finding
from prefect_azure_batch.tasks.records import PoolPlan

if TYPE_CHECKING:
    from azure.mgmt.batch import BatchManagementClient
    from azure.mgmt.batch.models import BatchAccount, SupportedSku

_NAME = "quota"


@dataclass(frozen=True)
class Cores:
    """Cores of dedicated nodes and of spot nodes."""

    dedicated: int = 0
    spot: int = 0

    def __add__(self, other: "Cores") -> "Cores":
        return Cores(self.dedicated + other.dedicated, self.spot + other.spot)


@dataclass(frozen=True)
class Quotas:
    """What an account may have; cores of dedicated nodes also by family, where that is enforced.

    Cores are None where nodes are made in the user's own subscription, which counts them then, and not the account.
    """

    dedicated_cores: int | None
    spot_cores: int | None
    pools: int
    jobs: int
    family_cores: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class SizeCores:
    """Cores of a VM size, and the family by which they are counted; names in small letters."""

    name: str
    family: str
    cores: int


@dataclass(frozen=True)
class Used:
    """What an account has: pools, active jobs, and cores by family."""

    pools: int
    jobs: int
    cores: Mapping[str, Cores] = field(default_factory=dict)


def look_at_quotas(account: AzureBatchAccount, pool: PoolPlan | None, vm_size: str) -> Iterator[Finding]:
    """Whether an account has room for a pool, as far as its credential can ask, and for a job.

    Args:
        account: the Batch account.
        pool: what would be made; None for a pool that is there.
        vm_size: of its nodes.

    Raises:
        ServiceFailure: Azure refused or failed a request.
    """
    try:
        if account.resource_group is None:
            raise CredentialError("the account block has no resource_group.")
        client = account.get_management_client()
    except CredentialError as error:
        also = f", nor whether the region has the size {vm_size}" if pool else ""
        yield Finding(_NAME, UNKNOWN, f"not known{also}, for {error}")
        return
    with translated("look at the quotas of the Batch account"):
        has = read_account(client, account.get_client(), account.resource_group, account.account_name)
    size = has.sizes.get(vm_size.lower())
    if pool and has.sizes and not size:
        near = get_close_matches(vm_size.lower(), has.sizes, 3, 0.3)
        text = f"vm_size: the Batch account's region has no size {vm_size!r}: it has, for example, {', '.join(near)}."
        yield Finding("pool", REFUSED, text)
    yield from compare(has.quotas, has.used, pool, size)


def compare(quotas: Quotas, used: Used, pool: PoolPlan | None, size: SizeCores | None) -> Iterator[Finding]:
    """Whether there is room for a pool and a job.

    Args:
        quotas: what the account may have.
        used: what it has.
        pool: what would be made; None for a pool that is there.
        size: of its nodes; None if nobody knows how many cores they have.
    """
    yield _room("active jobs", quotas.jobs, used.jobs, 1)
    if pool is None:
        return
    yield _room("pools", quotas.pools, used.pools, 1)
    if size is None:
        yield Finding(_NAME, UNKNOWN, f"cores: not known for the size {pool.description.vm_size}")
        return
    if quotas.dedicated_cores is None or quotas.spot_cores is None:
        yield Finding(
            _NAME, UNKNOWN, "cores: the subscription that the nodes are made in counts them (az vm list-usage)"
        )
        return
    asked, total = pool.description, sum(used.cores.values(), Cores())
    most_dedicated = asked.dedicated_nodes
    yield _room("dedicated cores", quotas.dedicated_cores, total.dedicated, most_dedicated * size.cores, "nodes")
    if size.family in quotas.family_cores:
        of_family = used.cores.get(size.family, Cores()).dedicated
        kind = f"dedicated cores of {size.family}"
        yield _room(kind, quotas.family_cores[size.family], of_family, most_dedicated * size.cores, "nodes")
    yield _room("spot cores", quotas.spot_cores, total.spot, asked.spot_nodes * size.cores, "spot_nodes")


def _room(what: str, quota: int, used: int, need: int, key: str = "") -> Finding:
    """Whether there is room for more of something; ``key`` says how to ask for less, where others may make room."""
    text = f"{need} {what} more: {used} of {quota} are taken"
    if not need or used + need <= quota:
        return Finding(_NAME, FINE, text)
    if key and need <= quota:
        return Finding(_NAME, DOUBTFUL, f"{text}; some nodes have to wait until other pools have ended")
    mend = f"ask for fewer {key}, a smaller size" if key else "delete some"
    return Finding(_NAME, REFUSED, f"{text}: {mend}, or ask Azure for a higher quota.")


@dataclass(frozen=True)
class Account:
    """What an account may have and has, and the sizes in its region by their names in small letters."""

    quotas: Quotas
    used: Used
    sizes: Mapping[str, SizeCores]


def read_account(
    management: "BatchManagementClient", batch: BatchClient, group: str, name: str, **request_options: Any
) -> Account:
    """Reads what an account may have, and what it has.

    Args:
        management: client for the account's subscription.
        batch: client for the account.
        group: its resource group.
        name: its name.
        request_options: options of azure-core for each request to the management plane, such as
            ``enforce_https=False`` for an endpoint without TLS.

    Raises:
        AzureError: Azure refused or failed a request.
    """
    account = management.batch_account.get(group, name, **request_options)
    skus = management.location.list_supported_virtual_machine_skus(account.location or "", **request_options)
    sizes = {size.name: size for sku in skus if (size := _size(sku))}
    return Account(quotas_of(account), _used(batch, sizes), sizes)


def quotas_of(account: "BatchAccount") -> Quotas:
    """What an account may have, by what Azure Resource Manager says of it."""
    from azure.mgmt.batch.models import PoolAllocationMode

    families = account.dedicated_core_quota_per_vm_family or []
    enforced = account.dedicated_core_quota_per_vm_family_enforced
    by_family = {str.lower(each.name or ""): each.core_quota or 0 for each in families} if enforced else {}
    by_batch = account.pool_allocation_mode != PoolAllocationMode.USER_SUBSCRIPTION
    return Quotas(
        (account.dedicated_core_quota or 0) if by_batch else None,
        (account.low_priority_core_quota or 0) if by_batch else None,
        account.pool_quota or 0,
        account.active_job_and_job_schedule_quota or 0,
        by_family,
    )


def _size(sku: "SupportedSku") -> SizeCores | None:
    cores = {each.name: each.value for each in sku.capabilities or []}.get("vCPUs")
    return SizeCores(sku.name.lower(), str.lower(sku.family_name or ""), int(cores)) if sku.name and cores else None


def _used(client: BatchClient, sizes: Mapping[str, SizeCores]) -> Used:
    pools, cores = 0, dict[str, Cores]()
    for pool in client.list_pools(select=["id,vmSize,currentDedicatedNodes,currentLowPriorityNodes"]):
        pools += 1
        if size := sizes.get(str.lower(pool.vm_size or "")):
            taken = (pool.current_dedicated_nodes or 0, pool.current_low_priority_nodes or 0)
            more = Cores(*(number * size.cores for number in taken))
            cores[size.family] = cores.get(size.family, Cores()) + more
    jobs = sum(1 for _ in client.list_jobs(filter="state eq 'active'", select=["id"]))
    return Used(pools, jobs, cores)
