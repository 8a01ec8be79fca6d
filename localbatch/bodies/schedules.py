"""Bodies of job schedules.

Source: the Batch REST reference, API version 2025-06-01, and the docstrings of ``azure.batch.models``.
"""

from datetime import datetime
from typing import Annotated, TypeAlias

from pydantic import BeforeValidator, Field, PlainSerializer

from localbatch.bodies.body import SHOWN, Body, Duration, MetadataItem
from localbatch.bodies.jobs import JobBody, JobSpecification
from localbatch.wire.formats import format_time, parse_time


def _read_time(value: object) -> datetime:
    if not isinstance(value, str):
        raise ValueError("Input should be a date and time")
    return parse_time(value)


Moment = Annotated[datetime, BeforeValidator(_read_time), PlainSerializer(format_time, return_type=str)]
# What is nested is read on its own, once it is known to be an object.
Nested: TypeAlias = dict[str, object]


class Schedule(Body):
    """When jobs are made."""

    others = ()
    do_not_run_until: Moment | None = None
    do_not_run_after: Moment | None = None
    start_window: Duration | None = None
    recurrence_interval: Duration | None = None


class ScheduledJob(JobSpecification):
    """A job as a schedule makes it: all that a job has, but no id."""

    others = JobBody.others


class JobScheduleBody(Body):
    """A job schedule as created."""

    others = ()
    id: str
    display_name: str | None = None
    schedule: Nested
    job_specification: Nested
    metadata: list[MetadataItem] = Field(default_factory=list)


class JobSchedulePatch(Body):
    """What can be changed of a job schedule; what is left out stays as it is."""

    others = ()
    schedule: Nested | None = None
    job_specification: Nested | None = None
    metadata: list[MetadataItem] | None = None


class JobScheduleReplacement(Body):
    """What a PUT replaces; what is left out is removed. Clients send whole schedules as shown to them."""

    others = SHOWN
    schedule: Nested | None = None
    job_specification: Nested
    metadata: list[MetadataItem] = Field(default_factory=list)
