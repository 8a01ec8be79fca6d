"""Tasks as they are remembered: their records, and the bodies in them with the defaults the service fills in.

Source: recorded answers of the service and the official examples for API version 2025-06-01.
"""

from dataclasses import dataclass
from datetime import datetime

from localbatch.bodies.reading import write
from localbatch.bodies.tasks import TaskBody
from localbatch.store.commands import default_user, task_constraints
from localbatch.store.executions import Execution, RetriedExecution
from localbatch.wire.formats import JsonObject


@dataclass(frozen=True)
class TaskRecord(RetriedExecution):
    """A task of a job.

    Attributes:
        job: ``seq`` of its job.
        affinity: affinity id of the node it would rather run on.
        instances: how many nodes it takes at once, 0 for a task that is not multi-instance.
        pool_id: pool of the node it ran on last.
        expires: when its files are removed; None as long as that is not known, and for ever.
        cleaned: its files are gone, by the end of their retention.
        blockers: how many of its dependencies it still waits for.
        manager: it is its job's manager task.
        wall_time: microseconds that those of its runs have taken that are over.
        user_time: microseconds of processor time that they have used in user mode.
        kernel_time: the same in kernel mode.
        bytes_read: what they have read from disk.
        bytes_written: what they have written to disk.
        satisfied: it has ended as tasks that depend on it wish.
    """

    seq: int
    job: int
    id: str
    body: JsonObject
    required_slots: int
    affinity: str | None
    instances: int
    created: datetime
    modified: datetime
    state_changed: datetime
    previous_state: str | None = None
    previous_changed: datetime | None = None
    requeues: int = 0
    requeued: datetime | None = None
    pool_id: str | None = None
    node_id: str | None = None
    expires: datetime | None = None
    cleaned: bool = False
    manager: bool = False
    wall_time: int = 0
    user_time: int = 0
    kernel_time: int = 0
    bytes_read: int = 0
    bytes_written: int = 0
    blockers: int = 0
    satisfied: bool = False


@dataclass(frozen=True)
class SubtaskRecord(Execution):
    """A multi-instance task's share of one node other than that of the primary.

    Attributes:
        job: ``seq`` of the job.
        task: ``seq`` of the task.
        number: from 1; the primary would be 0.
    """

    seq: int
    job: int
    task: int
    number: int
    pool_id: str
    node_id: str
    state_changed: datetime
    previous_state: str | None = None
    previous_changed: datetime | None = None


@dataclass(frozen=True)
class TaskCount:
    """How many tasks of a job are in one state, and how many slots they need."""

    tasks: int = 0
    slots: int = 0


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
