"""Samples and sizes of a pool as a JSON document, for trying formulas offline.

    {
      "samples": {
        "$PendingTasks": [4, 4, 6],
        "$CPUPercent": {"period": 30, "values": [0.5, 0.9]},
        "$ActiveTasks": [["2025-11-25T10:00:00Z", 3], ["2025-11-25T10:00:30Z", 5]]
      },
      "pool": {"targetDedicatedNodes": 2, "currentDedicatedNodes": 2, "taskSlotsPerNode": 4}
    }

A list of numbers, or ``values``, ends with the sample taken now. Everything may be left out.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from localbatch.autoscale.formula import PoolSizes
from localbatch.autoscale.samples import PERIOD_SECONDS, Series
from localbatch.autoscale.timestamps import Timestamp

_Count = Annotated[int, Field(ge=0)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, allow_inf_nan=False)


class _Values(_Model):
    values: list[float]
    period: Annotated[float, Field(gt=0)] = PERIOD_SECONDS


class _Pool(_Model):
    target_dedicated_nodes: _Count = 0
    target_low_priority_nodes: _Count = 0
    current_dedicated_nodes: _Count = 0
    current_low_priority_nodes: _Count = 0
    task_slots_per_node: _Count = 1


class _Document(_Model):
    samples: dict[str, list[float] | _Values | list[tuple[str, float]]] = Field(default_factory=dict)
    pool: _Pool = Field(default_factory=_Pool)


def read_samples(raw: bytes, now: datetime) -> tuple[Mapping[str, Series], PoolSizes]:
    """Reads a document.

    Args:
        raw: the document.
        now: when the formula is to be evaluated.

    Raises:
        ValueError: it is not such a document.
    """
    document = _Document.model_validate_json(raw)
    pool = document.pool
    sizes = PoolSizes(
        pool.target_dedicated_nodes,
        pool.target_low_priority_nodes,
        pool.current_dedicated_nodes,
        pool.current_low_priority_nodes,
        pool.task_slots_per_node,
    )
    return {name: _series(name, given, now) for name, given in document.samples.items()}, sizes


def _series(name: str, given: list[float] | _Values | list[tuple[str, float]], now: datetime) -> Series:
    if isinstance(given, _Values):
        return Series.ending(name, now, given.values, given.period)
    numbers = [each for each in given if isinstance(each, float)]
    if len(numbers) == len(given):
        return Series.ending(name, now, numbers)
    timed = [each for each in given if isinstance(each, tuple)]
    return Series.of(name, ((Timestamp.parse(time).moment.timestamp(), value) for time, value in timed))
