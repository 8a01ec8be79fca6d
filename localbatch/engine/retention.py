"""Removes the files of tasks once their retention is over."""

import asyncio
from datetime import datetime

from localbatch.engine.context import Context
from localbatch.engine.runs import TaskRuns

_AT_ONCE = 100
_LONGEST_SLEEP = 60.0


class Retention:
    """Looks at the clock now and then.

    Args:
        context: the engine's surroundings.
        runs: what removes the files.
    """

    def __init__(self, context: Context, runs: TaskRuns) -> None:
        self._context, self._runs = context, runs

    async def run(self) -> None:
        """Removes files for as long as the service lives."""
        while True:
            await self._clean(self._context.clock.now())
            await self._sleep()

    async def _clean(self, now: datetime) -> None:
        store = self._context.store
        for task in store.expired_tasks(now, _AT_ONCE):
            job = store.jobs.get(task.job)
            store.tasks.change(task, expires=None, cleaned=True)
            if job is not None:
                await self._runs.clear_files(job, task)

    async def _sleep(self) -> None:
        first = self._context.store.next_expiry()
        left = _LONGEST_SLEEP if first is None else (first - self._context.clock.now()).total_seconds()
        self._context.expiring.clear()
        try:
            async with asyncio.timeout(max(0.0, min(left, _LONGEST_SLEEP))):
                await self._context.expiring.wait()
        except TimeoutError:
            return
