"""Stage: wait for the nodes of a pool."""

from collections.abc import Callable, Sequence
from datetime import timedelta

from azure.batch import BatchClient, models

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.tasks.diagnosis import (
    DEAD_NODE_STATES,
    awaits_formula,
    describe_node,
    describe_resize,
    follows_load,
    is_steady,
    read_nodes,
    read_pool,
    target_nodes,
)
from prefect_azure_batch.tasks.errors import DeadlineExceeded, PoolUnusable, translated
from prefect_azure_batch.tasks.intervals import growing_pauses
from prefect_azure_batch.tasks.node_states import NodeStates, states_of
from prefect_azure_batch.tasks.stage import stage

_DEADLINE = timedelta(hours=1)
# Nodes in these states run nothing until somebody wakes them up.
_ABSENT_STATES = {"offline", "leavingpool", "deallocating", "deallocated"}


def wait_for_nodes(
    account: AzureBatchAccount,
    pool_id: str,
    wanted: int,
    deadline: timedelta = _DEADLINE,
    tell: Callable[[NodeStates], None] | None = None,
) -> list[str]:
    """Waits until a pool has got its nodes and enough of them are idle.

    Nodes that run other tasks are waited for. It does not wait for what will not come: the reason is raised at once.
    Nor does it wait for a pool that scales itself, whose nodes come with the tasks.

    Args:
        account: the Batch account.
        pool_id: the pool.
        wanted: how many nodes must be idle at a time.
        deadline: how long to wait.
        tell: is told the nodes by state at each look.

    Returns:
        Ids of the idle nodes, at least as many as wanted but of a pool that scales itself.

    Raises:
        PoolUnusable: the pool is gone, could not get so many nodes, or too many of them failed to start.
        DeadlineExceeded: it took too long.
        ServiceFailure: Batch refused or failed a request.
    """
    client, idle = account.get_client(), list[str]()
    for _ in growing_pauses(deadline.total_seconds()):
        with translated(f"wait for the nodes of pool {pool_id!r}"):
            pool, nodes = read_pool(client, pool_id), read_nodes(client, pool_id)
            idle = [node.id or "" for node in nodes if _is_idle(node)]
            if tell:
                tell(states_of(nodes, target_nodes(pool)))
            if follows_load(pool) or (is_steady(pool) and len(idle) >= wanted):
                return idle
            if not awaits_formula(pool) and attainable(pool, nodes) < wanted:
                raise PoolUnusable(_reason(client, pool, nodes, wanted))
    raise DeadlineExceeded(
        f"The pool {pool_id!r} had {len(idle)} of {wanted} nodes idle after {deadline}: "
        "look at what its nodes do, or allow more time."
    )


def attainable(pool: models.BatchPool, nodes: Sequence[models.BatchNode]) -> int:
    """How many nodes may be idle sooner or later, if nobody changes the pool."""
    lost = sum(_state(node) in DEAD_NODE_STATES | _ABSENT_STATES or _is_disabled(node) for node in nodes)
    return (len(nodes) if is_steady(pool) else max(len(nodes), target_nodes(pool))) - lost


def _reason(client: BatchClient, pool: models.BatchPool, nodes: Sequence[models.BatchNode], wanted: int) -> str:
    pool_id = pool.id or ""
    message = f"The pool {pool_id!r} cannot have {wanted} idle nodes"
    dead = [node for node in nodes if _state(node) in DEAD_NODE_STATES]
    if dead:
        return f"{message}: {len(dead)} of {len(nodes)} failed. {describe_node(client, pool_id, dead[0])}"
    if pool.resize_errors:
        return f"{message}: it got {len(nodes)}. {describe_resize(pool.resize_errors)}"
    return f"{message}: it has {len(nodes)}, of which {attainable(pool, nodes)} take tasks. Resize it, or wake them up."


def _state(node: models.BatchNode) -> str:
    return str.lower(node.state or "")


def _is_disabled(node: models.BatchNode) -> bool:
    return str.lower(node.scheduling_state or "") == "disabled"


def _is_idle(node: models.BatchNode) -> bool:
    return _state(node) == "idle" and not _is_disabled(node)


wait_for_nodes_task = stage(wait_for_nodes, name="Wait for nodes")
