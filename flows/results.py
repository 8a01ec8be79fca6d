"""What a run gives back: one JSON document, and text for people."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from textwrap import indent
from typing import Annotated, ClassVar, Literal, Self

from pydantic import BaseModel, Field, PlainSerializer, SkipValidation

from prefect_azure_batch.flows.plan import Plan
from prefect_azure_batch.flows.streams import printable
from prefect_azure_batch.tasks.cost import Bill
from prefect_azure_batch.tasks.errors import BatchFlowError
from prefect_azure_batch.tasks.names import REDUCE_LABEL
from prefect_azure_batch.tasks.records import BLOB_SCHEME

State = Literal["succeeded", "failed", "skipped"]

_SHOWN_FAILURES = 5
_SHOWN_OUTPUTS = 20
_SHOWN_CHARACTERS = 4000


class TaskResult(BaseModel):
    """How one input fared.

    Attributes:
        exit_code: of the task's process; None if none ran to its end.
        queued: since when it could have started, had a node been free for it.
        started: for the last time.
        retries: how often Batch has repeated it, for it had failed.
        requeues: how often it has lost its node and begun again on another.
        stdout: local path of the collected standard output, or None; where results stay in storage, its place there,
            as ``az://container/blob``.
        stderr: the same of the standard error.
        outputs: the same of the collected files.
        error: why the task failed, with the end of its standard error; None if it succeeded.
        run_id: the run that did the work: an earlier one, if this one has skipped it.
    """

    input: str
    task_id: str
    state: State
    exit_code: int | None = None
    node_id: str | None = None
    queued: datetime | None = None
    started: datetime | None = None
    ended: datetime | None = None
    retries: int = 0
    requeues: int = 0
    stdout: str | None = None
    stderr: str | None = None
    outputs: list[str] = []
    error: str | None = None
    run_id: str | None = None

    @property
    def run_seconds(self) -> float | None:
        """Seconds from its last start to its end; None if it never ran."""
        return (self.ended - self.started).total_seconds() if self.ended and self.started else None

    @property
    def queue_seconds(self) -> float | None:
        """Seconds that it waited for its last start, with what it ran before; None if it never ran, or not here."""
        if self.state == "skipped" or self.queued is None or self.started is None:
            return None
        return max(0.0, (self.started - self.queued).total_seconds())


class ResultCounts(BaseModel):
    """Tasks by how they ended."""

    succeeded: int = 0
    failed: int = 0
    skipped: int = 0

    def __str__(self) -> str:
        return f"{self.succeeded} succeeded, {self.failed} failed, {self.skipped} skipped"


class RunResult(BaseModel):
    """The result of a run; tasks stand in the order of what they were made for.

    Attributes:
        job_id: the job; None if there was nothing left to do.
        pool_id: the pool that it ran on, likewise.
        results: local directory of the logs and outputs, or their place in storage.
        report: the run as a page to look at: its path, or its place in storage; None if there is none.
        leftovers: what the run has made and could not delete.
        cost: what its VMs have cost.
        plan: what the run would have done, if only that was asked for.
    """

    run_id: str
    job_id: str | None
    pool_id: str | None
    results: str
    counts: ResultCounts
    # Of a map they stay in their file, and are no list.
    tasks: Annotated[Sequence[TaskResult], SkipValidation, PlainSerializer(list[TaskResult])]
    report: str | None = None
    leftovers: list[str] = []
    cost: Bill = Bill()
    plan: Plan | None = Field(default=None, exclude=True)

    made_for: ClassVar[str] = "Input"

    @classmethod
    def planned(cls, plan: Plan) -> Self:
        """The result of a run that was only planned."""
        return cls(run_id="", job_id=None, pool_id=None, results="", counts=ResultCounts(), tasks=[], plan=plan)

    def json_lines(self) -> Iterator[str]:
        """The JSON document of the result, some lines at a time."""
        if self.plan:
            yield from self.plan.json_lines()
            return
        frame = self.model_copy(update={"tasks": []}).model_dump_json(indent=2)
        begin, _, end = frame.partition('"tasks": []')
        last = len(self.tasks) - 1
        yield f'{begin}"tasks": ['
        for number, task in enumerate(self.tasks):
            yield indent(task.model_dump_json(indent=2), "    ") + ("," if number < last else "")
        yield f"  ]{end}"

    def text(self) -> Iterator[str]:
        """What a person reads at the end: each task, its node and its standard output; long runs are cut."""
        if self.plan:
            yield from self.plan.text()
            return
        for task in self.tasks[:_SHOWN_OUTPUTS]:
            yield from self._shown(task)
        rest = len(self.tasks) - _SHOWN_OUTPUTS
        if rest > 0:
            yield f"\n... and {rest} more tasks"
            if self.tasks[-1].input == REDUCE_LABEL:
                yield from self._shown(self.tasks[-1])
        yield from self._details()
        yield f"\nResults: {self.results}"
        if self.report:
            yield f"Report: {self.report}"
        yield from self.cost.lines()
        yield f"{self.counts}"

    @property
    def told(self) -> list[TaskResult]:
        """The tasks that its text tells of: the first ones, and the reduce."""
        first, last = list(self.tasks[:_SHOWN_OUTPUTS]), list(self.tasks[-1:])
        return first + (last if len(self.tasks) > _SHOWN_OUTPUTS and last[0].input == REDUCE_LABEL else [])

    def _shown(self, task: TaskResult) -> Iterator[str]:
        yield from ("", f"Task: {task.task_id}", f"{self.made_for}: {printable(task.input)}")
        yield f"Node: {task.node_id or '-'}"
        if task.stdout and task.stdout.startswith(BLOB_SCHEME):
            yield f"Standard output: {task.stdout}"
        elif task.stdout:
            yield "Standard output:"
            with open(task.stdout, encoding="utf-8", errors="replace") as file:
                yield printable(file.read(_SHOWN_CHARACTERS).rstrip())
        if task.error:
            yield f"Failed: {printable(task.error)}"

    def _details(self) -> Iterator[str]:
        return iter(())


class MapResult(RunResult):
    """The result of a map run: a task for each input."""


class SubtaskResult(BaseModel):
    """How one node other than the first fared in an MPI run.

    Attributes:
        id: from 1.
        state: ``preparing``, ``running`` or ``completed``.
        exit_code: of the coordination command there; None if it did not come to its end.
        stdout: local path of the subtask's standard output, or None.
        outputs: local paths of the files collected from its node.
        started, ended: when it ran; it ends with its task.
        error: what went wrong, with the end of its standard error, or why there are no files; None if nothing did.
    """

    id: int
    node_id: str | None
    state: str
    exit_code: int | None
    stdout: str | None = None
    outputs: list[str] = []
    started: datetime | None = None
    ended: datetime | None = None
    error: str | None = None


class MpiResult(RunResult):
    """The result of an MPI run: one task, and a subtask on each further node.

    Attributes:
        exit_code: of the application command, which is the MPI program's; None if it did not come to its end.
        application_began: when all nodes had been prepared for that; None if nobody can tell.
    """

    exit_code: int | None = None
    application_began: datetime | None = None
    subtasks: list[SubtaskResult] = []

    made_for: ClassVar[str] = "Command"

    def _details(self) -> Iterator[str]:
        if self.subtasks:
            yield f"\n{'Subtask':<9}{'State':<11}{'Exit code':<11}Node"
        for subtask in self.subtasks:
            code = "-" if subtask.exit_code is None else subtask.exit_code
            yield f"{subtask.id:<9}{subtask.state:<11}{code:<11}{subtask.node_id or '-'}"
        for subtask in self.subtasks:
            if subtask.error:
                yield f"Subtask {subtask.id}: {printable(subtask.error)}"


class RunFailed(BatchFlowError):
    """A run that has a result has not gone well. ``result`` is what the flow would have returned otherwise.

    Prefect keeps a copy of the error of each flow run; in that the result has no tasks, which may be very many.
    """

    @property
    def beside_result(self) -> str:
        """What there is to say of it to somebody who has just read the text of its result."""
        return str(self)

    def __init__(self, message: str, result: RunResult) -> None:
        super().__init__(message)
        self.result = result

    def __reduce__(self) -> tuple[Callable[..., "RunFailed"], tuple[object, ...]]:
        """Elsewhere it is the same, but for the tasks."""
        return _without_tasks, (type(self), str(self), self.result.model_copy(update={"tasks": []}))


def _without_tasks(kind: type[RunFailed], message: str, result: RunResult) -> RunFailed:
    error = kind.__new__(kind)
    RunFailed.__init__(error, message, result)
    return error


class TasksFailed(RunFailed):
    """Some tasks failed."""

    def __init__(self, result: RunResult) -> None:
        super().__init__(failure_message(result), result)

    @property
    def beside_result(self) -> str:
        """The same, but for the reasons that stand in the text of the result."""
        return failure_message(self.result, self.result.told)


class LeftBehind(RunFailed):
    """No task failed, but something that the run has made could not be deleted."""

    def __init__(self, result: RunResult) -> None:
        left = ", ".join(result.leftovers)
        super().__init__(f"left behind: {left}. Run `python -m flows.upkeep_flow`, or delete it by hand.", result)


def require_well(result: RunResult) -> None:
    """Ends a flow whose run has not gone well.

    Raises:
        TasksFailed: some tasks failed.
        LeftBehind: something that the run has made could not be deleted.
    """
    if result.counts.failed:
        raise TasksFailed(result)
    if result.leftovers:
        raise LeftBehind(result)


def failure_message(result: RunResult, told: Sequence[TaskResult] = ()) -> str:
    """Names the failed tasks of a run, the first few with their reasons.

    Args:
        result: of the run.
        told: the tasks in the text of the result, if that has been read: their reasons, and the bill, stand there.
    """
    known = {task.task_id for task in told if task.state == "failed"}
    number = result.counts.failed - len(known)
    failed = (task for task in result.tasks if task.state == "failed" and task.task_id not in known)
    shown = islice(failed, min(number, _SHOWN_FAILURES))
    lines = [f"  {printable(task.input)}: {printable(task.error or '')}" for task in shown]
    if number > _SHOWN_FAILURES:
        lines.append(f"  and {number - _SHOWN_FAILURES} more")
    if result.cost.over_budget and not told:
        lines.append(result.cost.lines()[-1])
    text = f"{result.counts.failed} of {len(result.tasks)} tasks of run {result.run_id!r} failed"
    return "\n".join([f"{text}:" if lines else f"{text}.", *lines])
