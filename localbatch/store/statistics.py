"""What ``$expand=stats`` shows: what tasks, jobs and pools have used so far. Pure.

Azure rolls statistics up every half hour or so; here they are of the moment. What is not measured is left out where it
may be, and else is zero: disk operations, and what runs have used that did not end by themselves.
Source: the models BatchTaskStatistics, BatchJobStatistics and BatchPoolStatistics of API version 2025-06-01.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from localbatch.store.jobs import JobRecord
from localbatch.store.pools import PoolRecord
from localbatch.store.schedules import JobScheduleRecord
from localbatch.store.tasks import TaskCount, TaskRecord
from localbatch.wire.formats import JsonObject, format_duration, format_time

_GIB = 2**30


@dataclass(frozen=True)
class Totals:
    """What some tasks have used together.

    Attributes:
        wall_time: microseconds for which they were running, all their runs together.
        user_time: microseconds of processor time in user mode.
        kernel_time: the same in kernel mode.
        bytes_read: from disk.
        bytes_written: to disk.
        retries: how often they were run again.
        succeeded: how many have ended well.
        failed: how many have ended otherwise.
    """

    wall_time: int = 0
    user_time: int = 0
    kernel_time: int = 0
    bytes_read: int = 0
    bytes_written: int = 0
    retries: int = 0
    succeeded: int = 0
    failed: int = 0

    def __add__(self, other: "Totals") -> "Totals":
        """Adds what other tasks have used."""
        return Totals(*(sum(pair) for pair in zip(vars(self).values(), vars(other).values(), strict=True)))


def totals_of(task: TaskRecord, now: datetime) -> Totals:
    """Tells what one task has used."""
    running = now - task.started if task.state == "running" and task.started is not None else timedelta()
    wall_time = task.wall_time + running // timedelta(microseconds=1)
    return Totals(wall_time, task.user_time, task.kernel_time, task.bytes_read, task.bytes_written, task.retries)


def with_counts(totals: Totals, counts: dict[str, TaskCount]) -> Totals:
    """Adds how many tasks have ended."""
    succeeded, failed = (counts.get(kind, TaskCount()).tasks for kind in ("success", "failure"))
    return totals + Totals(succeeded=succeeded, failed=failed)


def task_statistics(url: str, task: TaskRecord, now: datetime) -> JsonObject:
    """Shows what a task has used.

    Args:
        url: link to the task.
        task: the task.
        now: the time.
    """
    waited = (task.started or (now if task.state != "completed" else task.created)) - task.created
    return _used(url, task.created, now, totals_of(task, now)) | {"waitTime": format_duration(waited)}


def job_statistics(url: str, owner: JobRecord | JobScheduleRecord, totals: Totals, now: datetime) -> JsonObject:
    """Shows what the tasks of a job, or of the jobs of a schedule, have used.

    Args:
        url: link to the job or schedule.
        owner: the job or schedule.
        totals: what its tasks have used.
        now: the time.
    """
    return _used(url, owner.created, now, totals) | {
        "numSucceededTasks": str(totals.succeeded),
        "numFailedTasks": str(totals.failed),
        "numTaskRetries": str(totals.retries),
        # Part of an account's statistics alone, as the reference says.
        "waitTime": format_duration(timedelta()),
    }


def pool_statistics(url: str, pool: PoolRecord, core_time: timedelta, now: datetime) -> JsonObject:
    """Shows what a pool has used.

    Args:
        url: link to the pool.
        pool: the pool.
        core_time: for how long its dedicated nodes were there, times their cores.
        now: the time.
    """
    times = _times(pool.created, now)
    return {
        "url": f"{url}/stats",
        **times,
        "usageStats": {**times, "dedicatedCoreTime": format_duration(core_time)},
    }


def _used(url: str, started: datetime, now: datetime, totals: Totals) -> JsonObject:
    return {
        "url": f"{url}/stats",
        **_times(started, now),
        "userCPUTime": _duration(totals.user_time),
        "kernelCPUTime": _duration(totals.kernel_time),
        "wallClockTime": _duration(totals.wall_time),
        "readIOps": "0",
        "writeIOps": "0",
        "readIOGiB": totals.bytes_read / _GIB,
        "writeIOGiB": totals.bytes_written / _GIB,
    }


def _times(started: datetime, now: datetime) -> JsonObject:
    return {"startTime": format_time(started), "lastUpdateTime": format_time(now)}


def _duration(microseconds: int) -> str:
    return format_duration(timedelta(microseconds=microseconds))
