"""When a job schedule makes its jobs: pure functions of the schedule, what it has made so far, and the time.

A schedule has *occurrences*: the moment it begins and, if it recurs, every interval from there. An occurrence stays
open for the start window, and never longer than until the next one. It is used up by the job that is made for it, and
lost if there was none while it was open: nothing is made up for later. At most one job of a schedule is active.
Source: ``BatchJobScheduleConfiguration`` in the Batch REST reference, API version 2025-06-01.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from localbatch.wire.formats import INFINITE, JsonObject, JsonValue, parse_duration, parse_time


@dataclass(frozen=True)
class Timing:
    """When jobs may be made.

    Attributes:
        begin: the first occurrence.
        end: no job is made from then on; None is never.
        window: how long an occurrence stays open; None is for ever.
        interval: from one occurrence to the next; None for a schedule that does not recur.
    """

    begin: datetime
    end: datetime | None = None
    window: timedelta | None = None
    interval: timedelta | None = None


@dataclass(frozen=True)
class Plan:
    """What is to be done with a schedule.

    Attributes:
        make_job: a job is to be made now.
        complete: the schedule has nothing more to do.
        next_run: the occurrence the next job will be made for, as far as that can be told; it may be open already.
        look_again: when time alone can change the plan; None is never.
    """

    make_job: bool
    complete: bool
    next_run: datetime | None
    look_again: datetime | None


def read_timing(schedule: JsonValue, created: datetime) -> Timing:
    """Reads the ``schedule`` of a job schedule.

    Args:
        schedule: in the words of the wire, already checked; None is one job at once.
        created: when the job schedule was made, which is the first occurrence if it names none.
    """
    document: JsonObject = schedule if isinstance(schedule, dict) else {}
    return Timing(
        begin=_moment(document.get("doNotRunUntil")) or created,
        end=_moment(document.get("doNotRunAfter")),
        window=_duration(document.get("startWindow")),
        interval=_duration(document.get("recurrenceInterval")),
    )


def _moment(value: JsonValue) -> datetime | None:
    return parse_time(value) if isinstance(value, str) else None


def _duration(value: JsonValue) -> timedelta | None:
    duration = parse_duration(value) if isinstance(value, str) else INFINITE
    return None if duration >= INFINITE else duration


def plan(timing: Timing, now: datetime, *, last: datetime | None, busy: bool, enabled: bool = True) -> Plan:
    """Decides what is to be done with a schedule.

    Args:
        timing: when its jobs may be made.
        now: the time.
        last: when its last job was made; None if there was none.
        busy: one of its jobs has not ended.
        enabled: jobs may be made at all.
    """
    number = _number_of(timing, now)
    current = _occurrence(timing, number)
    used = last is not None and current is not None and last >= current
    pending = current is not None and not used and _is_open(timing, current, now)
    following = _occurrence(timing, number + 1)
    next_run = _before_end(timing, current if pending else following)
    over = timing.end is not None and now >= timing.end
    complete = not busy and (over or (timing.interval is None and current is not None and not pending))
    return Plan(
        make_job=enabled and pending and not busy and not over,
        complete=complete,
        next_run=None if complete else next_run,
        look_again=None if complete else _next_change(timing, current, following, now),
    )


def _number_of(timing: Timing, now: datetime) -> int:
    """Returns the number of the occurrence that has come last, -1 before the first."""
    if now < timing.begin:
        return -1
    return 0 if timing.interval is None else (now - timing.begin) // timing.interval


def _occurrence(timing: Timing, number: int) -> datetime | None:
    if number < 0 or (number > 0 and timing.interval is None):
        return None
    try:
        return timing.begin + number * (timing.interval or timedelta(0))
    except OverflowError:
        return None  # beyond the last year there is


def _closing(timing: Timing, occurrence: datetime) -> datetime | None:
    try:
        return None if timing.window is None else occurrence + timing.window
    except OverflowError:
        return None


def _is_open(timing: Timing, occurrence: datetime, now: datetime) -> bool:
    closing = _closing(timing, occurrence)
    return closing is None or now < closing


def _before_end(timing: Timing, occurrence: datetime | None) -> datetime | None:
    if occurrence is None or (timing.end is not None and occurrence >= timing.end):
        return None
    return occurrence


def _next_change(
    timing: Timing, current: datetime | None, following: datetime | None, now: datetime
) -> datetime | None:
    closing = None if current is None else _closing(timing, current)
    changes = [moment for moment in (closing, following, timing.end) if moment is not None and moment > now]
    return min(changes, default=None)
