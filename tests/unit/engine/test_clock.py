"""The service's clock."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from localbatch.engine.clock import Clock

HOUR = timedelta(hours=1)


def test_it_never_tells_the_same_time_twice() -> None:
    clock = Clock()
    times = [clock.now() for _ in range(1000)]
    assert times == sorted(set(times))


def test_by_itself_it_tells_the_time_of_the_machine() -> None:
    assert abs(Clock().now() - datetime.now(UTC)) < timedelta(seconds=5)
    assert abs(Clock(HOUR).now() - datetime.now(UTC) - HOUR) < timedelta(seconds=5)


def test_a_faster_one_runs_ahead_and_still_knows_the_time_of_clients() -> None:
    origin = datetime.now(UTC) - timedelta(seconds=36)
    clock = Clock(speed=100, begin=origin, origin=origin)
    assert HOUR <= clock.now() - origin < 1.2 * HOUR
    assert abs(clock.real() - datetime.now(UTC)) < timedelta(seconds=5)


def test_a_clock_goes_on_from_where_another_has_left_off() -> None:
    origin = datetime.now(UTC) - timedelta(seconds=36)
    former = Clock(speed=100, begin=origin, origin=origin)
    going_on = Clock(begin=Clock.from_description(former.describe()).now())
    assert timedelta() < going_on.now() - former.now() + timedelta(seconds=60) < timedelta(seconds=120)


async def test_waiting_is_as_much_faster_as_the_time() -> None:
    clock = Clock(speed=36_000)
    begun = clock.now()
    await clock.sleep(3600)
    assert clock.now() - begun >= 0.99 * HOUR
    with pytest.raises(TimeoutError):
        async with clock.timeout(3600):
            await asyncio.Event().wait()
    async with clock.timeout(None):
        rung = asyncio.Event()
        clock.call_later(3600, rung.set)
        await rung.wait()
    assert clock.now() - begun >= 2.9 * HOUR
