"""Threads for what blocks: transfers and the removal of large trees."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import ParamSpec, TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_Arguments = ParamSpec("_Arguments")


class Threads:
    """A fixed number of threads, shared by all commands.

    Args:
        count: how many there are.
        share: how many of them one command may keep busy, so that its thousand files do not hold up all others.
    """

    def __init__(self, count: int, share: int) -> None:
        self.count = count
        self._share = share
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="node")

    async def call(
        self, function: Callable[_Arguments, _Result], *arguments: _Arguments.args, **named: _Arguments.kwargs
    ) -> _Result:
        """Calls a function in a thread and waits for its result."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, lambda: function(*arguments, **named))

    async def finish(
        self, function: Callable[_Arguments, _Result], *arguments: _Arguments.args, **named: _Arguments.kwargs
    ) -> _Result:
        """Calls a function in a thread and waits until it has ended, also if that is cancelled.

        For what makes or removes files: whoever cancels it and then removes a directory finds all of it done.
        """
        call = asyncio.ensure_future(self.call(function, *arguments, **named))
        try:
            return await asyncio.shield(call)
        except asyncio.CancelledError:
            while not call.done():
                with suppress(asyncio.CancelledError):
                    await asyncio.wait([call])
            call.exception()  # nobody waits for it any more
            raise

    async def each(self, function: Callable[[_Item, threading.Event], Awaitable[None]], items: Sequence[_Item]) -> None:
        """Does something for every item, for several at a time; the first error ends it.

        Args:
            function: takes an item, and an event that is set as soon as its work is of no use any more.
            items: what to do.
        """
        given_up = threading.Event()
        if len(items) == 1:
            try:
                await function(items[0], given_up)
            finally:
                given_up.set()
            return
        remaining = iter(items)

        async def work() -> None:
            for item in remaining:
                await function(item, given_up)

        workers = [asyncio.ensure_future(work()) for _ in range(min(self._share, len(items)))]
        try:
            await asyncio.gather(*workers)
        finally:
            given_up.set()
            for worker in workers:
                worker.cancel()

    def close(self) -> None:
        """Lets the threads end once they have done what they are at."""
        self._pool.shutdown(wait=False, cancel_futures=True)
