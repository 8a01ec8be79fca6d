"""Bodies of the requests that change what exists: updates, resizes and the like.

Source: the Batch REST reference, API version 2025-06-01.
"""

from pydantic import Field

from localbatch.models import (
    Body,
    Duration,
    JobConstraints,
    NameValue,
    PackageReference,
    PoolInfo,
    StartTask,
    TaskConstraints,
)


class PoolPatch(Body):
    """What can be changed of a pool; what is left out stays as it is."""

    display_name: str | None = None
    vm_size: str | None = None
    task_slots_per_node: int | None = None
    enable_inter_node_communication: bool | None = None
    start_task: StartTask | None = None
    application_package_references: list[PackageReference] | None = None
    metadata: list[NameValue] | None = None


class PoolReplacement(Body):
    """What ``updateproperties`` replaces as a whole; what is left out is removed."""

    start_task: StartTask | None = None
    application_package_references: list[PackageReference]
    metadata: list[NameValue]


class PoolResize(Body):
    """The sizes a pool is to have."""

    target_dedicated_nodes: int | None = None
    target_low_priority_nodes: int | None = None
    resize_timeout: Duration | None = None
    node_deallocation_option: str = "requeue"


class NodeRemoval(Body):
    """Nodes that are to leave their pool."""

    node_list: list[str]
    resize_timeout: Duration | None = None
    node_deallocation_option: str = "requeue"


class JobPatch(Body):
    """What can be changed of a job; what is left out stays as it is."""

    priority: int | None = None
    max_parallel_tasks: int | None = None
    allow_task_preemption: bool | None = None
    constraints: JobConstraints | None = None
    pool_info: PoolInfo | None = None
    on_all_tasks_complete: str | None = None
    metadata: list[NameValue] | None = None


class JobReplacement(Body):
    """What a PUT replaces of a job; what is left out gets its default."""

    priority: int = 0
    max_parallel_tasks: int = -1
    allow_task_preemption: bool = False
    constraints: JobConstraints = Field(default_factory=JobConstraints)
    pool_info: PoolInfo
    on_all_tasks_complete: str = "noaction"
    metadata: list[NameValue] = Field(default_factory=list)


class JobDisabling(Body):
    """What becomes of the tasks of a job that is being disabled: ``requeue``, ``terminate`` or ``wait``."""

    disable_tasks: str


class JobTermination(Body):
    """Why a job is ended."""

    terminate_reason: str = "UserTerminate"


class TaskReplacement(Body):
    """What a PUT replaces of a task: only its constraints."""

    constraints: TaskConstraints = Field(default_factory=TaskConstraints)


class TaskGroup(Body):
    """Tasks to be added together; each is checked on its own."""

    value: list[dict[str, object]]
