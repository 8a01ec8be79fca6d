"""What job schedules must look like, and the document of one that is remembered and shown: pure.

Source of the limits: the Batch REST reference, API version 2025-06-01.
"""

from datetime import timedelta

from localbatch.bodies.models import MetadataItem
from localbatch.bodies.schedules import (
    JobScheduleBody,
    JobSchedulePatch,
    JobScheduleReplacement,
    Schedule,
    ScheduledJob,
)
from localbatch.rules.checks import check_id
from localbatch.rules.jobs import check_job_specification
from localbatch.rules.not_emulated import JOB, refuse_properties
from localbatch.rules.validation import check_metadata, check_name, read, within, write
from localbatch.store.job_documents import job_document
from localbatch.wire.errors import invalid_property
from localbatch.wire.formats import JsonObject

_SHORTEST = timedelta(minutes=1)


def read_job_schedule(document: JsonObject) -> tuple[str, JsonObject]:
    """Checks a new job schedule, and returns its id and its document.

    Raises:
        ServiceError: the body is refused.
    """
    body = read(JobScheduleBody, document)
    check_id(body.id)
    check_name(body)
    named: JsonObject = {} if body.display_name is None else {"displayName": body.display_name}
    return body.id, named | _checked(document, body.metadata)


def read_patch(document: JsonObject) -> JsonObject:
    """Checks what a PATCH changes, and returns the properties that it replaces.

    Raises:
        ServiceError: the body is refused.
    """
    return _checked(document, read(JobSchedulePatch, document).metadata)


def read_replacement(document: JsonObject) -> JsonObject:
    """Checks what a PUT replaces, and returns it; ``schedule`` and ``metadata`` are missing if they are removed.

    Raises:
        ServiceError: the body is refused.
    """
    return _checked(document, read(JobScheduleReplacement, document).metadata)


def _checked(document: JsonObject, metadata: list[MetadataItem] | None) -> JsonObject:
    checked: JsonObject = {}
    schedule, specification = document.get("schedule"), document.get("jobSpecification")
    if isinstance(schedule, dict):
        with within("schedule"):
            checked["schedule"] = _schedule(schedule)
    if isinstance(specification, dict):
        with within("jobSpecification"):
            checked["jobSpecification"] = _specification(specification)
    if metadata is not None:
        check_metadata(metadata)
        checked["metadata"] = [write(item) for item in metadata]
    return checked


def _schedule(document: JsonObject) -> JsonObject:
    body = read(Schedule, document)
    durations = {"startWindow": body.start_window, "recurrenceInterval": body.recurrence_interval}
    for name, duration in durations.items():
        if duration is not None and duration < _SHORTEST:
            raise invalid_property(name, document[name], "It must be at least 1 minute.")
    if body.do_not_run_until and body.do_not_run_after and body.do_not_run_after <= body.do_not_run_until:
        raise invalid_property("doNotRunAfter", document["doNotRunAfter"], "It must be later than doNotRunUntil.")
    return write(body)


def _specification(document: JsonObject) -> JsonObject:
    refuse_properties(document, JOB)
    body = read(ScheduledJob, document)
    check_job_specification(body)
    return job_document(body)
