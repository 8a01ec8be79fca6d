"""Job schedules as the wire shows them: pure functions from records to JSON."""

from datetime import datetime

from localbatch.rules.recurrence import plan, read_timing
from localbatch.store.schedules import JobScheduleRecord
from localbatch.views.links import job_schedule_url, job_url
from localbatch.views.resources import resource_view
from localbatch.wire.formats import JsonObject, format_time

_MAKES_JOBS = ("active", "disabled")


def job_schedule_view(base: str, schedule: JobScheduleRecord, now: datetime) -> JsonObject:
    """Shows a job schedule as it is at that time."""
    computed = resource_view(job_schedule_url(base, schedule.id), schedule)
    computed["executionInfo"] = _execution(base, schedule, now)
    return {**computed, **schedule.body}


def _execution(base: str, schedule: JobScheduleRecord, now: datetime) -> JsonObject:
    timing = read_timing(schedule.body.get("schedule"), schedule.created)
    # Whether a job is active makes no difference to when the next one is due.
    next_run = plan(timing, now, last=schedule.last_run, busy=True).next_run
    view: JsonObject = {}
    if next_run is not None and schedule.state in _MAKES_JOBS:
        view["nextRunTime"] = format_time(next_run)
    if schedule.recent_job is not None:
        view["recentJob"] = {"id": schedule.recent_job, "url": job_url(base, schedule.recent_job)}
    if schedule.ended is not None:
        view["endTime"] = format_time(schedule.ended)
    return view
