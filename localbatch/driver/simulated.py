"""The driver that runs nothing: for thousands of nodes and very many tasks on one machine."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from localbatch.driver.failures import time_limit_failure
from localbatch.driver.interface import Failure, NodePlace, Outcome, Package, Run


class SimulatedDriver:
    """Completes every command with exit code 0 after a set time. It touches no file and starts no process.

    Args:
        duration: how long each command seems to run.
    """

    def __init__(self, duration: timedelta = timedelta(0)) -> None:
        self._duration = duration

    async def create_node(self, node: NodePlace, packages: tuple[Package, ...]) -> Failure | None:
        """Succeeds at once."""
        return None

    async def execute(self, run: Run, on_started: Callable[[], None]) -> Outcome:
        """Waits for the set time, or for the command's time limit if that is shorter."""
        started = datetime.now(UTC)
        on_started()
        is_cut = run.time_limit is not None and run.time_limit < self._duration
        await asyncio.sleep((run.time_limit if run.time_limit and is_cut else self._duration).total_seconds())
        failure = time_limit_failure() if is_cut else None
        return Outcome(started, datetime.now(UTC), None if is_cut else 0, failure)

    async def clear_directory(self, node: NodePlace, directory: str) -> None:
        """There is nothing to remove."""

    async def remove_node(self, node: NodePlace) -> None:
        """There is nothing to remove."""

    async def close(self) -> None:
        """There is nothing to end."""
