"""Each scenario's formula, evaluated every five minutes against samples that a local pool has had.

``recorded_samples.csv`` is what ``python -m benchmarks.record_samples`` wrote of a pool that had spot nodes first, two
of four at most dedicated, while 60 tasks came at its beginning and 24 more after twelve minutes.
"""

import csv
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from benchmarks.record_samples import COLUMNS
from localbatch.autoscale.formula import PoolSizes, evaluate
from localbatch.autoscale.samples import Series
from prefect_azure_batch.blocks.pool_description import PoolDescription
from prefect_azure_batch.tasks.formulas import EVALUATION_INTERVAL, pool_formula
from prefect_azure_batch.tasks.records import PoolPlan

BEGUN = datetime(2026, 1, 5, 12, tzinfo=UTC)
"""A Monday."""
FOREVER = BEGUN + timedelta(days=1)
NEW = 600
"""Seconds for which a pool is as large as its run needs it, whatever the samples say."""

RECORDED = {"nodes": 2, "spot_nodes": 4, "slots": 2, "autoscale": {"scenario": "spot-first"}}
"""The pool that was recorded."""


def read() -> list[dict[str, float]]:
    with Path(__file__).with_name("recorded_samples.csv").open(newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


ROWS = read()


def targets(description: dict[str, Any], seconds: float, end: datetime = FOREVER) -> tuple[int, int]:
    """Dedicated and spot nodes by a scenario's formula, with the samples that there were after so many seconds."""
    seen = [row for row in ROWS if row["seconds"] <= seconds]
    samples = {
        variable: Series.of(
            variable, [((BEGUN + timedelta(seconds=row["seconds"])).timestamp(), row[name]) for row in seen]
        )
        for name, variable in COLUMNS.items()
    }
    dedicated, spot = (int(seen[-1][name]) for name in ("dedicated", "spot"))
    outcome = evaluate(
        pool_formula(PoolPlan("p", PoolDescription.model_validate(description), tasks=60), BEGUN, end),
        samples=samples,
        pool=PoolSizes(dedicated, spot, dedicated, spot),
        now=BEGUN + timedelta(seconds=seconds),
    )
    return outcome.dedicated, outcome.low_priority


def evaluations() -> Iterator[int]:
    """The seconds at which Batch would evaluate a formula."""
    step = int(EVALUATION_INTERVAL.total_seconds())
    return iter(range(0, int(ROWS[-1]["seconds"]) + 1, step))


@pytest.mark.parametrize("scenario", ["pending", "spot-first", "working-hours", "drain"])
def test_a_scenario_stays_within_its_bounds_and_ends_with_its_lease(scenario: str) -> None:
    asked = {**RECORDED, "autoscale": {"scenario": scenario}}
    for seconds in evaluations():
        dedicated, spot = targets(asked, seconds)
        assert 0 <= dedicated <= 2
        assert 0 <= spot <= 4
        assert targets(asked, seconds, BEGUN) == (0, 0)


def test_the_recorded_pool_had_the_nodes_that_its_formula_asks_for_offline() -> None:
    """Its nodes came and went a minute and a half after each evaluation."""
    for seconds in evaluations():
        then = next(row for row in ROWS if row["seconds"] >= seconds + 120)
        assert targets(RECORDED, seconds) == (then["dedicated"], then["spot"])


@pytest.mark.parametrize("scenario", ["pending", "spot-first", "drain"])
def test_a_pool_keeps_its_size_while_its_first_nodes_start_and_has_none_when_nothing_is_left(scenario: str) -> None:
    asked = {**RECORDED, "autoscale": {"scenario": scenario}}
    assert {targets(asked, row["seconds"]) for row in ROWS if row["seconds"] < NEW} == {(2, 4)}
    idle = ROWS[-1]["seconds"] - 60
    assert all(row["pending"] == 0 for row in ROWS if idle - 300 <= row["seconds"] <= idle)
    assert targets(asked, idle) == (0, 0)


def test_spot_nodes_come_first_and_dedicated_ones_for_the_rest_alone() -> None:
    for row in ROWS:
        dedicated, spot = targets(RECORDED, row["seconds"])
        if row["seconds"] >= NEW and row["spot"] == 4:
            assert dedicated == 0 or spot == 4


def test_a_pool_that_drains_grows_no_more_once_it_is_not_new() -> None:
    for row in ROWS:
        if row["seconds"] >= NEW:
            dedicated, spot = targets({**RECORDED, "autoscale": {"scenario": "drain"}}, row["seconds"])
            assert dedicated <= row["dedicated"]
            assert spot <= row["spot"]


def test_working_hours_do_not_look_at_tasks() -> None:
    asked = {**RECORDED, "autoscale": {"scenario": "working-hours", "min_nodes": 1}}
    assert {targets(asked, row["seconds"]) for row in ROWS} == {(2, 4)}
    asked = {**RECORDED, "autoscale": {"scenario": "working-hours", "min_nodes": 1, "hours": (13, 14)}}
    assert {targets(asked, row["seconds"]) for row in ROWS} == {(1, 0)}


def test_the_least_number_of_nodes_stays_when_nothing_is_left() -> None:
    assert targets({**RECORDED, "autoscale": {"scenario": "pending", "min_nodes": 1}}, ROWS[-1]["seconds"]) == (1, 0)
