"""The driver that runs nothing."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from localbatch.driver.interface import Outcome, Run
from localbatch.driver.simulated import SimulatedDriver
from tests.support.nodes import place


async def simulate(root: Path, *, milliseconds: int, limit: int | None = None) -> tuple[Outcome, list[str]]:
    started: list[str] = []
    time_limit = None if limit is None else timedelta(milliseconds=limit)
    run = Run(place(root), "workitems/job/job-1/task", "no-such-program", time_limit=time_limit)
    driver = SimulatedDriver(timedelta(milliseconds=milliseconds))
    assert await driver.create_node(run.node, ()) is None
    outcome = await driver.execute(run, lambda: started.append("started"))
    await driver.remove_node(run.node)
    await driver.close()
    return outcome, started


async def test_a_command_succeeds_after_the_set_time_and_touches_nothing(tmp_path: Path) -> None:
    outcome, started = await simulate(tmp_path, milliseconds=20)
    assert (outcome.exit_code, outcome.failure, started) == (0, None, ["started"])
    assert outcome.ended - outcome.started >= timedelta(milliseconds=19)
    assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240


@pytest.mark.parametrize("limit", [0, 5])
async def test_a_time_limit_shorter_than_that_is_kept(limit: int, tmp_path: Path) -> None:
    outcome, _ = await simulate(tmp_path, milliseconds=60_000, limit=limit)
    assert outcome.failure is not None
    assert (outcome.exit_code, outcome.failure.code) == (None, "TaskEnded")


async def test_ten_thousand_commands_run_side_by_side(tmp_path: Path) -> None:
    driver = SimulatedDriver(timedelta(milliseconds=50))
    run = Run(place(tmp_path), "task", "true")
    outcomes = await asyncio.gather(*(driver.execute(run, lambda: None) for _ in range(10_000)))
    assert {outcome.exit_code for outcome in outcomes} == {0}
