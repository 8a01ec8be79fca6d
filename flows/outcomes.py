"""How ended tasks read in a run's result."""

import signal

from flows.results import SubtaskResult, TaskResult
from tasks.logs import tail, with_stderr
from tasks.records import Collected, CollectedSubtask, EndedTask, Subtask

_SIGNAL_BASE = 128


def task_result(task: EndedTask, collected: Collected) -> TaskResult:
    """The result of a task that has ended, and whose files have been collected."""
    end = task.end
    return TaskResult(
        input=task.label,
        task_id=task.task_id,
        state="succeeded" if end.succeeded else "failed",
        exit_code=end.exit_code,
        node_id=end.node_id or None,
        started=end.started,
        ended=end.ended,
        stdout=str(collected.stdout) if collected.stdout else None,
        outputs=[str(path) for path in collected.outputs],
        error=None if end.succeeded else _failure(task, collected),
    )


def subtask_result(subtask: Subtask, collected: CollectedSubtask) -> SubtaskResult:
    """The result of a subtask of a task that has ended, and whose files have been collected."""
    files = collected.files
    return SubtaskResult(
        id=subtask.id,
        node_id=subtask.node_id or None,
        state=subtask.state,
        exit_code=subtask.exit_code,
        stdout=str(files.stdout) if files.stdout else None,
        outputs=[str(path) for path in files.outputs],
        error=_subtask_error(subtask, collected),
    )


def _subtask_error(subtask: Subtask, collected: CollectedSubtask) -> str | None:
    if subtask.exit_code:
        return with_stderr(f"exit code {subtask.exit_code}: {subtask.failure}", tail(collected.files.stderr))
    return collected.missing or None


def _failure(task: EndedTask, collected: Collected) -> str:
    end = task.end
    what = "no exit code" if end.exit_code is None else f"exit code {end.exit_code}{_signal(end.exit_code)}"
    where = f" on node {end.node_id}" if end.node_id else ""
    stderr = tail(collected.stderr)
    return f"{what}{where}: {end.failure}" + (f"; stderr ends: {stderr}" if stderr else "")


def _signal(exit_code: int) -> str:
    try:
        return f" (killed by {signal.Signals(exit_code - _SIGNAL_BASE).name})"
    except ValueError:
        return ""
