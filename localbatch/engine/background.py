"""Work that goes on by itself in the event loop, and ends with it."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")

logger = logging.getLogger("localbatch")


class Background:
    """Keeps hold of work until it is done, and logs what goes wrong in it."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
        """Starts work, which runs as soon as the caller waits for something."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._drop)
        return task

    def _drop(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("Internal error", exc_info=error)

    async def stop(self) -> None:
        """Cancels everything that goes on, and waits for it."""
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks)


def give_up(*tasks: asyncio.Task[Any]) -> None:
    """Cancels tasks; those that are being cancelled already are left to clear up undisturbed."""
    for task in tasks:
        if not task.cancelling():
            task.cancel()


async def breathe() -> None:
    """Lets everything else in the event loop have its turn."""
    await asyncio.sleep(0)


async def settle(*tasks: asyncio.Task[Any]) -> None:
    """Waits until tasks are done, however they end."""
    if tasks:
        await asyncio.wait(tasks)
