"""What pools have had of nodes, from looks at them."""

from datetime import UTC, date, datetime, timedelta

import pytest
from azure.batch import models

from prefect_azure_batch.tasks.cost import NodeHours
from prefect_azure_batch.tasks.errors import BudgetSpent
from prefect_azure_batch.tasks.meter import Meter
from prefect_azure_batch.tasks.prices import Price, Prices

SIZE = "Standard_D2s_v5"
PRICES = Prices([Price("here", SIZE.lower(), 3.6, 0.36, date(2026, 1, 31))])
HOUR = 3600


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def hours(meter: Meter) -> NodeHours:
    return sum((use.node_hours for use in meter.uses()), NodeHours())


def test_between_two_looks_a_pool_has_had_the_mean_of_both(clock: Clock) -> None:
    meter = Meter("here", PRICES, clock=clock)
    meter.begin("p", is_new=True)
    clock.now += HOUR
    meter.note("p", NodeHours(2, 4), SIZE)
    assert hours(meter) == NodeHours(1, 2)
    clock.now += HOUR
    meter.note("p", NodeHours(2, 0), SIZE)
    assert hours(meter) == NodeHours(3, 4)
    clock.now += HOUR
    meter.note("p", NodeHours())  # it is gone
    assert hours(meter) == NodeHours(4, 4)


@pytest.mark.parametrize(
    ("allocated", "counted"),
    [
        (2, NodeHours(2 * 8 / HOUR, 0)),  # 10 seconds after the pool was made
        (9, NodeHours(2 * 5 / HOUR, 0)),  # as a clock says that is slow: they were seen before
        (-5, NodeHours(2 * 10 / HOUR, 0)),  # and one that is fast: there was no pool yet
    ],
)
def test_a_pool_that_has_kept_its_nodes_has_had_them_since_they_tell(
    clock: Clock, allocated: float, counted: NodeHours
) -> None:
    meter, begin = Meter("here", PRICES, clock=clock), datetime(2026, 1, 31, tzinfo=UTC)
    moment = (begin + timedelta(seconds=allocated)).isoformat()
    told = {"state": "idle", "isDedicated": True, "allocationTime": moment}
    pool = models.BatchPool({"id": "p", "creationTime": begin.isoformat(), "allocationState": "steady"})
    nodes = [models.BatchNode({"id": name} | told) for name in ("a", "b")]
    meter.begin("p", is_new=True)
    for seconds in (5, 10):
        clock.now = 100 + seconds
        meter.note("p", NodeHours(2), SIZE)
        meter.lives.note(pool, nodes, begin + timedelta(seconds=seconds))
    assert hours(meter).dedicated == pytest.approx(counted.dedicated)
    meter.lives.note(pool, nodes[:1], begin + timedelta(seconds=10))
    assert hours(meter).dedicated == pytest.approx(2 * 7.5 / HOUR)  # one is gone: the mean


def test_a_pool_that_was_taken_over_counts_from_the_first_look(clock: Clock) -> None:
    meter = Meter("here", PRICES, clock=clock)
    meter.begin("p", is_new=False)
    clock.now += HOUR
    meter.note("p", NodeHours(3), SIZE)
    clock.now += HOUR
    meter.note("p", NodeHours(3), SIZE)
    assert hours(meter) == NodeHours(3)


def test_a_pool_that_never_was_costs_nothing(clock: Clock) -> None:
    meter = Meter("here", PRICES, clock=clock)
    meter.begin("p", is_new=True)
    clock.now += HOUR
    meter.note("p", NodeHours())
    assert meter.uses() == []
    assert meter.bill(0).price == 0


def test_the_budget_lasts_as_long_as_all_nodes_can_be_paid(clock: Clock) -> None:
    meter = Meter("here", PRICES, budget=1.0, clock=clock)
    assert meter.seconds_left() is None
    meter.begin("p", is_new=True)
    meter.note("p", NodeHours(2, 10), SIZE)  # 3 cents a second
    assert meter.seconds_left() == pytest.approx(100 / 0.3)
    clock.now += 300
    assert meter.seconds_left() == pytest.approx(100 / 0.3 - 300)
    assert not meter.is_spent
    meter.require_left()
    clock.now += 40
    assert meter.seconds_left() == 0
    assert meter.is_spent
    with pytest.raises(BudgetSpent, match=r"the USD 1.00 of its --budget"):
        meter.require_left()
    meter.note("p", NodeHours(2, 10), SIZE)
    found = meter.bill(0)
    assert found.over_budget
    assert found.price == pytest.approx(1.02)
    assert found.lines()[-1] == "Its budget of USD 1.00 is spent"


def test_a_budget_is_for_all_pools_together(clock: Clock) -> None:
    meter = Meter("here", PRICES, budget=1.0, clock=clock)
    for name in ("p", "q"):
        meter.begin(name, is_new=False)
        meter.note(name, NodeHours(1), SIZE)
    assert meter.seconds_left() == pytest.approx(500)


def test_without_a_price_nobody_can_say_how_long_it_lasts(clock: Clock) -> None:
    meter = Meter("nowhere", PRICES, budget=1.0, clock=clock)
    meter.begin("p", is_new=True)
    meter.note("p", NodeHours(1), SIZE)
    assert meter.seconds_left() is None
    assert not meter.is_spent
    clock.now += HOUR
    meter.note("p", NodeHours(1), SIZE)
    assert meter.bill(0).price is None


def test_tasks_take_their_share_of_a_node_by_slots(clock: Clock) -> None:
    meter = Meter("here", PRICES, clock=clock)
    meter.begin("p", is_new=True)
    meter.note("p", NodeHours(1), SIZE)
    clock.now += HOUR
    meter.note("p", NodeHours(1), SIZE)
    meter.use_slots(4, is_foreign=False)
    assert meter.bill(HOUR, slots=1).idle_share == pytest.approx(0.75)
    assert meter.bill(HOUR, slots=3).task_node_hours == pytest.approx(0.75)
    assert meter.bill(HOUR).idle_share == 0
    meter.use_slots(2, is_foreign=True)
    assert (meter.bill(HOUR, slots=1).task_node_hours, meter.bill(HOUR, slots=1).price) == (0.5, None)
