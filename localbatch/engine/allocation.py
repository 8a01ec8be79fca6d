"""Pools get and lose nodes until they have the sizes asked for."""

import asyncio
from contextlib import suppress

from localbatch.engine.background import settle
from localbatch.engine.capacity import find_room
from localbatch.engine.context import Context
from localbatch.engine.fleet import Node
from localbatch.engine.new_nodes import add_nodes
from localbatch.engine.nodes import NodeLife
from localbatch.engine.usage import note_pool
from localbatch.rules.states import ALLOCATION, move
from localbatch.store.nodes import NodeRecord
from localbatch.store.pools import PoolRecord
from localbatch.wire.formats import JsonObject

_TIMED_OUT: JsonObject = {
    "code": "AllocationTimedout",
    "message": "Desired number of nodes could not be allocated as the resize timeout was reached",
}
_STOPPED: JsonObject = {
    "code": "ResizeStopped",
    "message": "Desired number of nodes could not be allocated due to a stop resize operation",
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

    def begin(self, pool: PoolRecord) -> None:
        """Resizes a pool whose record says so; of its nodes those named to leave go first."""
        self._works[pool.seq] = self._context.background.start(self._resize(pool))

    def begin_anew(self, pool: PoolRecord) -> None:
        """Resizes a pool whose record says so, instead of the resize that may be under way."""
        self._works[pool.seq] = self._context.background.start(self._resize_instead(pool, self._cancelled(pool)))

    def stop(self, pool: PoolRecord) -> None:
        """Stops the resize of a pool whose record says so; it keeps the nodes it has."""
        self._works[pool.seq] = self._context.background.start(self._stop(pool.seq, self._cancelled(pool)))

    def delete(self, pool: PoolRecord) -> None:
        """Removes a pool whose record says that it is being deleted, with all its nodes."""
        self._works[pool.seq] = self._context.background.start(self._delete(pool, self._cancelled(pool)))

    def _cancelled(self, pool: PoolRecord) -> "asyncio.Task[None] | None":
        # At once: what takes its place may itself be cancelled before it has begun.
        work = self._works.get(pool.seq)
        if work is not None:
            work.cancel()
        return work

    async def _resize(self, pool: PoolRecord) -> None:
        errors: list[JsonObject] = []
        removals: list[asyncio.Task[None]] = []
        try:
            async with self._context.clock.timeout(pool.resize_seconds):
                await self._context.clock.sleep(self._context.allocation_seconds)
                removals = self._shrink(pool)
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

    async def _resize_instead(self, pool: PoolRecord, work: "asyncio.Task[None] | None") -> None:
        await self._give_up(pool.seq, work)
        newest = self._context.store.pools.get(pool.seq)
        if newest is not None and newest.state == "active":
            await self._resize(newest)

    async def _give_up(self, seq: int, work: "asyncio.Task[None] | None") -> None:
        """Waits for the end of a resize that was cancelled; nodes that were to leave and still run tasks stay."""
        if work is not None:
            await settle(work)
        for node in self._context.fleet.nodes(seq):
            self._nodes.keep(node)

    async def _stop(self, seq: int, work: "asyncio.Task[None] | None") -> None:
        await self._give_up(seq, work)
        pool = self._context.store.pools.get(seq)
        missed = pool is not None and any(self._missing(pool, *kind) for kind in _targets(pool))
        self._end(seq, [_STOPPED] if missed else [])

    async def _delete(self, pool: PoolRecord, work: "asyncio.Task[None] | None") -> None:
        await self._give_up(pool.seq, work)
        await settle(*self._remove(self._context.fleet.nodes(pool.seq), "requeue"))
        # Before its record: after that, nobody would know of it any more.
        with suppress(OSError):
            (self._context.nodes_root / pool.account / pool.id).rmdir()
        with self._context.store.transaction():
            note_pool(self._context, pool)
            self._context.store.pools.remove(pool.seq)
        del self._works[pool.seq]

    def _shrink(self, pool: PoolRecord) -> list[asyncio.Task[None]]:
        removals = []
        for dedicated, target in _targets(pool):
            present = self._present(pool, dedicated)
            named = [node for node in present if node.record.leaving]
            others = sorted((node for node in present if not node.record.leaving), key=_usefulness)
            surplus = others[: max(0, len(others) - target)]
            removals += self._remove(named + surplus, pool.deallocation)
        return removals

    def _remove(self, nodes: list[Node], option: str) -> list[asyncio.Task[None]]:
        with self._context.store.transaction():
            return [self._nodes.remove(node, option) for node in nodes]

    def _present(self, pool: PoolRecord, dedicated: bool) -> list[Node]:
        nodes = self._context.fleet.nodes(pool.seq)
        return [node for node in nodes if node.record.dedicated == dedicated and not node.draining]

    def _missing(self, pool: PoolRecord, dedicated: bool, target: int) -> int:
        return max(0, target - len(self._present(pool, dedicated)))

    def _grow(self, pool: PoolRecord) -> list[JsonObject]:
        errors: list[JsonObject] = []
        made: list[NodeRecord] = []
        with self._context.store.transaction():
            lacking = {dedicated: self._missing(pool, dedicated, target) for dedicated, target in _targets(pool)}
            fault = self._context.store.take_fault(pool.account, pool.id) if any(lacking.values()) else None
            if fault is not None:
                return [fault.error]
            for dedicated, missing in lacking.items():
                room, error = find_room(self._context, pool, dedicated, missing)
                errors += [] if error is None else [error]
                made += add_nodes(self._context, pool, dedicated, room)
        for record in made:
            self._nodes.begin(pool, record)
        return errors


def _targets(pool: PoolRecord) -> tuple[tuple[bool, int], tuple[bool, int]]:
    return (True, pool.target_dedicated), (False, pool.target_spot)


def _usefulness(node: Node) -> tuple[bool, int, bool, int]:
    """Nodes with job managers leave last, nodes that do nothing first, and of these those not up, and the newest."""
    return any(run.manager for run in node.runs.values()), len(node.runs), node.accepts_tasks, -node.record.seq
