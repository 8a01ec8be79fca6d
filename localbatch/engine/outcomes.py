"""What the end of a command means: whether it runs again, and what its record says. Pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from localbatch.driver.interface import Failure, Outcome, Usage
from localbatch.store.tasks import TaskRecord
from localbatch.wire.errors import failure_info
from localbatch.wire.formats import JsonObject, format_time

_EXIT_CODE = "FailureExitCode"
SUCCESS, FAILURE = "success", "failure"
_NOTHING = Usage()
_MICROSECOND = timedelta(microseconds=1)


def runs_again(outcome: Outcome, retries: int, limit: int) -> bool:
    """Tells whether a command is to be run again: only its own exit code is reason enough.

    Args:
        outcome: how it ended.
        retries: how often it was run again before.
        limit: how often it may be; -1 is without limit.
    """
    failed = outcome.failure is not None and outcome.failure.code == _EXIT_CODE
    return failed and (limit < 0 or retries < limit)


def result_of(outcome: Outcome) -> str:
    """Tells whether a command succeeded."""
    return SUCCESS if outcome.failure is None else FAILURE


def failure_view(failure: Failure | None) -> JsonObject | None:
    """Shows a failure in the words of the wire."""
    if failure is None:
        return None
    info: JsonObject = {"category": failure.category, "code": failure.code, "message": failure.message}
    if failure.details:
        info["details"] = [{"name": name, "value": value} for name, value in failure.details]
    return info


def completion(outcome: Outcome) -> dict[str, Any]:
    """Makes the fields of a task or preparation task that has ended by itself."""
    return {
        "ended": outcome.ended,
        "exit_code": outcome.exit_code,
        "result": result_of(outcome),
        "failure": failure_view(outcome.failure),
        "container": container_view(outcome),
    }


def container_view(outcome: Outcome) -> JsonObject | None:
    """Shows the container in which a command has run, if it has, in the words of the wire."""
    return None if outcome.container_id is None else {"containerId": outcome.container_id, "state": "exited"}


def ended_by_request(now: datetime) -> dict[str, Any]:
    """Makes the fields of a task that was ended from outside."""
    return {"ended": now, "exit_code": None, "result": FAILURE, "failure": failure_info("TaskEnded")}


def spent(task: TaskRecord, now: datetime, usage: Usage = _NOTHING) -> dict[str, Any]:
    """Makes the fields of a task that is no longer on a node: what its runs have used, the last one included.

    Args:
        task: the task, as it was while it ran.
        now: the time.
        usage: what the last run has used, as far as that was measured.
    """
    running = timedelta() if task.started is None else now - task.started
    return {
        "wall_time": task.wall_time + running // _MICROSECOND,
        "user_time": task.user_time + round(usage.user_seconds * 1e6),
        "kernel_time": task.kernel_time + round(usage.kernel_seconds * 1e6),
        "bytes_read": task.bytes_read + usage.bytes_read,
        "bytes_written": task.bytes_written + usage.bytes_written,
    }


def fresh_execution() -> dict[str, Any]:
    """Makes the fields of a task that waits for its next run: nothing is known of the run before."""
    return {
        "started": None,
        "ended": None,
        "exit_code": None,
        "result": None,
        "failure": None,
        "container": None,
        "expires": None,
        "cleaned": False,
        "satisfied": False,
    }


def expiry(ended: datetime, retention_seconds: float | None) -> datetime | None:
    """Tells when the files of a task that has ended are to be removed."""
    try:
        return None if retention_seconds is None else ended + timedelta(seconds=retention_seconds)
    except OverflowError:
        # Longer than the calendar is for ever.
        return None


def start_info(outcome: Outcome | None, started: datetime, retries: int, retried: datetime | None) -> JsonObject:
    """Shows how a start task goes, or went.

    Args:
        outcome: how it ended; None while it runs.
        started: when it was first run.
        retries: how often it was run again.
        retried: when that was last.
    """
    info: JsonObject = {"state": "running" if outcome is None else "completed", "startTime": format_time(started)}
    if outcome is not None:
        info["endTime"] = format_time(outcome.ended)
        info["result"] = result_of(outcome)
        info |= _present(exitCode=outcome.exit_code, failureInfo=failure_view(outcome.failure))
        info |= _present(containerInfo=container_view(outcome))
    info["retryCount"] = retries
    if retried is not None:
        info["lastRetryTime"] = format_time(retried)
    return info


def _present(**values: Any) -> Mapping[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
