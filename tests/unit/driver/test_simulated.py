"""The driver that runs nothing."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from localbatch.driver.interface import Outcome, Run
from localbatch.driver.simulated import SimulatedDriver
from localbatch.engine.clock import Clock
from localbatch.rules.simulation import Simulation
from tests.support.nodes import place

DIRECTORY = "workitems/job/job-1/task"


async def simulate(root: Path, run: Run, **keys: object) -> tuple[Outcome, list[str]]:
    started: list[str] = []
    driver = SimulatedDriver(Clock(), Simulation.read(keys))
    assert await driver.create_node(run.node, ()) is None
    outcome = await driver.execute(run, lambda: started.append("started"))
    await driver.remove_node(run.node)
    await driver.close()
    return outcome, started


def task(root: Path, *, limit: int | None = None) -> Run:
    time_limit = None if limit is None else timedelta(milliseconds=limit)
    return Run(place(root), DIRECTORY, "no-such-program", time_limit=time_limit, task_id="task")


async def test_a_task_succeeds_after_the_set_time_and_touches_nothing(tmp_path: Path) -> None:
    outcome, started = await simulate(tmp_path, task(tmp_path), duration=0.02)
    assert (outcome.exit_code, outcome.failure, started) == (0, None, ["started"])
    assert outcome.ended - outcome.started >= timedelta(milliseconds=19)
    assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240


async def test_what_prepares_a_node_takes_no_time_and_succeeds(tmp_path: Path) -> None:
    outcome, _ = await simulate(
        tmp_path, Run(place(tmp_path), "startup", "x"), duration=60, outcomes=[{"exit_code": 1}]
    )
    assert (outcome.exit_code, outcome.failure) == (0, None)


@pytest.mark.parametrize("limit", [0, 5])
async def test_a_time_limit_shorter_than_that_is_kept(limit: int, tmp_path: Path) -> None:
    outcome, _ = await simulate(tmp_path, task(tmp_path, limit=limit), duration=60)
    assert outcome.failure is not None
    assert (outcome.exit_code, outcome.failure.code) == (None, "TaskEnded")
    assert outcome.ended - outcome.started < timedelta(seconds=30)


async def test_a_task_ends_as_its_outcome_says(tmp_path: Path) -> None:
    outcome, _ = await simulate(tmp_path, task(tmp_path), outcomes=[{"task": "ta*", "exit_code": 3}])
    assert outcome.failure is not None
    assert (outcome.exit_code, outcome.failure.code) == (3, "FailureExitCode")


async def test_ten_thousand_tasks_run_side_by_side(tmp_path: Path) -> None:
    driver = SimulatedDriver(Clock(), Simulation.read({"duration": 0.05}))
    outcomes = await asyncio.gather(*(driver.execute(task(tmp_path), lambda: None) for _ in range(10_000)))
    assert {outcome.exit_code for outcome in outcomes} == {0}
