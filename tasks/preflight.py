"""What can be seen of a run before it makes anything, with the account at hand."""

from dataclasses import dataclass
from datetime import datetime

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.blocks.pool_description import PoolDescription
from prefect_azure_batch.tasks.access import StorageAccess, look_at_access
from prefect_azure_batch.tasks.application import check_package
from prefect_azure_batch.tasks.cost import Estimate, Terms, estimate, look_at_cost
from prefect_azure_batch.tasks.errors import BadInput
from prefect_azure_batch.tasks.findings import DOUBTFUL, FINE, REFUSED, Finding
from prefect_azure_batch.tasks.images import ChosenImage
from prefect_azure_batch.tasks.pool import check_new_pool, check_pool
from prefect_azure_batch.tasks.pool_request import Found
from prefect_azure_batch.tasks.prices import Prices, known_prices
from prefect_azure_batch.tasks.quotas import look_at_quotas
from prefect_azure_batch.tasks.records import JobPlan, PoolPlan
from prefect_azure_batch.tasks.run_record import RunRecord
from prefect_azure_batch.tasks.vm_sizes import SLOTS_OF_CORE, cores_of


@dataclass(frozen=True)
class Seen:
    """What was seen: findings, and what a new pool's description only names; None if that cannot be had.

    ``cost`` is what the run can cost; None if there can be no such run.
    """

    findings: tuple[Finding, ...]
    found: Found | None = None
    cost: Estimate | None = None

    @property
    def is_possible(self) -> bool:
        """Whether nothing is refused."""
        return all(finding.state != REFUSED for finding in self.findings)


def look_at_rest(account: AzureBatchAccount, record: RunRecord) -> Seen:
    """Looks at what is needed where nothing is left to do: results are restored from storage.

    Args:
        account: the Batch account.
        record: what the run would make if there were something to do.

    Raises:
        ServiceFailure: Storage refused or failed a request.
    """
    return Seen((Finding("pool", FINE, "none is needed, for nothing is left to do"), _storage(account, record.job)))


def _storage(account: AzureBatchAccount, job: JobPlan) -> Finding:
    return look_at_access(StorageAccess.lasting(account.storage, job.identity, job.time_limit))


def look_ahead(
    account: AzureBatchAccount,
    record: RunRecord,
    instances: int | None = None,
    *,
    containers: bool = False,
    required_slots: int = 1,
    terms: Terms = Terms(),  # noqa: B008 - frozen
) -> Seen:
    """Looks at all that a run needs of its account.

    Args:
        account: the Batch account.
        record: what the run would make.
        instances: nodes that a multi-instance task takes at once; None for tasks of one node each.
        containers: tasks run in containers.
        required_slots: of each task, on a pool that is there.
        terms: what it may cost, and where.

    Raises:
        BadInput: the table of prices cannot be read.
        ServiceFailure: Azure refused or failed a request.
    """
    job, storage = record.job, _storage(account, record.job)
    if record.pool is None:
        findings = _existing(account, job, instances, containers=containers, required_slots=required_slots)
        cost = estimate(PoolDescription(existing=job.pool_id), None, 0, Prices())
        return Seen(
            (*findings, storage, *look_at_quotas(account, None, ""), look_at_cost(cost, terms.budget)), cost=cost
        )
    try:
        found = check_new_pool(account, record.pool)
        _check_packages(account, record.pool)
    except BadInput as error:
        return Seen((Finding("pool", REFUSED, str(error)), storage))
    size = found.vm_size or record.pool.description.vm_size
    quotas = look_at_quotas(account, record.pool, size)
    hours = job.time_limit.total_seconds() / 3600
    cost = estimate(record.pool.description, terms.region or account.region, hours, known_prices(), size)
    seen = (_shape(record.pool, size), _image(found.image, record.begun), storage, *quotas)
    return Seen((*seen, look_at_cost(cost, terms.budget)), found, cost)


def _check_packages(account: AzureBatchAccount, pool: PoolPlan) -> None:
    for package in pool.description.packages:
        application_id, _, version = package.partition(":")
        try:
            check_package(account, application_id, version or None)
        except BadInput as error:
            raise BadInput(f"packages: {error}") from None


def _existing(
    account: AzureBatchAccount, job: JobPlan, instances: int | None, *, containers: bool, required_slots: int
) -> tuple[Finding, ...]:
    try:
        check_pool(
            account, job.pool_id, instances, containers=containers, identity=job.identity, required_slots=required_slots
        )
    except BadInput as error:
        return (Finding("pool", REFUSED, str(error)),)
    return (Finding("pool", FINE, f"{job.pool_id} is there and can take the job"),)


def _shape(pool: PoolPlan, vm_size: str) -> Finding:
    asked, cores = pool.description, cores_of(vm_size)
    if cores is not None and asked.slots > SLOTS_OF_CORE * cores:
        text = f"slots: a node of {vm_size} has {cores} cores, and takes {SLOTS_OF_CORE * cores} slots at most"
        return Finding("pool", REFUSED, f"{text}, not {asked.slots}: ask for fewer, or for a larger vm_size.")
    kinds = ((asked.dedicated_nodes, "dedicated"), (asked.spot_nodes, "spot"))
    nodes = " and ".join(f"{number} {kind}" for number, kind in kinds if number)
    most = "at most " if asked.autoscale else ""
    at_a_time = "one task" if asked.slots == 1 else f"{asked.slots} tasks"
    return Finding("pool", FINE, f"{most}{nodes} nodes of {vm_size}, {at_a_time} at a time on each")


def _image(image: ChosenImage, now: datetime) -> Finding:
    if doubt := image.doubt(now):
        return Finding("image", DOUBTFUL, doubt)
    if image.end is None:
        return Finding("image", FINE, f"{image.name}; Batch has announced no end of its support")
    return Finding("image", FINE, f"{image.name}, supported until {image.end:%Y-%m-%d}")
