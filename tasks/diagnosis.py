"""Why tasks do not start: what is wrong with a pool or its nodes, in a sentence that says what to do."""

from azure.batch import BatchClient, models
from azure.core.exceptions import ResourceNotFoundError

from prefect_azure_batch.tasks.errors import PoolUnusable
from prefect_azure_batch.tasks.logs import with_stderr
from prefect_azure_batch.tasks.node_files import read_stderr

DEAD_NODE_STATES = {"starttaskfailed", "unusable"}
START_TASK_DIRECTORY = "startup"
RUN_METADATA = "prefect-azure-batch-run"
"""Metadata of what a run makes: the run's id."""
LEASE_METADATA = "prefect-azure-batch-lease"
"""Metadata of a pool whose formula holds a lease and one size: the length of the lease, in seconds."""

_PASSING_RESIZE_ERRORS = {"allocationfailed", "allocationtimedout"}
_NODE_PROPERTIES = ["id,state,schedulingState,startTaskInfo,errors"]
POOL_PROPERTIES = [
    "id,state,allocationState,allocationStateTransitionTime,resizeErrors,metadata,enableAutoScale,autoScaleRun,"
    "enableInterNodeCommunication,taskSlotsPerNode,"
    "currentDedicatedNodes,currentLowPriorityNodes,targetDedicatedNodes,targetLowPriorityNodes"
]


def read_pool(client: BatchClient, pool_id: str) -> models.BatchPool:
    """A pool that tasks wait for, with what a diagnosis needs.

    Raises:
        PoolUnusable: it is gone, or going.
    """
    try:
        pool = client.get_pool(pool_id, select=POOL_PROPERTIES)
    except ResourceNotFoundError:
        raise PoolUnusable(f"The pool {pool_id!r} is gone, and tasks wait for it.") from None
    if str.lower(pool.state or "") == "deleting":
        raise PoolUnusable(f"The pool {pool_id!r} is being deleted, and tasks wait for it.")
    return pool


def read_nodes(client: BatchClient, pool_id: str) -> list[models.BatchNode]:
    """The nodes of a pool, with what a diagnosis needs."""
    return list(client.list_nodes(pool_id, select=_NODE_PROPERTIES))


def is_steady(pool: models.BatchPool) -> bool:
    """Whether the pool is neither getting nor losing nodes, nor about to evaluate its formula for the first time."""
    return str.lower(pool.allocation_state or "") == "steady" and not awaits_formula(pool)


def awaits_formula(pool: models.BatchPool) -> bool:
    """Whether the pool has a formula that has not been evaluated yet: then its size is not known."""
    return bool(pool.enable_auto_scale) and pool.auto_scale_run is None


def follows_load(pool: models.BatchPool) -> bool:
    """Whether the pool chooses its size by a formula of somebody's own; those of ours hold a lease and one size."""
    return bool(pool.enable_auto_scale) and not is_leased(pool)


def is_leased(pool: models.BatchPool) -> bool:
    """Whether the pool's formula holds a lease of ours, and one size."""
    return _value(pool.metadata, LEASE_METADATA) is not None


def current_nodes(pool: models.BatchPool) -> int:
    """Nodes that a pool has, dedicated and spot."""
    return (pool.current_dedicated_nodes or 0) + (pool.current_low_priority_nodes or 0)


def target_nodes(pool: models.BatchPool) -> int:
    """Nodes that a pool shall have, dedicated and spot."""
    return (pool.target_dedicated_nodes or 0) + (pool.target_low_priority_nodes or 0)


def diagnose_pool(
    client: BatchClient, pool_id: str, job: models.BatchJob | None = None
) -> tuple[models.BatchPool, list[models.BatchNode]]:
    """Says why no task can run on a pool, if that is so.

    Args:
        client: the Batch client.
        pool_id: the pool.
        job: the job that waits, with its metadata and the time of its creation: an error of a resize that was over
            before it began is none of its business. None if there is no job yet.

    Returns:
        The pool and its nodes, as they were found.

    Raises:
        PoolUnusable: the pool is gone, could not get its nodes, or has only nodes that failed to start.
    """
    pool = read_pool(client, pool_id)
    nodes = read_nodes(client, pool_id)
    if not is_steady(pool):
        return pool, nodes
    if current_nodes(pool) == 0 and pool.resize_errors and _gave_up(pool, job):
        raise PoolUnusable(f"The pool {pool_id!r} got no node: {describe_resize(pool.resize_errors)}")
    if nodes and all(str.lower(node.state or "") in DEAD_NODE_STATES for node in nodes):
        raise PoolUnusable(f"No node of pool {pool_id!r} can run a task. {describe_node(client, pool_id, nodes[0])}")
    return pool, nodes


def _gave_up(pool: models.BatchPool, job: models.BatchJob | None) -> bool:
    """Whether the last resize of a pool failed for a job, and nobody will try again."""
    if follows_load(pool):
        return False  # its next evaluation does
    if job is None or _run_of(pool.metadata) == _run_of(job.metadata) is not None:
        return True
    changed = pool.allocation_state_transition_time
    return changed is None or changed >= job.creation_time


def _run_of(metadata: list[models.BatchMetadataItem] | None) -> str | None:
    """The run that a pool or job was made for."""
    return _value(metadata, RUN_METADATA)


def _value(metadata: list[models.BatchMetadataItem] | None, name: str) -> str | None:
    return next((item.value for item in metadata or [] if item.name == name), None)


def diagnose_instances(client: BatchClient, pool_id: str, instances: int) -> None:
    """Says why a task of several instances cannot start on a pool, if that is so: Batch lets it wait for ever.

    Raises:
        PoolUnusable: the pool has not the shape that such a task needs, or too few nodes.
    """
    pool = read_pool(client, pool_id)
    if complaint := complaint_about_shape(pool):
        raise PoolUnusable(f"The task would wait for ever: {complaint}")
    if is_steady(pool) and not follows_load(pool) and current_nodes(pool) < instances:
        raise PoolUnusable(
            f"The task would wait for ever: it needs {instances} nodes at a time, and pool {pool_id!r} has "
            f"{current_nodes(pool)}. Resize the pool."
        )


def complaint_about_shape(pool: models.BatchPool) -> str | None:
    """Why no task of several instances runs on a pool, however many nodes it has; None if it can.

    Source: "Use multi-instance tasks to run MPI applications in Batch", Microsoft Learn.
    """
    if not pool.enable_inter_node_communication:
        return (
            f"the nodes of pool {pool.id!r} cannot talk to each other: use a pool made with inter-node communication."
        )
    if (pool.task_slots_per_node or 1) > 1:
        return f"the nodes of pool {pool.id!r} have {pool.task_slots_per_node} task slots: use a pool with one slot."
    return None


def describe_resize(errors: list[models.ResizeError]) -> str:
    """Why a pool did not get the nodes it was to have, and what to do."""
    reasons = "; ".join(f"{error.code}: {error.message}" for error in errors)
    passing = all((error.code or "").lower() in _PASSING_RESIZE_ERRORS for error in errors)
    hint = "Try again later or with another --vm-size." if passing else "Ask for fewer nodes or more quota."
    return f"{reasons.rstrip('.')}. {hint}"


def describe_node(client: BatchClient, pool_id: str, node: models.BatchNode) -> str:
    """Why a node runs no tasks, with the end of its start task's standard error if that is the reason."""
    name, info = f"Node {node.id}", node.start_task_info
    if info and info.failure_info:
        code = "no exit code" if info.exit_code is None else f"exit code {info.exit_code}"
        reason = f"{name}: its start task failed ({code}, {info.failure_info.code}: {info.failure_info.message})"
        return with_stderr(reason, read_stderr(client, pool_id, node.id or "", START_TASK_DIRECTORY))
    errors = "; ".join(f"{error.code}: {error.message}" for error in node.errors or [])
    return f"{name}: it is {str.lower(node.state or '')}" + (f" ({errors})" if errors else "")


_OF_ACCESS = ". Its link has ended, or the identity of the nodes has no role there: docs/storage-access.md"
_ADVICE = {"BlobAccessDenied": _OF_ACCESS, "FileUploadAccessDenied": _OF_ACCESS}


def describe_failure(info: models.BatchTaskFailureInfo | None) -> str:
    """What the service says of a failure: code, message and details on one line, and what to do about storage."""
    if info is None:
        return "failed without a reason from the service"
    details = "; ".join(str(detail.value) for detail in info.details or [] if detail.name == "Message")
    return f"{info.code}: {info.message}" + (f" ({details})" if details else "") + _ADVICE.get(info.code or "", "")
