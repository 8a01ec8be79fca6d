"""Threads of the driver."""

import asyncio
import threading

import pytest

from localbatch.driver.threads import Threads


async def test_what_changes_files_is_done_once_a_cancelled_call_is_over() -> None:
    threads, begun, go, done = Threads(1, 1), threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        go.wait()
        done.set()

    call = asyncio.ensure_future(threads.finish(work))
    await asyncio.to_thread(begun.wait)
    for _ in range(2):
        call.cancel()
        await asyncio.wait([call], timeout=0.01)
        assert not call.done()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert done.is_set()
    threads.close()


async def test_results_and_errors_are_handed_on() -> None:
    threads = Threads(1, 1)
    assert await threads.finish(int, "7") == 7
    with pytest.raises(ValueError, match="seven"):
        await threads.finish(int, "seven")
    threads.close()
