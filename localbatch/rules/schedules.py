"""What job schedules must look like, beyond the types of their properties: pure.

Source of the limits: the Batch REST reference, API version 2025-06-01.
"""

from dataclasses import dataclass, replace
from datetime import timedelta

from localbatch.bodies.body import MetadataItem
from localbatch.bodies.reading import read, within
from localbatch.bodies.schedules import (
    JobScheduleBody,
    JobSchedulePatch,
    JobScheduleReplacement,
    Schedule,
    ScheduledJob,
)
from localbatch.rules.checks import check_id, check_metadata, check_name
from localbatch.rules.jobs import check_job_specification
from localbatch.rules.not_emulated import JOB, refuse_properties
from localbatch.wire.errors import invalid_property
from localbatch.wire.formats import JsonObject

_SHORTEST = timedelta(minutes=1)


@dataclass(frozen=True)
class CheckedSchedule:
    """What a request says of a job schedule, each part checked; None for a part that it leaves out."""

    display_name: str | None = None
    schedule: Schedule | None = None
    specification: ScheduledJob | None = None
    metadata: list[MetadataItem] | None = None


def read_job_schedule(document: JsonObject) -> tuple[str, CheckedSchedule]:
    """Checks a new job schedule, and returns its id too.

    Raises:
        ServiceError: the body is refused.
    """
    body = read(JobScheduleBody, document)
    check_id(body.id)
    check_name(body)
    return body.id, replace(_checked(document, body.metadata), display_name=body.display_name)


def read_patch(document: JsonObject) -> CheckedSchedule:
    """Checks what a PATCH changes.

    Raises:
        ServiceError: the body is refused.
    """
    return _checked(document, read(JobSchedulePatch, document).metadata)


def read_replacement(document: JsonObject) -> CheckedSchedule:
    """Checks what a PUT replaces; a schedule or metadata that is left out is to be removed.

    Raises:
        ServiceError: the body is refused.
    """
    return _checked(document, read(JobScheduleReplacement, document).metadata)


def _checked(document: JsonObject, metadata: list[MetadataItem] | None) -> CheckedSchedule:
    schedule, specification = document.get("schedule"), document.get("jobSpecification")
    checked = CheckedSchedule()
    if isinstance(schedule, dict):
        with within("schedule"):
            checked = replace(checked, schedule=_schedule(schedule))
    if isinstance(specification, dict):
        with within("jobSpecification"):
            checked = replace(checked, specification=_specification(specification))
    if metadata is not None:
        check_metadata(metadata)
    return replace(checked, metadata=metadata)


def _schedule(document: JsonObject) -> Schedule:
    body = read(Schedule, document)
    durations = {"startWindow": body.start_window, "recurrenceInterval": body.recurrence_interval}
    for name, duration in durations.items():
        if duration is not None and duration < _SHORTEST:
            raise invalid_property(name, document[name], "It must be at least 1 minute.")
    if body.do_not_run_until and body.do_not_run_after and body.do_not_run_after <= body.do_not_run_until:
        raise invalid_property("doNotRunAfter", document["doNotRunAfter"], "It must be later than doNotRunUntil.")
    return body


def _specification(document: JsonObject) -> ScheduledJob:
    refuse_properties(document, JOB)
    body = read(ScheduledJob, document)
    check_job_specification(body)
    return body
