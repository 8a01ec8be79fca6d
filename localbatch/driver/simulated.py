"""The driver that runs nothing: for thousands of nodes and very many tasks on one machine."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from localbatch.driver.failures import time_limit_failure
from localbatch.driver.interface import Failure, Mount, MultiInstanceRun, NodePlace, Outcome, Package, Run


class SimulatedDriver:
    """Completes every command with exit code 0 after a set time. It touches no file and starts no process.

    Args:
        duration: how long each command seems to run.
    """

    def __init__(self, duration: timedelta = timedelta(0)) -> None:
        self._duration = duration

    async def create_node(
        self, node: NodePlace, packages: tuple[Package, ...], mounts: tuple[Mount, ...] = ()
    ) -> Failure | None:
        """Succeeds at once."""
        return None

    async def execute(self, run: Run, on_started: Callable[[], None]) -> Outcome:
        """Waits for the set time, or for the command's time limit if that is shorter."""
        on_started()
        return await self._simulate(run)

    async def execute_together(
        self, run: MultiInstanceRun, on_subtask: Callable[[int, Outcome | None], None]
    ) -> Outcome:
        """Does the same for all nodes at once."""
        subtasks = range(1, len(run.runs))
        for number in subtasks:
            on_subtask(number, None)
        outcome = await self._simulate(run.runs[0])
        for number in subtasks:
            on_subtask(number, outcome)
        return outcome

    async def _simulate(self, run: Run) -> Outcome:
        started = datetime.now(UTC)
        life = self._duration if run.time_limit is None else min(run.time_limit, self._duration)
        await asyncio.sleep(life.total_seconds())
        if life < self._duration:
            return Outcome(started, datetime.now(UTC), None, time_limit_failure())
        return Outcome(started, datetime.now(UTC), 0, None)

    async def clear_directory(self, node: NodePlace, directory: str) -> None:
        """There is nothing to remove."""

    async def remove_node(self, node: NodePlace) -> None:
        """There is nothing to remove."""

    async def close(self) -> None:
        """There is nothing to end."""
