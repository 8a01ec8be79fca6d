"""What a run gives back: one JSON document, and text for people."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from tasks.errors import BatchFlowError

State = Literal["succeeded", "failed", "skipped"]

_SHOWN_FAILURES = 5
_SHOWN_OUTPUTS = 20
_SHOWN_CHARACTERS = 4000


class TaskResult(BaseModel):
    """How one input fared.

    Attributes:
        exit_code: of the task's process; None if none ran to its end.
        stdout: local path of the collected standard output, or None.
        outputs: local paths of the collected files.
        error: why the task failed, with the end of its standard error; None if it succeeded.
    """

    input: str
    task_id: str
    state: State
    exit_code: int | None = None
    node_id: str | None = None
    started: datetime | None = None
    ended: datetime | None = None
    stdout: str | None = None
    outputs: list[str] = []
    error: str | None = None


class ResultCounts(BaseModel):
    """Tasks by how they ended."""

    succeeded: int = 0
    failed: int = 0
    skipped: int = 0

    def __str__(self) -> str:
        return f"{self.succeeded} succeeded, {self.failed} failed, {self.skipped} skipped"


class MapResult(BaseModel):
    """The result of a map run; tasks stand in the order of the inputs."""

    run_id: str
    job_id: str
    pool_id: str
    counts: ResultCounts
    tasks: list[TaskResult]


class TasksFailed(BatchFlowError):
    """Some tasks failed. ``result`` is the whole result of the run, as the flow would have returned it."""

    def __init__(self, result: MapResult) -> None:
        super().__init__(failure_message(result))
        self.result = result


def count_results(tasks: Iterable[TaskResult]) -> ResultCounts:
    """Counts tasks by state."""
    counts = ResultCounts()
    for task in tasks:
        setattr(counts, task.state, getattr(counts, task.state) + 1)
    return counts


def failure_message(result: MapResult) -> str:
    """Names the failed tasks of a run, the first few with their reasons."""
    failed = [task for task in result.tasks if task.state == "failed"]
    lines = [f"{len(failed)} of {len(result.tasks)} tasks of job {result.job_id!r} failed:"]
    lines += [f"  {task.input}: {_printable(task.error or '')}" for task in failed[:_SHOWN_FAILURES]]
    if len(failed) > _SHOWN_FAILURES:
        lines.append(f"  and {len(failed) - _SHOWN_FAILURES} more")
    return "\n".join(lines)


def text_report(result: MapResult) -> Iterator[str]:
    """What a person reads at the end: each input, its node and its standard output; long runs are cut."""
    for task in result.tasks[:_SHOWN_OUTPUTS]:
        yield from ("", f"Task: {task.task_id}", f"Input: {task.input}", f"Node: {task.node_id or '-'}")
        if task.stdout:
            yield "Standard output:"
            with open(task.stdout, encoding="utf-8", errors="replace") as file:
                yield _printable(file.read(_SHOWN_CHARACTERS).rstrip())
        if task.error:
            yield f"Failed: {_printable(task.error)}"
    if len(result.tasks) > _SHOWN_OUTPUTS:
        yield f"\n... and {len(result.tasks) - _SHOWN_OUTPUTS} more tasks"
    yield f"\n{result.counts}"


def _printable(text: str) -> str:
    """The text without what a terminal would obey instead of show."""
    return "".join(
        character if character.isprintable() or character in "\n\t" else "\N{REPLACEMENT CHARACTER}"
        for character in text
    )
