"""What the views of all resources have in common."""

from datetime import datetime

from localbatch.store.executions import Execution, RetriedExecution
from localbatch.store.jobs import JobRecord
from localbatch.store.pools import PoolRecord
from localbatch.store.schedules import JobScheduleRecord
from localbatch.store.tasks import TaskRecord
from localbatch.wire.formats import JsonObject, JsonValue, format_time, make_etag


def with_body(computed: JsonObject, body: JsonObject) -> JsonObject:
    """Puts what the client gave to what the service computes, which wins."""
    return {**computed, **body, **computed}


def resource_view(url: str, record: JobRecord | JobScheduleRecord | TaskRecord) -> JsonObject:
    """Shows what all resources have that remember their former state: id, version and states."""
    states = states_view(record.state, record.state_changed, record.previous_state, record.previous_changed)
    return head(url, record) | states


def head(url: str, record: PoolRecord | JobRecord | JobScheduleRecord | TaskRecord) -> JsonObject:
    """Shows what all resources have: id, link, version and times."""
    return {
        "id": record.id,
        "url": url,
        "eTag": make_etag(record.modified),
        "lastModified": format_time(record.modified),
        "creationTime": format_time(record.created),
    }


def states_view(state: str, changed: datetime, previous: str | None, previous_changed: datetime | None) -> JsonObject:
    """Shows a state and the one before it, each with the time since when it was so."""
    view = state_since("state", state, changed)
    if previous is not None:
        view |= given(previousState=previous, previousStateTransitionTime=optional_time(previous_changed))
    return view


def state_since(name: str, state: str, changed: datetime) -> JsonObject:
    """Shows a state of that name, and since when it is so."""
    return {name: state, f"{name}TransitionTime": format_time(changed)}


def optional_time(moment: datetime | None) -> str | None:
    """Writes a time that may be missing."""
    return None if moment is None else format_time(moment)


def given(**values: JsonValue) -> JsonObject:
    """Leaves out what is None."""
    return {name: value for name, value in values.items() if value is not None}


def run_view(record: Execution) -> JsonObject:
    """Shows how a command ran."""
    return given(
        startTime=optional_time(record.started),
        endTime=optional_time(record.ended),
        exitCode=record.exit_code,
        containerInfo=record.container,
        failureInfo=record.failure,
        result=record.result,
    )


def retries_view(record: RetriedExecution) -> JsonObject:
    """Shows how often a command was run again."""
    return given(retryCount=record.retries, lastRetryTime=optional_time(record.retried))
