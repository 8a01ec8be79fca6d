"""What the service samples for formulas: tasks and nodes from its records, the rest from this machine."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from localbatch.autoscale.names import RESOURCE_METRICS
from localbatch.engine.machine import Machine
from localbatch.engine.sampling import node_metrics, task_metrics
from localbatch.rules.auto_scale import Pace
from localbatch.store.store import Store

NOW = datetime(2025, 11, 25, 12, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "state.db")
    yield opened
    opened.close()


def test_samples_come_back_as_they_were_taken(store: Store) -> None:
    for second in (0, 30, 60):
        store.samples.add(1, NOW + timedelta(seconds=second), {"$PendingTasks": second, "$ActiveTasks": 1.5})
    store.samples.add(2, NOW, {"$PendingTasks": 7})
    series = store.samples.series(1, ("$PendingTasks", "$CPUPercent"), 30)
    assert list(series) == ["$PendingTasks", "$CPUPercent"]
    assert series["$PendingTasks"].values == (0, 30, 60)
    assert series["$PendingTasks"].times[0] == NOW.timestamp()
    assert series["$CPUPercent"].values == ()


def test_old_samples_are_forgotten(store: Store) -> None:
    for second in (0, 30, 60):
        store.samples.add(1, NOW + timedelta(seconds=second), {"$PendingTasks": second})
    store.samples.forget(NOW + timedelta(seconds=30))
    assert store.samples.series(1, ("$PendingTasks",), 30)["$PendingTasks"].values == (30, 60)


def test_metrics_of_tasks_and_nodes() -> None:
    assert task_metrics({"active": 4, "preparing": 1, "running": 2, "success": 5, "failure": 3}) == {
        "$ActiveTasks": 4,
        "$RunningTasks": 3,
        "$PendingTasks": 7,
        "$SucceededTasks": 5,
        "$FailedTasks": 3,
    }
    nodes = {(True, "idle"): 2, (True, "running"): 1, (False, "preempted"): 4, (False, "idle"): 1}
    assert node_metrics(nodes) == {
        "$CurrentDedicatedNodes": 3,
        "$CurrentLowPriorityNodes": 5,
        "$PreemptedNodeCount": 4,
        "$SampleNodeCount": 8,
    }


def test_this_machine_is_measured(tmp_path: Path) -> None:
    measured = Machine(tmp_path).measure(30)
    assert measured.keys() <= set(RESOURCE_METRICS)
    assert measured["$WallClockSeconds"] == 30
    assert all(value >= 0 for value in measured.values())
    if sys.platform == "linux":
        assert measured.keys() >= {"$CPUPercent", "$MemoryBytes", "$DiskBytes"}


@pytest.mark.parametrize(
    ("seconds", "interval", "sample", "between"), [(None, 900, 30, 30), (0.5, 0.5, 0.5, 0.5), (120, 120, 30, 30)]
)
def test_the_pace_is_what_pools_say_unless_it_is_set(
    seconds: float | None, interval: float, sample: float, between: float
) -> None:
    pace = Pace(seconds)
    assert pace.interval(900) == timedelta(seconds=interval)
    assert pace.sample_seconds == sample
    assert pace.between_requests == timedelta(seconds=between)
