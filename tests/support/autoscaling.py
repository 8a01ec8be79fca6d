"""Pools that choose their sizes by formulas: the shortest way to them."""

from datetime import timedelta
from typing import Any

from azure.batch import models

from tests.support.account import Account


def make_pool(batch: Account, formula: str, pool_id: str = "pool", **options: Any) -> None:
    """Creates a pool that scales by itself."""
    batch.make_pool(pool_id, nodes=None, enable_auto_scale=True, auto_scale_formula=formula, **options)  # type: ignore[arg-type]


def enable(batch: Account, formula: str | None = None, interval: timedelta | None = None) -> None:
    """Enables automatic scaling of the pool."""
    options = models.BatchPoolEnableAutoScaleOptions(
        auto_scale_formula=formula, auto_scale_evaluation_interval=interval
    )
    batch.client.enable_pool_auto_scale("pool", options)


def evaluate(batch: Account, formula: str) -> models.AutoScaleRun:
    """Evaluates a formula on the pool."""
    options = models.BatchPoolEvaluateAutoScaleOptions(auto_scale_formula=formula)
    return batch.client.evaluate_pool_auto_scale("pool", options)


def run_of(batch: Account) -> models.AutoScaleRun:
    """Returns how the last evaluation of the pool went."""
    run = batch.client.get_pool("pool").auto_scale_run
    assert run is not None
    return run


def sizes(batch: Account) -> tuple[int | None, int | None, str | None]:
    """Tells how many dedicated and spot nodes the pool has, and its allocation state."""
    pool = batch.client.get_pool("pool")
    return pool.current_dedicated_nodes, pool.current_low_priority_nodes, pool.allocation_state


def retry(batch: Account, formula: str) -> None:
    """Enables automatic scaling as soon as it may be enabled once more."""

    def enabled() -> bool:
        answer = batch.send("POST", "/pools/pool/enableautoscale", json={"autoScaleFormula": formula})
        assert answer.status_code in (200, 503)
        return answer.status_code == 200

    batch.wait_until(enabled)


def disable(batch: Account, job_id: str) -> None:
    """Disables a job and waits until it is disabled."""
    options = models.BatchJobDisableOptions(disable_tasks="requeue")
    batch.client.begin_disable_job(job_id, options, polling_interval=0).wait()


def results(run: models.AutoScaleRun) -> dict[str, float]:
    """Returns a formula's own variables."""
    pairs = (part.partition("=") for part in str(run.results).split(";")[3:])
    return {name: float(value) for name, _, value in pairs}
