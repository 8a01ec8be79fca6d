"""What is shown on a terminal while a run waits; silent where standard error is none."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from prefect_azure_batch.tasks.poller import JobPoller

_INTERVAL = 0.5


@contextmanager
def show_progress(poller: JobPoller, total: int) -> Iterator[None]:
    """Shows how many tasks wait, run and have ended, until the context is left.

    Args:
        poller: knows the counts.
        total: tasks of the run.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("Tasks", total=total)
        done = threading.Event()

        def follow() -> None:
            while not done.wait(_INTERVAL):
                counts = poller.counts
                text = f"Tasks: {counts.active} waiting, {counts.running} running, {counts.failed} failed"
                progress.update(bar, completed=counts.completed, description=text)

        thread = threading.Thread(target=follow, name="progress", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


@contextmanager
def show_status(text: str) -> Iterator[Callable[[str], None]]:
    """Shows one line that says what is being waited for, until the context is left.

    Yields:
        A function that changes the line.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda text: None
        return
    with console.status(text) as status:
        yield status.update
