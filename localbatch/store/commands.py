"""What the bodies of all commands hold where their client says nothing.

Source: recorded answers of the service and the official examples for API version 2025-06-01.
"""

from functools import lru_cache

from localbatch.bodies.commands import TaskConstraints
from localbatch.bodies.reading import write
from localbatch.wire.formats import INFINITE, JsonObject, format_duration, parse_duration

FOREVER = format_duration(INFINITE)
RETENTION = "P7D"


def default_user() -> JsonObject:
    """The account under which a command runs if its client does not say."""
    return {"autoUser": {"scope": "pool", "elevationLevel": "nonadmin"}}


def replaced_task_constraints(constraints: TaskConstraints) -> JsonObject:
    """Makes the constraints of a task whose client replaced them: what was left out gets its default."""
    return task_constraints(constraints, 0)


def task_constraints(constraints: TaskConstraints, retries: int) -> JsonObject:
    """Fills in a task's constraints; ``retries`` is how often it may be run again if it does not say so."""
    defaults: JsonObject = {"maxWallClockTime": FOREVER, "retentionTime": RETENTION, "maxTaskRetryCount": retries}
    return defaults | write(constraints)


def seconds_of(document: JsonObject, name: str) -> float | None:
    """Reads a duration out of constraints, in seconds; None if there is no limit."""
    value = document.get(name)
    return _seconds(value) if isinstance(value, str) else None


@lru_cache(maxsize=1024)
def _seconds(text: str) -> float | None:
    duration = parse_duration(text)
    return None if duration >= INFINITE else duration.total_seconds()
