"""Formulas of pools, evaluated by the local service's own engine against made-up samples."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from localbatch.autoscale.formula import PoolSizes, evaluate
from prefect_azure_batch.blocks.pool_description import PoolDescription
from prefect_azure_batch.tasks.errors import BadInput
from prefect_azure_batch.tasks.formulas import check_formula, check_working_hours, lease_end, pool_formula
from prefect_azure_batch.tasks.records import PoolPlan

MONDAY = datetime(2026, 1, 5, 12, tzinfo=UTC)
LATER = timedelta(hours=1)
FOREVER = MONDAY + timedelta(days=30)


def sizes(
    description: dict[str, Any],
    pending: list[float] | None = None,
    *,
    at: datetime = MONDAY + LATER,
    end: datetime | None = FOREVER,
    current: tuple[int, int] = (0, 0),
    **plan: Any,
) -> tuple[int, int]:
    """Dedicated and spot nodes that a pool shall have, whose run began on a Monday at noon."""
    asked = PoolPlan("p", PoolDescription.model_validate(description), **plan)
    outcome = evaluate(
        pool_formula(asked, MONDAY, end),
        samples={
            "$PendingTasks": pending or [],
            "$CurrentDedicatedNodes": [current[0]],
            "$CurrentLowPriorityNodes": [current[1]],
        },
        pool=PoolSizes(current_dedicated=current[0], current_low_priority=current[1], target_dedicated=current[0]),
        now=at,
    )
    return outcome.dedicated, outcome.low_priority


SCALED = {"nodes": 10, "slots": 4, "autoscale": {"scenario": "pending"}}
SPOT = {"nodes": 4, "spot_nodes": 10, "slots": 2, "autoscale": {"scenario": "spot-first"}}
STEADY = [20.0] * 20


def test_a_fixed_size_holds_until_the_end_of_the_lease() -> None:
    mixed = {"nodes": 2, "spot_nodes": 3}
    assert sizes(mixed) == (2, 3)
    assert sizes(mixed, at=FOREVER) == (0, 0)
    assert sizes(mixed, at=FOREVER, end=None) == (2, 3)


@pytest.mark.parametrize(("pending", "nodes"), [(0, 0), (1, 1), (4, 1), (5, 2), (8, 2), (39, 10), (1000, 10)])
def test_pending_tasks_share_the_slots_of_nodes(pending: int, nodes: int) -> None:
    assert sizes(SCALED, [pending] * 20) == (nodes, 0)


def test_a_task_of_several_slots_counts_so() -> None:
    assert sizes(SCALED, [6.0] * 20, required_slots=2) == (3, 0)
    assert sizes(SCALED, [6.0] * 20, required_slots=3) == (6, 0)


def test_more_tasks_get_nodes_at_once_and_fewer_lose_them_slowly() -> None:
    assert sizes(SCALED, [0.0] * 19 + [20]) == (5, 0)
    assert sizes(SCALED, [40.0] * 5 + [4.0] * 5) == (6, 0)  # 22 on average of five minutes


def test_a_new_pool_has_nodes_for_the_tasks_it_is_made_for_before_there_are_samples() -> None:
    assert sizes(SCALED, at=MONDAY) == (10, 0)
    assert sizes(SCALED, at=MONDAY, tasks=9) == (3, 0)
    assert sizes(SCALED, at=MONDAY, tasks=1, instances=4) == (4, 0)


def test_the_least_number_of_nodes_is_always_there() -> None:
    assert sizes({**SCALED, "autoscale": {"min_nodes": 2}}, [0.0] * 20) == (2, 0)


def test_a_pending_task_of_several_instances_gets_a_node_for_each() -> None:
    mpi = {"nodes": 8, "autoscale": {}}
    assert sizes(mpi, [1.0] * 20, instances=6) == (6, 0)
    assert sizes(mpi, [0.0] * 20, instances=6) == (0, 0)


def test_dedicated_nodes_come_first_and_spot_nodes_for_the_rest() -> None:
    mixed = {"nodes": 2, "spot_nodes": 10, "slots": 2, "autoscale": {}}
    assert sizes(mixed, [3.0] * 20) == (2, 0)
    assert sizes(mixed, STEADY) == (2, 8)


def test_spot_nodes_come_first_and_dedicated_nodes_for_those_that_are_not_to_be_had() -> None:
    assert sizes(SPOT, at=MONDAY, tasks=20) == (0, 10)
    assert sizes(SPOT, STEADY, current=(0, 10)) == (0, 10)
    assert sizes(SPOT, STEADY, current=(0, 7)) == (3, 10)
    assert sizes(SPOT, STEADY, current=(3, 0)) == (4, 10)
    assert sizes(SPOT, [3.0] * 20, current=(4, 10)) == (0, 2)


def test_a_pool_that_drains_never_grows() -> None:
    drained = {"nodes": 10, "slots": 2, "autoscale": {"scenario": "drain"}}
    assert sizes(drained, at=MONDAY, tasks=20) == (10, 0)
    assert sizes(drained, STEADY, current=(6, 0)) == (6, 0)
    assert sizes(drained, [4.0] * 20, current=(6, 0)) == (2, 0)
    assert sizes(drained, [0.0] * 20, current=(6, 0)) == (0, 0)


@pytest.mark.parametrize(
    ("day", "hour", "offset", "nodes"),
    [
        (0, 8, 0, 6),
        (0, 17, 0, 6),
        (0, 18, 0, 1),
        (0, 7, 0, 1),
        (5, 12, 0, 1),
        (0, 7, 1, 6),
        (0, 17, 1, 1),
        (0, 0, -7, 1),
    ],
)
def test_working_hours_are_those_of_the_users_clock(day: int, hour: int, offset: float, nodes: int) -> None:
    asked = {"nodes": 6, "autoscale": {"scenario": "working-hours", "min_nodes": 1, "utc_offset_hours": offset}}
    assert sizes(asked, at=MONDAY.replace(hour=hour) + timedelta(days=day)) == (nodes, 0)


@pytest.mark.parametrize("scenario", ["pending", "spot-first", "working-hours", "drain"])
def test_no_scenario_outlives_the_lease_or_asks_for_more_than_there_may_be(scenario: str) -> None:
    asked = {"nodes": 3, "spot_nodes": 4, "autoscale": {"scenario": scenario}}
    for pending in (0.0, 1.0, 1e6):
        for current in ((0, 0), (3, 4), (100, 100)):
            dedicated, spot = sizes(asked, [pending] * 20, current=current)
            assert 0 <= dedicated <= 3
            assert 0 <= spot <= 4
            assert sizes(asked, [pending] * 20, current=current, at=FOREVER) == (0, 0)


@pytest.mark.parametrize("scale", [None, {"scenario": "spot-first"}, {"formula": "$TargetDedicatedNodes = 1"}])
def test_the_end_of_a_lease_can_be_read_from_its_formula(scale: dict[str, Any] | None) -> None:
    plan = PoolPlan("p", PoolDescription.model_validate({"nodes": 2, "autoscale": scale}))
    assert lease_end(pool_formula(plan, MONDAY, FOREVER)) == FOREVER
    assert lease_end(pool_formula(plan, MONDAY, None)) is None
    assert lease_end('end = time("2026-02-04T12:00:00Z");\n$TargetDedicatedNodes = time() < end ? 1 : 0;') == FOREVER


def test_a_formula_of_ones_own_is_kept_within_the_lease() -> None:
    own = {"nodes": 5, "autoscale": {"formula": "$TargetDedicatedNodes = min(3, $PendingTasks.GetSample(1))"}}
    assert sizes(own, [2.0]) == (2, 0)
    assert sizes(own, [2.0], at=FOREVER) == (0, 0)


@pytest.mark.parametrize(
    ("formula", "complaint"),
    [
        ("$TargetDedicatedNodes = min(3, ", "Line 1, Col "),
        ("$TargetDedicatedNodes = 1 / 0;", "Line 1, Col 1: expected .TargetDedicatedNodes to lie between 0 and 10000"),
        ("$TargetDedicatedNodes = $Foo;", "Line 1, Col 25: expected a variable that has a value"),
        ("$Foo = 1;", "sets neither .TargetDedicatedNodes nor"),
        ("x = $TargetDedicatedNodes == 1;", "sets neither"),
    ],
)
def test_a_formula_that_batch_could_not_use_is_told_with_its_place(formula: str, complaint: str) -> None:
    with pytest.raises(BadInput, match=rf"autoscale\.formula: .*{complaint}"):
        check_formula(formula)


def test_a_formula_that_wants_more_samples_than_were_made_up_is_taken() -> None:
    check_formula("$TargetDedicatedNodes = avg($PendingTasks.GetSample(TimeInterval_Day));")
    check_formula("$TargetLowPriority = max(0, $ActiveTasks.GetSample(1));")


@pytest.mark.parametrize(
    ("day", "hour", "limit", "begins"),
    [
        (0, 12, 1, None),
        (0, 7, 2, None),
        (0, 7, 1, "Monday at 08:00"),
        (0, 18, 24, None),
        (4, 18, 24, "Monday at 08:00"),
        (5, 0, 24 * 3, None),
    ],
)
def test_a_run_that_ends_before_the_working_hours_begin_is_refused(
    day: int, hour: int, limit: float, begins: str | None
) -> None:
    now = MONDAY.replace(hour=hour) + timedelta(days=day)

    def check(**options: Any) -> None:
        asked = PoolDescription.model_validate({"nodes": 2, "autoscale": {"scenario": "working-hours", **options}})
        check_working_hours(asked, timedelta(hours=limit), now)

    check(min_nodes=1)
    if begins is None:
        check()
    else:
        with pytest.raises(BadInput, match=f"^autoscale: the working hours begin on {begins} UTC"):
            check()
        check(utc_offset_hours=-hour + 9 if hour > 9 else 2, days=["mon", "tue", "wed", "thu", "fri", "sat", "sun"])
