"""How many nodes a pool may get: what the account's core quotas leave of those it has."""

from localbatch.engine.context import Context
from localbatch.rules.quotas import fitting_nodes
from localbatch.rules.vm_sizes import find_size
from localbatch.store.pools import PoolRecord
from localbatch.wire.formats import JsonObject


def find_room(context: Context, pool: PoolRecord, dedicated: bool, wanted: int) -> tuple[int, JsonObject | None]:
    """Tells how many more nodes a pool may get.

    Args:
        context: the engine's surroundings.
        pool: the pool.
        dedicated: whether the nodes are dedicated or spot nodes.
        wanted: how many it lacks.

    Returns:
        The number, and why it is less than asked for.
    """
    size = find_size(str(pool.body["vmSize"]))
    if not wanted or size is None:
        return wanted, None
    return fitting_nodes(context.quotas, size, dedicated, wanted, used_cores(context, pool.account, dedicated))


def used_cores(context: Context, account: str, dedicated: bool) -> dict[str, int]:
    """Counts the cores of an account's nodes by VM family; a node counts until it is gone."""
    cores: dict[str, int] = {}
    for pool in context.store.pools.where("account = ?", account):
        size = find_size(str(pool.body["vmSize"]))
        if size is not None:
            counts = context.store.count_nodes(pool.seq)
            nodes = sum(count for (kind, _), count in counts.items() if kind == dedicated)
            cores[size.family] = cores.get(size.family, 0) + nodes * size.cores
    return cores
