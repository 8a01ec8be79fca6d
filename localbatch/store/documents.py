"""Bodies as they are remembered and shown: what the client gave, with the defaults the service fills in.

Source: recorded answers of the service and the official examples for API version 2025-06-01.
"""

from functools import lru_cache

from localbatch.bodies.models import PoolBody, StartTask, TaskBody, TaskConstraints
from localbatch.bodies.pool_parts import complete_parts
from localbatch.rules.validation import write
from localbatch.wire.formats import INFINITE, JsonObject, format_duration, parse_duration

FOREVER = format_duration(INFINITE)
RETENTION = "P7D"


def default_user() -> JsonObject:
    """The account under which a command runs if its client does not say."""
    return {"autoUser": {"scope": "pool", "elevationLevel": "nonadmin"}}


def pool_document(body: PoolBody) -> JsonObject:
    """Makes the document of a new pool. Its id, its sizes and its formula are kept elsewhere."""
    document = write(body)
    for name in _KEPT_ELSEWHERE:
        document.pop(name, None)
    document["vmSize"] = body.vm_size.lower()
    for name, value in _POOL_DEFAULTS.items():
        document.setdefault(name, value)
    return filled_in(document, body.start_task)


def filled_in(document: JsonObject, start_task: StartTask | None) -> JsonObject:
    """Fills in what is nested in a pool's document, or in changes to it."""
    machine = document.get("virtualMachineConfiguration")
    image = machine.get("imageReference") if isinstance(machine, dict) else None
    if isinstance(image, dict) and "publisher" in image:
        image.setdefault("version", "latest")
    complete_parts(document)
    policy = document.get("taskSchedulingPolicy")
    if isinstance(policy, dict):
        lowered: JsonObject = {name: str(value).lower() for name, value in policy.items()}
        document["taskSchedulingPolicy"] = {"nodeFillType": "spread", **lowered}
    if start_task is not None:
        document["startTask"] = start_task_document(start_task)
    return document


_KEPT_ELSEWHERE = (
    *("id", "targetDedicatedNodes", "targetLowPriorityNodes"),
    *("enableAutoScale", "autoScaleFormula", "autoScaleEvaluationInterval"),
)
_POOL_DEFAULTS: JsonObject = {
    "resizeTimeout": "PT15M",
    "enableInterNodeCommunication": False,
    "taskSlotsPerNode": 1,
    "taskSchedulingPolicy": {"nodeFillType": "spread"},
}


def start_task_document(body: StartTask) -> JsonObject:
    """Makes the document of a pool's start task."""
    return {
        "userIdentity": default_user(),
        **write(body),
        "maxTaskRetryCount": body.max_task_retry_count,
        "waitForSuccess": body.wait_for_success,
    }


def task_document(body: TaskBody, job: JsonObject) -> JsonObject:
    """Makes the document of a new task, without its id.

    Args:
        body: the task as its client described it.
        job: the document of its job, which names the retries of tasks that name none.
    """
    document = write(body)
    document.pop("id")
    constraints = job.get("constraints")
    retries = constraints.get("maxTaskRetryCount") if isinstance(constraints, dict) else None
    document["constraints"] = task_constraints(body.constraints, retries if isinstance(retries, int) else 0)
    document["requiredSlots"] = body.required_slots
    document.setdefault("userIdentity", default_user())
    settings = body.multi_instance_settings
    if settings is not None:
        document["multiInstanceSettings"] = {**write(settings), "numberOfInstances": settings.number_of_instances}
    return document


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
