"""Usage metrics: core hours of each pool in each half hour, and the range that can be asked for."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localbatch.rules.usage import INTERVAL, Lifetime, interval_start, requested_intervals, usage_metrics
from localbatch.wire.errors import ServiceError

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOW = datetime(2026, 3, 1, 16, 10, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
NUMBER = requested_intervals("2026-03-01T12:00:00Z", None, NOW).start


def node(begin: int, end: int, cores: int = 2, pool: str = "pool") -> Lifetime:
    """A node there from so many to so many minutes after noon."""
    return Lifetime(pool, "standard_d2s_v3", cores, NOON + begin * MINUTE, NOON + end * MINUTE)


def hours(lifetimes: list[Lifetime], intervals: int = 4) -> list[tuple[object, ...]]:
    """Pool, minutes from noon to the interval, and core hours of each entry."""
    return [
        (entry["poolId"], str(entry["startTime"])[11:16], entry["totalCoreHours"])
        for entry in usage_metrics(lifetimes, range(NUMBER, NUMBER + intervals))
    ]


def test_a_node_counts_with_its_cores_for_as_long_as_it_was_there() -> None:
    assert hours([node(15, 100)]) == [
        ("pool", "12:00", 0.5),
        ("pool", "12:30", 1.0),
        ("pool", "13:00", 1.0),
        ("pool", "13:30", 0.333333),
    ]
    assert hours([node(30, 60)]) == [("pool", "12:30", 1.0)]
    assert hours([node(-500, 500, cores=1)], 1) == [("pool", "12:00", 0.5)]


def test_the_nodes_of_a_pool_add_up_and_pools_do_not() -> None:
    lifetimes = [node(0, 30), node(0, 15), node(0, 30, cores=8, pool="other")]
    assert hours(lifetimes) == [("other", "12:00", 4.0), ("pool", "12:00", 1.5)]


def test_a_pool_without_nodes_has_existed() -> None:
    assert hours([node(10, 95, cores=0)]) == [("pool", f"1{hour}", 0.0) for hour in ("2:00", "2:30", "3:00", "3:30")]


def test_what_was_before_or_after_does_not_count() -> None:
    assert hours([node(-60, 0), node(120, 200)]) == []


def test_an_entry_is_in_the_words_of_the_wire() -> None:
    (entry,) = usage_metrics([node(0, 30)], range(NUMBER, NUMBER + 1))
    assert entry == {
        "startTime": "2026-03-01T12:00:00.0000000Z",
        "endTime": "2026-03-01T12:30:00.0000000Z",
        "poolId": "pool",
        "vmSize": "standard_d2s_v3",
        "totalCoreHours": 1.0,
    }


def test_without_a_range_the_last_interval_is_meant_that_ended_two_hours_ago() -> None:
    intervals = requested_intervals(None, None, NOW)
    assert [interval_start(number) for number in intervals] == [datetime(2026, 3, 1, 13, 30, tzinfo=UTC)]


def test_a_range_may_begin_with_the_calendar() -> None:
    intervals = requested_intervals("0001-01-01T00:00:00Z", None, NOW)
    assert len(usage_metrics([node(0, 90)], intervals)) == 3


def test_a_range_takes_every_interval_that_it_touches() -> None:
    intervals = requested_intervals("2026-03-01T12:10:00Z", "2026-03-01T13:10:00Z", NOW)
    assert (interval_start(intervals.start), len(intervals)) == (NOON, 3)


@pytest.mark.parametrize(
    ("start", "end", "name"),
    [
        ("soon", None, "startTime"),
        (None, "later", "endtime"),
        ("2026-03-01T13:41:00Z", None, "startTime"),
        (None, "2026-03-01T14:11:00Z", "endtime"),
        ("2026-03-01T13:00:00Z", "2026-03-01T12:00:00Z", "endtime"),
        (None, "2026-03-01T12:00:00Z", "endtime"),
    ],
)
def test_a_range_that_can_not_be_is_refused_by_name(start: str | None, end: str | None, name: str) -> None:
    with pytest.raises(ServiceError) as caught:
        requested_intervals(start, end, NOW)
    assert (caught.value.code, caught.value.status) == ("InvalidQueryParameterValue", 400)
    assert ("QueryParameterName", name) in caught.value.values


lives = st.lists(
    st.tuples(st.integers(-300, 900), st.integers(1, 900), st.integers(0, 16)).map(
        lambda each: node(each[0], each[0] + each[1], each[2])
    ),
    max_size=20,
)


@given(lives)
def test_no_core_hour_is_lost_or_counted_twice(lifetimes: list[Lifetime]) -> None:
    intervals = range(NUMBER - 20, NUMBER + 80)
    total = sum(float(str(entry["totalCoreHours"])) for entry in usage_metrics(lifetimes, intervals))
    expected = sum(each.cores * ((each.ended - each.started) / timedelta(hours=1)) for each in lifetimes)
    assert total == pytest.approx(expected, abs=1e-4)


@given(lives)
def test_intervals_can_be_asked_for_one_by_one(lifetimes: list[Lifetime]) -> None:
    intervals = range(NUMBER, NUMBER + 6)
    together = usage_metrics(lifetimes, intervals)
    assert together == [entry for number in intervals for entry in usage_metrics(lifetimes, range(number, number + 1))]
    assert interval_start(NUMBER) + INTERVAL == interval_start(NUMBER + 1)
