"""Pools get and lose nodes until they have the sizes asked for."""

import asyncio
import hashlib
import secrets
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime

from localbatch.engine.background import settle
from localbatch.engine.capacity import find_room
from localbatch.engine.context import Context
from localbatch.engine.fleet import Node
from localbatch.engine.nodes import NodeLife
from localbatch.records import NodeRecord, PoolRecord
from localbatch.states import ALLOCATION, move
from localbatch.wire import JsonObject

_TIMED_OUT: JsonObject = {
    "code": "AllocationTimedOut",
    "message": "Desired number of nodes could not be allocated as the resize timeout was reached",
}


class Allocation:
    """The resizes under way, at most one per pool.

    Args:
        context: the engine's surroundings.
        nodes: what brings nodes up and takes them away.
    """

    def __init__(self, context: Context, nodes: NodeLife) -> None:
        self._context, self._nodes = context, nodes
        self._works: dict[int, asyncio.Task[None]] = {}

    def begin(self, pool: PoolRecord, leaving: Iterable[str] = ()) -> None:
        """Resizes a pool whose record says so.

        Args:
            pool: the pool, in allocation state ``resizing``.
            leaving: ids of nodes that must be among those that leave.
        """
        self._works[pool.seq] = self._context.background.start(self._resize(pool, frozenset(leaving)))

    def stop(self, pool: PoolRecord) -> None:
        """Stops the resize of a pool whose record says so; it keeps the nodes it has."""
        work = self._works.get(pool.seq)
        self._works[pool.seq] = self._context.background.start(self._stop(pool.seq, work))

    def delete(self, pool: PoolRecord) -> None:
        """Removes a pool whose record says that it is being deleted, with all its nodes."""
        work = self._works.get(pool.seq)
        self._works[pool.seq] = self._context.background.start(self._delete(pool, work))

    async def _resize(self, pool: PoolRecord, leaving: frozenset[str]) -> None:
        errors: list[JsonObject] = []
        removals: list[asyncio.Task[None]] = []
        try:
            async with asyncio.timeout(pool.resize_seconds):
                await asyncio.sleep(self._context.allocation_seconds)
                removals = self._shrink(pool, leaving)
                errors = self._grow(pool)
                await settle(*removals)
        except TimeoutError:
            errors = [*errors, _TIMED_OUT]
        self._end(pool.seq, errors)

    def _end(self, seq: int, errors: list[JsonObject]) -> None:
        pool = self._context.store.pools.get(seq)
        if pool is not None and pool.state == "active" and pool.allocation != "steady":
            state = move(ALLOCATION, pool.allocation, "steady")
            changes = {"allocation": state, "allocation_changed": self._context.clock.now(), "resize_errors": errors}
            self._context.store.pools.change(pool, **changes)

    async def _stop(self, seq: int, work: "asyncio.Task[None] | None") -> None:
        if work is not None:
            work.cancel()
            await settle(work)
        for node in self._context.fleet.nodes(seq):
            self._nodes.keep(node)
        self._end(seq, [])

    async def _delete(self, pool: PoolRecord, work: "asyncio.Task[None] | None") -> None:
        if work is not None:
            work.cancel()
            await settle(work)
        for node in self._context.fleet.nodes(pool.seq):
            self._nodes.keep(node)
        await settle(*(self._nodes.remove(node, "requeue") for node in self._context.fleet.nodes(pool.seq)))
        self._context.store.pools.remove(pool.seq)
        del self._works[pool.seq]
        with suppress(OSError):
            (self._context.nodes_root / pool.account / pool.id).rmdir()

    def _shrink(self, pool: PoolRecord, leaving: frozenset[str]) -> list[asyncio.Task[None]]:
        removals = []
        for dedicated, target in _targets(pool):
            nodes = [node for node in self._present(pool, dedicated) if node.id not in leaving]
            surplus = sorted(nodes, key=_usefulness)[: max(0, len(nodes) - target)]
            named = [node for node in self._present(pool, dedicated) if node.id in leaving]
            removals += [self._nodes.remove(node, pool.deallocation) for node in named + surplus]
        return removals

    def _present(self, pool: PoolRecord, dedicated: bool) -> list[Node]:
        nodes = self._context.fleet.nodes(pool.seq)
        return [node for node in nodes if node.record.dedicated == dedicated and not node.draining]

    def _grow(self, pool: PoolRecord) -> list[JsonObject]:
        errors: list[JsonObject] = []
        made: list[NodeRecord] = []
        with self._context.store.transaction():
            newest = self._context.store.pools.get(pool.seq) or pool
            for dedicated, target in _targets(pool):
                missing = max(0, target - len(self._present(pool, dedicated)))
                room, error = find_room(self._context, newest, dedicated, missing)
                errors += [] if error is None else [error]
                for _ in range(room):
                    record = _new_node(newest, dedicated, newest.nodes_made + len(made), self._context.clock.now())
                    made.append(self._context.store.nodes.add(record))
            if made:
                newest = self._context.store.pools.change(newest, nodes_made=newest.nodes_made + len(made))
        for record in made:
            self._nodes.begin(newest, record)
        return errors


def _targets(pool: PoolRecord) -> tuple[tuple[bool, int], tuple[bool, int]]:
    return (True, pool.target_dedicated), (False, pool.target_spot)


def _usefulness(node: Node) -> tuple[int, bool, int]:
    """Nodes that do nothing leave first, and among them those that are not up, and the newest."""
    return len(node.runs), node.accepts_tasks, -node.record.seq


def _new_node(pool: PoolRecord, dedicated: bool, number: int, now: datetime) -> NodeRecord:
    start_task = pool.body.get("startTask")
    packages = pool.body.get("applicationPackageReferences")
    # Azure's host names end with the number of the node in its pool, too.
    name = hashlib.sha256(f"{pool.account}/{pool.id}/{pool.seq}".encode()).hexdigest()[:32]
    return NodeRecord(
        seq=0,
        pool=pool.seq,
        id=f"tvmps_{secrets.token_hex(32)}_{'d' if dedicated else 'p'}",
        dedicated=dedicated,
        hostname=f"{name}{number:06d}",
        state="creating",
        state_changed=now,
        allocated=now,
        booted=None,
        start_task=start_task if isinstance(start_task, dict) else None,
        start_info=None,
        packages=[item for item in packages if isinstance(item, dict)] if isinstance(packages, list) else [],
        errors=[],
        tasks_run=0,
        tasks_succeeded=0,
    )
