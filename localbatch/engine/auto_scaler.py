"""Evaluates the formulas of pools, at once and on their intervals, and resizes the pools."""

import asyncio
import logging
from datetime import datetime, timedelta

from localbatch.autoscale.formula import Formula, Outcome, PoolSizes
from localbatch.engine.allocation import Allocation
from localbatch.engine.background import breathe
from localbatch.engine.context import Context
from localbatch.rules.auto_scale import check_formula, run_document
from localbatch.rules.states import ALLOCATION, move
from localbatch.store.pools import PoolRecord
from localbatch.wire.formats import JsonObject

logger = logging.getLogger("localbatch")

# A pool's own time for resizing does not count while it scales by itself.
_RESIZE_SECONDS = 900.0
_LONGEST_SLEEP = 60.0


class AutoScaler:
    """The formulas of all pools.

    Args:
        context: the engine's surroundings.
        allocation: what resizes the pools.
    """

    def __init__(self, context: Context, allocation: Allocation) -> None:
        self._context, self._allocation = context, allocation
        self._changed = asyncio.Event()

    def begin(self, pool: PoolRecord) -> PoolRecord:
        """Gives a new pool its nodes: as many as it asks for, or as its formula says."""
        if pool.formula is not None:
            return self.scale(pool)
        self._allocation.begin(pool)
        return pool

    def evaluate(self, pool: PoolRecord, formula: Formula) -> tuple[Outcome, JsonObject]:
        """Evaluates a formula on a pool, and applies nothing.

        Returns:
            The outcome, and the same as ``AutoScaleRun``.
        """
        now, store = self._context.clock.now(), self._context.store
        samples = store.samples.series(pool.seq, formula.metrics, self._context.pace.sample_seconds)
        outcome = formula.evaluate(samples=samples, pool=self._sizes(pool), now=now)
        return outcome, run_document(outcome, now)

    def _sizes(self, pool: PoolRecord) -> PoolSizes:
        nodes = self._context.store.count_nodes(pool.seq)
        slots = pool.body["taskSlotsPerNode"]
        assert isinstance(slots, int)
        return PoolSizes(
            target_dedicated=pool.target_dedicated,
            target_low_priority=pool.target_spot,
            current_dedicated=sum(count for (dedicated, _), count in nodes.items() if dedicated),
            current_low_priority=sum(count for (dedicated, _), count in nodes.items() if not dedicated),
            task_slots_per_node=slots,
        )

    def scale(self, pool: PoolRecord) -> PoolRecord:
        """Evaluates the formula of a pool that has one and begins to resize the pool."""
        assert pool.formula is not None
        outcome, run = self.evaluate(pool, check_formula(pool.formula))
        due = self._context.clock.now() + self._context.pace.interval(pool.evaluation_seconds)
        pool = self._context.store.pools.change(pool, auto_scale_run=run, evaluate_at=due)
        self._changed.set()
        # A resize that is being stopped ends first; the next evaluation finds it done.
        if outcome.error is None and pool.allocation != "stopping":
            return self._resize(pool, outcome)
        return pool

    def _resize(self, pool: PoolRecord, outcome: Outcome) -> PoolRecord:
        targets = outcome.dedicated, outcome.low_priority
        asked = targets != (pool.target_dedicated, pool.target_spot)
        if not asked and (pool.allocation == "resizing" or self._has(pool, *targets)):
            return pool
        now = self._context.clock.now()
        if pool.allocation == "steady" and self._has(pool, *targets):
            # No resize: errors of the last one stay, as users of the service see it (nextflow-io/nextflow#7312).
            return self._context.store.pools.change(
                pool, target_dedicated=outcome.dedicated, target_spot=outcome.low_priority, modified=now
            )
        changes: dict[str, object] = {"modified": now} if asked else {}
        if pool.allocation == "steady":
            changes |= {"allocation": move(ALLOCATION, pool.allocation, "resizing"), "allocation_changed": now}
        pool = self._context.store.pools.change(
            pool,
            target_dedicated=outcome.dedicated,
            target_spot=outcome.low_priority,
            deallocation=outcome.deallocation,
            resize_seconds=_RESIZE_SECONDS,
            resize_errors=[],
            **changes,
        )
        self._allocation.begin_anew(pool)
        return pool

    def _has(self, pool: PoolRecord, dedicated: int, low_priority: int) -> bool:
        sizes = self._sizes(pool)
        return (sizes.current_dedicated, sizes.current_low_priority) == (dedicated, low_priority)

    async def run(self) -> None:
        """Evaluates formulas when they are due, for as long as the service lives."""
        self._bring_forward(self._context.clock.now())
        while True:
            while (pool := self._first_due(self._context.clock.now())) is not None:
                self._scale_or_postpone(pool)
                await breathe()
            await self._sleep()

    def _scale_or_postpone(self, pool: PoolRecord) -> None:
        try:
            self.scale(pool)
        except Exception:
            logger.exception("Scaling pool %s failed", pool.id)
            due = self._context.clock.now() + timedelta(seconds=_LONGEST_SLEEP)
            self._context.store.pools.change(pool, evaluate_at=due)

    def _bring_forward(self, now: datetime) -> None:
        """Has no formula wait for longer than it would if it had just been evaluated: the pace may be another now."""
        for pool in self._scaling():
            latest = now + self._context.pace.interval(pool.evaluation_seconds)
            if pool.evaluate_at is not None and pool.evaluate_at > latest:
                self._context.store.pools.change(pool, evaluate_at=latest)

    def _scaling(self) -> list[PoolRecord]:
        return list(self._context.store.pools.where("formula IS NOT NULL AND state = 'active'"))

    def _first_due(self, now: datetime) -> PoolRecord | None:
        due = (pool for pool in self._scaling() if pool.evaluate_at is None or pool.evaluate_at <= now)
        return min(due, key=lambda pool: pool.evaluate_at or now, default=None)

    async def _sleep(self) -> None:
        dues = [pool.evaluate_at for pool in self._scaling() if pool.evaluate_at is not None]
        left = (min(dues) - self._context.clock.now()).total_seconds() if dues else _LONGEST_SLEEP
        self._changed.clear()
        try:
            async with self._context.clock.timeout(max(0.0, min(left, _LONGEST_SLEEP))):
                await self._changed.wait()
        except TimeoutError:
            return
