"""Stage: a pool of VMs, made for the run or already there."""

from datetime import timedelta

from azure.batch import BatchClient, models
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError

from blocks.azure_batch import AzureBatchAccount
from tasks.errors import BadInput, PoolUnusable, translated
from tasks.images import choose_image
from tasks.records import PoolPlan
from tasks.stage import stage

RUN_METADATA = "prefect-azure-batch-run"
MAX_SLOTS = 256

_RESIZE_TIMEOUT = timedelta(minutes=15)
_DEAD_NODE_STATES = {"starttaskfailed", "unusable"}
_PASSING_RESIZE_ERRORS = {"allocationfailed", "allocationtimedout"}


def check_sizes(nodes: int, slots: int) -> None:
    """Refuses sizes that no pool can have.

    Raises:
        BadInput: says which bound is broken.
    """
    if nodes < 1:
        raise BadInput(f"A pool needs at least 1 node, not {nodes}.")
    if not 1 <= slots <= MAX_SLOTS:
        raise BadInput(f"A node has 1 to {MAX_SLOTS} task slots, not {slots}.")


def create_pool(account: AzureBatchAccount, plan: PoolPlan) -> str:
    """Creates a pool; it does not wait for the nodes, which take tasks as they become ready.

    A repeated call finds its own pool.

    Args:
        account: the Batch account.
        plan: the pool.

    Returns:
        The pool's id.

    Raises:
        BadInput: impossible sizes, or no usable image.
        ServiceFailure: Batch refused or failed the request, or the id belongs to another run.
    """
    check_sizes(plan.nodes, plan.slots)
    client = account.get_client()
    with translated(f"create pool {plan.pool_id!r}"):
        image = choose_image(client.list_supported_images())
        try:
            client.create_pool(_pool_options(plan, image))
        except ResourceExistsError as error:
            if getattr(error.error, "code", "") != "PoolExists" or not _is_own(client, plan):
                raise
    return plan.pool_id


def _pool_options(plan: PoolPlan, image: models.BatchSupportedImage) -> models.BatchPoolCreateOptions:
    return models.BatchPoolCreateOptions(
        id=plan.pool_id,
        vm_size=plan.vm_size,
        virtual_machine_configuration=models.VirtualMachineConfiguration(
            image_reference=image.image_reference, node_agent_sku_id=image.node_agent_sku_id
        ),
        resize_timeout=_RESIZE_TIMEOUT,
        target_dedicated_nodes=0 if plan.spot else plan.nodes,
        target_low_priority_nodes=plan.nodes if plan.spot else 0,
        task_slots_per_node=plan.slots,
        application_package_references=[
            models.BatchApplicationPackageReference(application_id=application_id, version=version)
            for application_id, version in plan.packages
        ],
        metadata=[models.BatchMetadataItem(name=RUN_METADATA, value=plan.run_id)],
    )


def _is_own(client: BatchClient, plan: PoolPlan) -> bool:
    metadata = client.get_pool(plan.pool_id, select=["id,metadata"]).metadata or []
    return any(item.name == RUN_METADATA and item.value == plan.run_id for item in metadata)


def check_pool(account: AzureBatchAccount, pool_id: str) -> str:
    """Makes sure that an existing pool can take a job.

    Raises:
        BadInput: there is no such pool, or it is being deleted.
        ServiceFailure: Batch refused or failed the request.
    """
    with translated(f"look up pool {pool_id!r}"):
        try:
            pool = account.get_client().get_pool(pool_id, select=["id,state"])
        except ResourceNotFoundError:
            raise BadInput(f"The Batch account has no pool {pool_id!r}: leave --pool out to have one made.") from None
        except HttpResponseError as error:
            if error.status_code == 400:
                raise BadInput(f"{pool_id!r} is not a pool id: letters, digits, '-' and '_', at most 64.") from error
            raise
    if pool.state != "active":
        raise BadInput(f"The pool {pool_id!r} is {pool.state}: wait until it is gone, or name another.")
    return pool_id


def diagnose_pool(client: BatchClient, pool_id: str) -> None:
    """Says why no task can run on a pool, if that is so.

    Raises:
        PoolUnusable: the pool is gone, could not get its nodes, or has only nodes that failed to start.
    """
    try:
        pool = client.get_pool(
            pool_id, select=["id,state,allocationState,resizeErrors,currentDedicatedNodes,currentLowPriorityNodes"]
        )
    except ResourceNotFoundError:
        raise PoolUnusable(f"The pool {pool_id!r} is gone, and tasks wait for it.") from None
    nodes = (pool.current_dedicated_nodes or 0) + (pool.current_low_priority_nodes or 0)
    errors = pool.resize_errors or []
    if pool.allocation_state == "steady" and nodes == 0 and errors:
        reasons = "; ".join(f"{error.code}: {error.message}" for error in errors)
        hint = (
            " Try again later or with another --vm-size." if _passes(errors) else " Ask for fewer nodes or more quota."
        )
        raise PoolUnusable(f"The pool {pool_id!r} got no node: {reasons}.{hint}")
    if nodes and pool.allocation_state == "steady":
        _diagnose_nodes(client, pool_id)


def _passes(errors: list[models.ResizeError]) -> bool:
    return all((error.code or "").lower() in _PASSING_RESIZE_ERRORS for error in errors)


def _diagnose_nodes(client: BatchClient, pool_id: str) -> None:
    nodes = list(client.list_nodes(pool_id, select=["id,state,startTaskInfo,errors"]))
    if not nodes or any(str.lower(node.state or "") not in _DEAD_NODE_STATES for node in nodes):
        return
    first = nodes[0]
    reason = f"it is {str.lower(first.state or '')}"
    if first.start_task_info and first.start_task_info.failure_info:
        reason = f"its start task failed ({first.start_task_info.failure_info.message})"
    elif first.errors:
        reason = "; ".join(f"{error.code}: {error.message}" for error in first.errors)
    raise PoolUnusable(f"No node of pool {pool_id!r} can run a task. Node {first.id}: {reason}.")


create_pool_task = stage(create_pool, name="Create pool")
check_pool_task = stage(check_pool, name="Use pool")
