"""How ended tasks read in a run's result."""

import logging
import re
import signal
from collections.abc import Iterable, Sequence
from pathlib import Path

from prefect_azure_batch.flows.parameters import RunParameters
from prefect_azure_batch.flows.results import RunResult, SubtaskResult, TaskResult
from prefect_azure_batch.tasks.logs import tail, with_stderr
from prefect_azure_batch.tasks.patterns import parse_pattern
from prefect_azure_batch.tasks.records import Collected, CollectedSubtask, EndedTask, Subtask

_SIGNAL_BASE = 128
# Below a task's directory of results: files of another node, or beside a log of the same name.
_FOLDER = re.compile(r"subtask-\d+|wd")

_logger = logging.getLogger(__name__)


def tell_unmatched(run: RunParameters, result: RunResult) -> None:
    """Warns of patterns of outputs that have matched no file: the nodes, and what was meant, are gone by then."""
    for pattern in unmatched(run.outputs, run.results_directory(result.run_id), result.all_outputs()):
        _logger.warning(
            "The pattern %r of --outputs has matched no file. All files below a directory are %r.", pattern, "name/**/*"
        )


def unmatched(patterns: Sequence[str], results: Path, outputs: Iterable[str]) -> list[str]:
    """Returns those patterns that no output fits.

    Args:
        patterns: relative to the directory that a program worked in.
        results: the run's directory of results.
        outputs: paths of collected files, below ``<results>/<task id>``.
    """
    names: set[str] = set()
    for path in outputs:
        parts = Path(path).relative_to(results).parts[1:]
        names.add("/".join(parts))
        if _FOLDER.fullmatch(parts[0]):
            names.add("/".join(parts[1:]))
    return [pattern for pattern in patterns if not any(map(parse_pattern(pattern).matches, names))]


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
