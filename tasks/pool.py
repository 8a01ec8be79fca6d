"""Stage: a pool of VMs, made for the run or already there."""

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

from azure.batch import BatchClient, models
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.tasks.diagnosis import (
    LEASE_METADATA,
    POOL_PROPERTIES,
    RUN_METADATA,
    complaint_about_shape,
    current_nodes,
    is_steady,
    target_nodes,
)
from prefect_azure_batch.tasks.errors import BadInput, ServiceFailure, translated
from prefect_azure_batch.tasks.formulas import EVALUATION_INTERVAL, lease_formula
from prefect_azure_batch.tasks.images import choose_image
from prefect_azure_batch.tasks.records import PoolPlan
from prefect_azure_batch.tasks.stage import stage

MAX_SLOTS = 256

_RESIZE_TIMEOUT = timedelta(minutes=15)


def check_sizes(nodes: int, slots: int, *, inter_node: bool = False) -> None:
    """Refuses sizes that no pool can have.

    Raises:
        BadInput: says which bound is broken.
    """
    if nodes < 1:
        raise BadInput(f"A pool needs at least 1 node, not {nodes}.")
    if not 1 <= slots <= MAX_SLOTS:
        raise BadInput(f"A node has 1 to {MAX_SLOTS} task slots, not {slots}.")
    if inter_node and slots > 1:
        raise BadInput(f"A node of a pool for MPI has 1 task slot, not {slots}: Batch starts no MPI task otherwise.")


def create_pool(account: AzureBatchAccount, plan: PoolPlan) -> str:
    """Creates a pool; it does not wait for the nodes, which take tasks as they become ready.

    A repeated call finds its own pool.

    Args:
        account: the Batch account.
        plan: the pool.

    Returns:
        The pool's id.

    Raises:
        BadInput: impossible sizes, no usable image, or something that Batch does not know, as a VM size.
        ServiceFailure: Batch failed the request, or the id belongs to another run.
    """
    check_sizes(plan.nodes, plan.slots, inter_node=plan.inter_node)
    client = account.get_client()
    try:
        with translated(f"create pool {plan.pool_id!r}"):
            image = choose_image(client.list_supported_images(), mpi=plan.inter_node)
            try:
                client.create_pool(_pool_options(plan, image))
            except ResourceExistsError as error:
                if getattr(error.error, "code", "") != "PoolExists" or not _is_own(client, plan):
                    raise
    except ServiceFailure as failure:
        if failure.status == HTTPStatus.BAD_REQUEST:
            raise BadInput(str(failure)) from failure
        raise
    return plan.pool_id


def _pool_options(plan: PoolPlan, image: models.BatchSupportedImage) -> models.BatchPoolCreateOptions:
    return models.BatchPoolCreateOptions(
        id=plan.pool_id,
        vm_size=plan.vm_size,
        virtual_machine_configuration=models.VirtualMachineConfiguration(
            image_reference=image.image_reference, node_agent_sku_id=image.node_agent_sku_id
        ),
        **_size_options(plan),
        task_slots_per_node=plan.slots,
        enable_inter_node_communication=plan.inter_node,
        application_package_references=[
            models.BatchApplicationPackageReference(application_id=application_id, version=version)
            for application_id, version in plan.packages
        ],
        metadata=[models.BatchMetadataItem(name=name, value=value) for name, value in _metadata(plan).items()],
    )


def _metadata(plan: PoolPlan) -> dict[str, str]:
    lease = {} if plan.lease is None else {LEASE_METADATA: f"{plan.lease.total_seconds():.0f}"}
    return {RUN_METADATA: plan.run_id} | lease


def _size_options(plan: PoolPlan) -> dict[str, Any]:
    if plan.lease is not None:
        return {
            "enable_auto_scale": True,
            "auto_scale_formula": lease_formula(plan.nodes, datetime.now(UTC) + plan.lease, spot=plan.spot),
            "auto_scale_evaluation_interval": EVALUATION_INTERVAL,
        }
    return {
        "resize_timeout": _RESIZE_TIMEOUT,
        "target_dedicated_nodes": 0 if plan.spot else plan.nodes,
        "target_low_priority_nodes": plan.nodes if plan.spot else 0,
    }


def _is_own(client: BatchClient, plan: PoolPlan) -> bool:
    metadata = client.get_pool(plan.pool_id, select=["id,metadata"]).metadata or []
    return any(item.name == RUN_METADATA and item.value == plan.run_id for item in metadata)


def check_pool(account: AzureBatchAccount, pool_id: str, instances: int | None = None) -> str:
    """Makes sure that an existing pool can take a job.

    Args:
        account: the Batch account.
        pool_id: the pool.
        instances: nodes that the job's multi-instance task needs; None for a job of tasks of one node each.

    Raises:
        BadInput: there is no such pool, it is being deleted, or it has another shape than the job needs.
        ServiceFailure: Batch refused or failed the request.
    """
    with translated(f"look up pool {pool_id!r}"):
        try:
            pool = account.get_client().get_pool(pool_id, select=POOL_PROPERTIES)
        except ResourceNotFoundError:
            raise BadInput(f"The Batch account has no pool {pool_id!r}: leave --pool out to have one made.") from None
        except HttpResponseError as error:
            if error.status_code == 400:
                raise BadInput(f"{pool_id!r} is not a pool id: letters, digits, '-' and '_', at most 64.") from error
            raise
    if pool.state != "active":
        raise BadInput(f"The pool {pool_id!r} is {pool.state}: wait until it is gone, or name another.")
    if complaint := _complaint_of_map(pool) if instances is None else _complaint_of_instances(pool, instances):
        raise BadInput(f"The pool {pool_id!r} cannot be used: {complaint}")
    return pool_id


def is_usable(account: AzureBatchAccount, pool_id: str, instances: int | None = None) -> bool:
    """Whether a pool of ours can go on with further tasks.

    Raises:
        ServiceFailure: Batch refused or failed the request.
    """
    try:
        check_pool(account, pool_id, instances)
    except BadInput:
        return False
    return True


def _complaint_of_map(pool: models.BatchPool) -> str | None:
    if is_steady(pool) and current_nodes(pool) == target_nodes(pool) == 0 and not pool.enable_auto_scale:
        return "it has no node, and no formula that gives it one. Resize it, or leave --pool out."
    if not pool.enable_inter_node_communication:
        return None
    return (
        "it is made for MPI tasks, which need many of its nodes idle at a time and would wait for ever behind a map's "
        "tasks. Name another pool, or leave --pool out."
    )


def _complaint_of_instances(pool: models.BatchPool, instances: int) -> str | None:
    nodes = max(current_nodes(pool), target_nodes(pool))
    if nodes < instances:  # also where the pool scales itself: it does not do so for one task of many instances
        return (
            f"it has {nodes} of the {instances} nodes that are needed at a time. Resize it, or ask for fewer --nodes."
        )
    return complaint_about_shape(pool)


create_pool_task = stage(create_pool, name="Create pool")
check_pool_task = stage(check_pool, name="Use pool")
