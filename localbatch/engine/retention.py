"""Removes the files of tasks once their retention is over."""

from contextlib import suppress
from datetime import datetime

from localbatch.engine.context import Context
from localbatch.engine.orders import release_of
from localbatch.engine.runs import TaskRuns
from localbatch.store.jobs import ReleaseRecord
from localbatch.views.links import task_directory

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
        for release in store.expired_releases(now, _AT_ONCE):
            store.releases.change(release, expires=None)
            await self._clear_release(release)

    async def _clear_release(self, release: ReleaseRecord) -> None:
        store = self._context.store
        job = store.jobs.get(release.job)
        body = None if job is None else release_of(job)
        pool = None if job is None else store.find_pool(job.account, release.pool_id)
        node = None if pool is None else self._context.fleet.find(pool.seq, release.node_id)
        if job is not None and body is not None and node is not None:
            with suppress(OSError):
                await self._context.driver.clear_directory(node.place, task_directory(job.id, body.id))

    async def _sleep(self) -> None:
        first = self._context.store.next_expiry()
        left = _LONGEST_SLEEP if first is None else (first - self._context.clock.now()).total_seconds()
        self._context.expiring.clear()
        try:
            async with self._context.clock.timeout(max(0.0, min(left, _LONGEST_SLEEP))):
                await self._context.expiring.wait()
        except TimeoutError:
            return
