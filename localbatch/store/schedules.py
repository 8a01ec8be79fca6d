"""Job schedules as they are remembered: their records, and the bodies in them."""

from dataclasses import dataclass
from datetime import datetime

from localbatch.bodies.reading import write
from localbatch.rules.schedules import CheckedSchedule
from localbatch.store.jobs import job_document
from localbatch.wire.formats import JsonObject


@dataclass(frozen=True)
class JobScheduleRecord:
    """A job schedule.

    Attributes:
        account_url: how the client that created it reaches the service; tasks on its own pool are told.
        jobs_made: how many jobs it ever made, for their ids.
        last_run: when it made the last one.
        recent_job: id of that job, which need not exist any more.
        pool_id: the pool that was made for it and lives as long as it does.
        forced: its jobs end without waiting for their nodes.
    """

    seq: int
    account: str
    id: str
    account_url: str
    body: JsonObject
    created: datetime
    modified: datetime
    state: str
    state_changed: datetime
    previous_state: str | None = None
    previous_changed: datetime | None = None
    jobs_made: int = 0
    last_run: datetime | None = None
    recent_job: str | None = None
    pool_id: str | None = None
    forced: bool = False
    ended: datetime | None = None


def schedule_document(checked: CheckedSchedule) -> JsonObject:
    """Makes the document of a job schedule, or of what a request changes of one; blanks stand for what is removed."""
    document: JsonObject = {}
    if checked.display_name is not None:
        document["displayName"] = checked.display_name
    if checked.schedule is not None:
        document["schedule"] = write(checked.schedule)
    if checked.specification is not None:
        document["jobSpecification"] = job_document(checked.specification)
    if checked.metadata is not None:
        document["metadata"] = [write(item) for item in checked.metadata]
    return document
