"""Records of nodes to be: what the pool says of them now."""

import hashlib
import secrets
from typing import Any

from localbatch.engine.context import Context
from localbatch.rules.states import NODE
from localbatch.store.nodes import NodeRecord
from localbatch.store.pools import PoolRecord


def add_nodes(context: Context, pool: PoolRecord, dedicated: bool, count: int) -> list[NodeRecord]:
    """Adds nodes to a pool; the caller has a transaction open, and brings them up.

    Args:
        context: the engine's surroundings.
        pool: the pool.
        dedicated: false for spot nodes.
        count: how many.
    """
    newest = context.store.pools.get(pool.seq) or pool
    records = [_new_node(context, newest, dedicated, newest.nodes_made + number) for number in range(count)]
    context.store.pools.change(newest, nodes_made=newest.nodes_made + count)
    return [context.store.nodes.add(record) for record in records]


def commands_of(pool: PoolRecord) -> dict[str, Any]:
    """Makes the fields of a node that is being started: start task and application packages of its pool."""
    start_task, packages = pool.body.get("startTask"), pool.body.get("applicationPackageReferences")
    return {
        "start_task": start_task if isinstance(start_task, dict) else None,
        "packages": [item for item in packages if isinstance(item, dict)] if isinstance(packages, list) else [],
    }


def _new_node(context: Context, pool: PoolRecord, dedicated: bool, number: int) -> NodeRecord:
    # Azure's host names end with the number of the node in its pool, too.
    name = hashlib.sha256(f"{pool.account}/{pool.id}/{pool.seq}".encode()).hexdigest()[:32]
    now = context.clock.now()
    return NodeRecord(
        seq=0,
        pool=pool.seq,
        id=f"tvmps_{secrets.token_hex(32)}_{'d' if dedicated else 'p'}",
        dedicated=dedicated,
        hostname=f"{name}{number:06d}",
        state=NODE.initial,
        state_changed=now,
        allocated=now,
        used_since=now,
        booted=None,
        start_info=None,
        errors=[],
        tasks_run=0,
        tasks_succeeded=0,
        **commands_of(pool),
    )
