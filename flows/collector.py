"""Python's garbage collector, which has nothing to do while a program is imported and looks through all of it again."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def resting_collector() -> Iterator[None]:
    """Has the collector rest while modules are imported; what they have made is never looked at again, for it stays.

    Prefect's server makes a million objects on the way, which took it a third of the time of its start.
    """
    was_at_work = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_at_work:
            gc.enable()
