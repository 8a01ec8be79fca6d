"""Work beside a run: on a thread of its own, for as long as a context lasts."""

import contextvars
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prefect_azure_batch.tasks.intervals import FAREWELL


@contextmanager
def beside(work: Callable[[threading.Event], None], name: str) -> Iterator[None]:
    """Does work on a thread of its own until the context is left, and waits a while for its end then.

    Args:
        work: takes an event that is set when the context is left, and ends soon after.
        name: of the thread.
    """
    left = threading.Event()
    # What belongs to a flow run, as its artifacts, is found by the context in which it was begun.
    within = contextvars.copy_context()
    thread = threading.Thread(target=within.run, args=(work, left), name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        left.set()
        thread.join(FAREWELL)
