"""The automatic scaling of pools, as clients change it."""

from localbatch.bodies.pools import AutoScaleEnabling, AutoScaleTrial
from localbatch.bodies.reading import read
from localbatch.engine.engine import Engine
from localbatch.rules.auto_scale import (
    DEFAULT_INTERVAL,
    check_formula,
    check_interval,
    missing_formula,
    nothing_to_change,
)
from localbatch.service.pools import Check, Pools, auto_scale_state, refuse
from localbatch.store.pools import PoolRecord
from localbatch.wire.errors import ServiceError
from localbatch.wire.formats import JsonObject


class AutoScale:
    """The formulas of all pools.

    Args:
        engine: what evaluates them.
        pools: the pools.
    """

    def __init__(self, engine: Engine, pools: Pools) -> None:
        self._engine, self._pools = engine, pools
        self._store, self._clock = engine.context.store, engine.context.clock

    def enable(self, account: str, pool_id: str, document: JsonObject, check: Check) -> PoolRecord:
        """Gives a pool a formula, or another one or another interval, and evaluates it at once.

        Raises:
            ServiceError: the pool or the body is refused, or the request comes too soon after another one.
        """
        pool = self._pools.changeable(account, pool_id, check)
        body = read(AutoScaleEnabling, document)
        formula = self._formula(pool, body)
        interval = body.auto_scale_evaluation_interval
        if interval is not None:
            check_interval(interval)
        refuse("allocation", "enableautoscale", pool.allocation)
        now = self._clock.now()
        pace = self._engine.context.pace
        if pool.auto_scale_requested is not None and now < pool.auto_scale_requested + pace.between_requests:
            raise ServiceError("TooManyEnableAutoScaleRequests")
        usual = DEFAULT_INTERVAL.total_seconds() if pool.formula is None else pool.evaluation_seconds
        pool = self._store.pools.change(
            pool,
            formula=formula,
            evaluation_seconds=usual if interval is None else interval.total_seconds(),
            auto_scale_requested=now,
            modified=now,
        )
        return self._engine.auto_scaler.scale(pool)

    def _formula(self, pool: PoolRecord, body: AutoScaleEnabling) -> str:
        formula = body.auto_scale_formula
        if formula is not None:
            return check_formula(formula).text
        if pool.formula is None:
            raise missing_formula()
        if body.auto_scale_evaluation_interval is None:
            raise nothing_to_change()
        return pool.formula

    def disable(self, account: str, pool_id: str) -> PoolRecord:
        """Takes a pool its formula; a resize under way goes on, and the pool may be resized by hand.

        Raises:
            ServiceError: the pool is refused.
        """
        pool = self._pools.changeable(account, pool_id, lambda _modified: None)
        changes = {"formula": None, "evaluate_at": None, "auto_scale_run": None}
        return self._store.pools.change(pool, **changes, modified=self._clock.now())

    def evaluate(self, account: str, pool_id: str, document: JsonObject) -> JsonObject:
        """Evaluates a formula on a pool that scales by itself, and applies nothing.

        Returns:
            The ``AutoScaleRun``.

        Raises:
            ServiceError: the pool is refused, or the formula can't be read.
        """
        pool = self._pools.changeable(account, pool_id, lambda _modified: None)
        formula = check_formula(read(AutoScaleTrial, document).auto_scale_formula)
        refuse("autoscale", "evaluate", auto_scale_state(pool))
        return self._engine.auto_scaler.evaluate(pool, formula)[1]
