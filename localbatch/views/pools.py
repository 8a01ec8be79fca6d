"""Pools as the wire shows them: pure functions from records to JSON."""

from collections.abc import Mapping
from datetime import timedelta

from localbatch.store.pools import PoolRecord
from localbatch.views.links import pool_url
from localbatch.views.resources import given, head, state_since, with_body
from localbatch.wire.confidential import without_secrets
from localbatch.wire.formats import JsonObject, JsonValue, format_duration


def pool_view(base: str, pool: PoolRecord, nodes: Mapping[tuple[bool, str], int]) -> JsonObject:
    """Shows a pool, with the nodes it has by kind and state."""
    view = head(pool_url(base, pool.id), pool)
    view |= state_since("state", pool.state, pool.state_changed)
    view |= state_since("allocationState", pool.allocation, pool.allocation_changed)
    view |= {
        "currentDedicatedNodes": sum(count for (dedicated, _), count in nodes.items() if dedicated),
        "currentLowPriorityNodes": sum(count for (dedicated, _), count in nodes.items() if not dedicated),
        "targetDedicatedNodes": pool.target_dedicated,
        "targetLowPriorityNodes": pool.target_spot,
        "enableAutoScale": pool.formula is not None,
    }
    view |= _scaling(pool)
    if pool.resize_errors:
        view["resizeErrors"] = list[JsonValue](pool.resize_errors)
    return with_body(view, without_secrets(pool.body))


def _scaling(pool: PoolRecord) -> JsonObject:
    if pool.formula is None:
        return {}
    interval = format_duration(timedelta(seconds=pool.evaluation_seconds))
    shown: JsonObject = {"autoScaleFormula": pool.formula, "autoScaleEvaluationInterval": interval}
    return shown | given(autoScaleRun=pool.auto_scale_run)
