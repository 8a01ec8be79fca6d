"""How ended tasks read in a run's result."""

import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prefect_azure_batch.flows.results import SubtaskResult, TaskResult
from prefect_azure_batch.tasks.ledger import Outcome
from prefect_azure_batch.tasks.logs import tail, with_stderr
from prefect_azure_batch.tasks.names import LOG_FOLDER, REDUCE_LABEL
from prefect_azure_batch.tasks.output_files import is_output, subtask_folder
from prefect_azure_batch.tasks.patterns import parse_pattern
from prefect_azure_batch.tasks.records import Collected, CollectedSubtask, EndedTask, Place, Subtask
from prefect_azure_batch.tasks.task_directory import STDERR, STDOUT

_SIGNAL_BASE = 128


def task_result(
    task: EndedTask, collected: Collected, patterns: Sequence[str], run_id: str, of_others: Sequence[str] = ()
) -> TaskResult:
    """The result of a task that has ended, and whose files have been collected.

    A task whose logs or outputs have not arrived in storage has failed, whatever its exit code.

    Args:
        task: the task.
        collected: its files.
        patterns: of the files that it was to leave.
        run_id: the run that did the work.
        of_others: names of the files that its subtasks have left.
    """
    end = task.end
    error = _missing(task, collected, patterns, of_others) if end.succeeded else _failure(task, collected)
    return TaskResult(
        input=task.label,
        task_id=task.task_id,
        state="failed" if error else "succeeded",
        exit_code=_exit_code(task, collected),
        node_id=end.node_id or None,
        queued=end.created,
        started=end.started,
        ended=end.ended,
        retries=end.retries,
        requeues=end.requeues,
        error=error,
        run_id=run_id,
        **_paths(collected),
    )


def result_of_other(outcome: Outcome, collected: Collected) -> TaskResult:
    """The result of a task that another run has done, and whose files have been restored."""
    return TaskResult(
        input=outcome.label,
        task_id=outcome.task_id,
        state="skipped" if outcome.succeeded else "failed",
        error=None if outcome.succeeded else outcome.failure,
        exit_code=outcome.exit_code,
        node_id=outcome.node_id or None,
        started=outcome.started,
        ended=outcome.ended,
        retries=outcome.retries,
        run_id=outcome.run_id,
        **_paths(collected),
    )


def failed_result(label: str, task_id: str, error: str) -> TaskResult:
    """The result of a task that did not come through its stages."""
    return TaskResult(input=label, task_id=task_id, state="failed", error=error)


def task_outcome(task: EndedTask, collected: Collected, result: TaskResult, container: str) -> Outcome:
    """The line of the ledger for a task that has ended, and whose files have been collected.

    Args:
        task: the task.
        collected: its files.
        result: how it fared.
        container: that its files were uploaded to.
    """
    end = task.end
    return Outcome(
        task_id=task.task_id,
        label=task.label,
        succeeded=result.state == "succeeded",
        exit_code=result.exit_code,
        failure=result.error or "",
        node_id=end.node_id,
        started=end.started,
        ended=end.ended,
        run_id=result.run_id or "",
        folder=place.folder if (place := collected.place) else task.folder,
        retries=end.retries,
        files=collected.kept,
        container=place.container if place else container,
    )


def _exit_code(task: EndedTask, collected: Collected) -> int | None:
    """Of a task's program, also where Batch was told of a success."""
    return collected.exit_code if task.end.succeeded and collected.exit_code is not None else task.end.exit_code


def _paths(collected: Collected) -> dict[str, Any]:
    if place := collected.place:
        names = sorted(file.name for file in collected.kept)
        logs = {
            log: f"{place / LOG_FOLDER / log}" if f"{LOG_FOLDER}/{log}" in names else None for log in (STDOUT, STDERR)
        }
        outputs = [f"{place / name}" for name in names if is_output(name)]
        return {"stdout": logs[STDOUT], "stderr": logs[STDERR], "outputs": outputs}
    return {
        "stdout": str(collected.stdout) if collected.stdout else None,
        "stderr": str(collected.stderr) if collected.stderr else None,
        "outputs": [str(path) for path in collected.outputs],
    }


def _missing(task: EndedTask, collected: Collected, patterns: Sequence[str], of_others: Sequence[str]) -> str | None:
    """What has not arrived of a task that ended well; None if all has."""
    kept = {file.name for file in collected.kept}
    logs = [name for name in (STDOUT, STDERR) if f"{LOG_FOLDER}/{name}" not in kept]
    if logs:
        return f"it ended well, but {' and '.join(logs)} did not arrive in storage, or somebody has deleted them"
    names = [*(file.name.partition("/")[2] for file in collected.kept), *of_others]
    if "\\" in task.label:  # storage has turned those in names of files
        names += [name.replace("/", "\\") for name in names]
    parsed = [(text, parse_pattern(text)) for text in patterns]
    left = [text for text, pattern in parsed if not pattern.is_optional and not any(map(pattern.matches, names))]
    if left:
        shown = ", ".join(map(repr, left))
        option = "--reduce-outputs" if task.label == REDUCE_LABEL else "--outputs"
        return (
            f"it ended well, but left no file that matches {shown} of {option} (one that may be missing: '?{left[0]}')"
        )
    return None


def subtask_of_other(subtask: Subtask, outcome: Outcome, directory: Path | Place) -> SubtaskResult:
    """The result of a subtask of a task that another run has done, and whose files have been restored.

    Args:
        subtask: the subtask.
        outcome: of its task.
        directory: of the task's files.
    """
    # Not by the outcome: a task that ended well may have failed for want of an output.
    folders = tuple(f"{subtask_folder(subtask.id, succeeded=succeeded)}/" for succeeded in (True, False))
    names = [file.name for file in outcome.files if file.name.startswith(folders)]
    stdout = next((name for name in names if name in [f"{folder}{STDOUT}" for folder in folders]), None)
    logs = [f"{folder}{log}" for folder in folders for log in (STDOUT, STDERR)]
    return SubtaskResult(
        id=subtask.id,
        node_id=subtask.node_id or None,
        state=subtask.state,
        exit_code=subtask.exit_code,
        stdout=str(directory / stdout) if stdout else None,
        outputs=[str(directory / name) for name in names if name not in logs],
        started=subtask.started,
        ended=subtask.ended,
        error=subtask.failure or None,
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
        started=subtask.started,
        ended=subtask.ended,
        error=_subtask_error(subtask, collected),
    )


def _subtask_error(subtask: Subtask, collected: CollectedSubtask) -> str | None:
    if subtask.exit_code:
        return with_stderr(f"exit code {subtask.exit_code}: {subtask.failure}", tail(collected.files.stderr))
    return collected.missing or None


def _failure(task: EndedTask, collected: Collected) -> str:
    end = task.end
    what = "no exit code" if end.exit_code is None else f"exit code {end.exit_code}{_signal(end.exit_code)}"
    # That the exit code is one of a failure needs no words of the service.
    why = "" if end.failure.startswith("FailureExitCode:") else f": {end.failure}"
    stderr = collected.stderr_end or tail(collected.stderr)
    # Last, for it has 70 characters, and what matters would stand behind it.
    where = f" (node {end.node_id})" if end.node_id else ""
    return f"{what}{why}" + (f"; stderr ends: {stderr}" if stderr else "") + where


def _signal(exit_code: int) -> str:
    try:
        return f" (killed by {signal.Signals(exit_code - _SIGNAL_BASE).name})"
    except ValueError:
        return ""
