"""The arithmetic of costs."""

from datetime import date
from typing import Any

import pytest

from prefect_azure_batch.blocks.pool_description import PoolDescription
from prefect_azure_batch.tasks.cost import Estimate, NodeHours, PoolUse, bill, estimate, in_dollars
from prefect_azure_batch.tasks.prices import Price, Prices

DAY = date(2026, 1, 31)
PRICE = Price("here", "standard_d2s_v5", 0.12, 0.03, DAY)
PRICES = Prices([PRICE, Price("there", "standard_d2s_v5", 0.2, None, DAY)])


def asked(region: str | None = "here", **keys: Any) -> Estimate:
    description = PoolDescription.model_validate({"vm_size": "Standard_D2s_v5"} | keys)
    return estimate(description, region, 10, PRICES)


def test_all_nodes_for_all_the_time_is_the_most_and_a_minute_of_them_the_least() -> None:
    found = asked(nodes=2, spot_nodes=4)
    assert found.most == NodeHours(20, 40)
    assert found.most_price == pytest.approx(20 * 0.12 + 40 * 0.03)
    assert found.least_price == pytest.approx((2 * 0.12 + 4 * 0.03) / 60)
    assert found.lines() == [
        "Nodes: at most 2 dedicated and 4 spot of standard_d2s_v5 in here, USD 0.36 an hour",
        "Cost: USD 0.0060 to USD 3.60, at most 20 dedicated and 40 spot node-hours in 10 h; VMs alone, by list prices "
        "of 2026-01-31",
    ]


@pytest.mark.parametrize(
    ("keys", "least"),
    [
        ({"nodes": 8, "autoscale": {}}, NodeHours(1, 0)),
        ({"nodes": 8, "spot_nodes": 8, "autoscale": {}}, NodeHours(0, 1)),
        ({"nodes": 8, "autoscale": {"min_nodes": 3}}, NodeHours(3, 0)),
        ({"nodes": 8, "spot_nodes": 2, "autoscale": {"min_nodes": 3}}, NodeHours(1, 2)),
    ],
)
def test_a_pool_that_follows_its_load_has_at_the_least_what_it_keeps(keys: dict[str, Any], least: NodeHours) -> None:
    found = asked(**keys)
    assert found.least == least * (1 / 60)
    assert found.most.dedicated == 80


def test_without_a_price_node_hours_are_told() -> None:
    elsewhere = asked("nowhere", nodes=2)
    assert (elsewhere.most_price, elsewhere.least_price) == (None, None)
    assert "Cost: not known, for the table has no price of standard_d2s_v5 in nowhere" in elsewhere.lines()[1]
    assert "at most 20 dedicated node-hours in 10 h" in elsewhere.lines()[1]
    assert "no region: name one with --region" in asked(None, nodes=2).lines()[1]
    assert "no spot price of standard_d2s_v5 in there" in asked("there", nodes=0, spot_nodes=1).lines()[1]
    assert elsewhere.document().most_price is None
    assert elsewhere.document().most_node_hours == 20


def test_a_size_found_by_need_is_priced() -> None:
    description = PoolDescription.model_validate({"nodes": 1, "needs": {"cpus": 2}})
    assert estimate(description, "here", 1, PRICES).most_price == pytest.approx(0.12)
    assert estimate(description, "here", 1, PRICES, "standard_e2s_v5").most_price is None


def test_a_pool_that_is_there_costs_nothing_besides() -> None:
    found = estimate(PoolDescription(existing="shared"), "here", 10, PRICES)
    assert (found.most_price, found.least_price) == (0, 0)
    assert found.lines() == ["Cost: nothing besides the VMs of the pool, which is there already"]


def test_a_bill_has_the_price_of_all_pools_and_the_share_that_no_task_took() -> None:
    uses = [PoolUse("standard_d2s_v5", NodeHours(3, 1), PRICE), PoolUse("standard_d2s_v5", NodeHours(1, 0), PRICE)]
    found = bill(uses, "here", 2.0)
    assert found.price == pytest.approx(4 * 0.12 + 0.03)
    assert (found.node_hours, found.spot_node_hours) == (4, 1)
    assert found.idle_share == pytest.approx(0.6)
    assert found.priced_on == DAY
    assert found.lines() == [
        "Cost: USD 0.51 for standard_d2s_v5 in here, by list prices of 2026-01-31; 4 dedicated and 1 spot node-hours; "
        "tasks took 2 node-hours, 60% idle or starting"
    ]


def test_a_bill_without_a_price_has_hours_alone() -> None:
    found = bill([PoolUse("standard_d2s_v5", NodeHours(0.5, 0), None)], "nowhere", 0.25)
    assert (found.price, found.idle_share) == (None, 0.5)
    assert found.lines() == [
        "Cost: not known, for there is no price of standard_d2s_v5 in nowhere; 0.5 dedicated node-hours; tasks took "
        "0.25 node-hours, 50% idle or starting"
    ]
    spot = bill([PoolUse("standard_d2s_v5", NodeHours(0.5, 1), PRICES.find("there", "standard_d2s_v5"))], "there", 0.25)
    assert spot.lines()[0].startswith("Cost: not known, for there is no spot price of standard_d2s_v5 in there; ")
    on_a_laptop = bill([PoolUse("standard_d2s_v5", NodeHours(0.5, 0), None)], None, 0.25)
    assert on_a_laptop.lines() == [
        "Nodes of standard_d2s_v5: 0.5 dedicated node-hours; tasks took 0.25 node-hours, 50% idle or starting"
    ]


def test_a_bill_for_a_pool_of_somebody_else_tells_what_tasks_took() -> None:
    found = bill([], "here", 1.5, is_foreign=True)
    assert (found.price, found.node_hours, found.idle_share, found.task_node_hours) == (None, None, None, 1.5)
    assert found.lines() == ["Cost: tasks took 1.5 node-hours of a pool that is there anyway"]


def test_a_run_that_needed_no_pool_has_cost_nothing() -> None:
    assert bill([], None, 0).price == 0
    assert bill([], None, 0).lines() == ["Cost: no VM was needed"]


def test_tasks_that_were_seen_longer_than_their_nodes_leave_no_negative_idleness() -> None:
    assert bill([PoolUse("a", NodeHours(1, 0), None)], None, 1.1).idle_share == 0


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0, "USD 0.00"), (1234.5, "USD 1,234.50"), (0.1, "USD 0.10"), (0.012, "USD 0.0120"), (0.00001, "USD 0.000010")],
)
def test_amounts_have_the_digits_that_they_need(amount: float, text: str) -> None:
    assert in_dollars(amount) == text


@pytest.mark.parametrize(
    ("hours", "text"),
    [(0, "0"), (1234.5, "1,234.5 spot"), (100, "100 spot"), (0.0025, "0.0025 spot"), (9e-5, "0.00009 spot")],
)
def test_hours_have_the_digits_that_they_need(hours: float, text: str) -> None:
    assert str(NodeHours(spot=hours)) == text
