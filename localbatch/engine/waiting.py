"""Tasks and nodes as the scheduler sees them."""

from localbatch.engine.fleet import Node
from localbatch.engine.orders import manager_of
from localbatch.rules.scheduler import FreeNode, Waiting
from localbatch.store.jobs import JobRecord
from localbatch.store.tasks import TaskRecord


def describe_waiting(job: JobRecord, task: TaskRecord, share: int | None) -> Waiting:
    """Describes a task that waits for a node.

    Args:
        job: its job.
        task: the task.
        share: how many further tasks of the job may run at once; None is no limit.
    """
    settings = manager_of(job) if task.manager else None
    return Waiting(
        job_id=job.id,
        task_id=task.id,
        required_slots=task.required_slots,
        priority=job.priority,
        parallel_left=share,
        affinity_id=task.affinity,
        instances=task.instances,
        exclusive=settings is not None and settings.run_exclusive,
        dedicated_only=settings is not None and not settings.allow_low_priority_node,
    )


def describe_node(node: Node) -> FreeNode:
    """Describes a node that takes tasks."""
    affinity = f"TVM:{node.id}"
    return FreeNode(node.id, node.free_slots, affinity, len(node.runs), node.record.dedicated)
