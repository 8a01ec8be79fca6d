"""What pools must look like, beyond the types of their properties: pure.

Source of the limits: the Batch REST reference, API version 2025-06-01.
"""

import json
from collections.abc import Sequence

from localbatch.bodies.commands import PackageReference
from localbatch.bodies.pool_parts import PoolParts
from localbatch.bodies.pools import (
    NodeRemoval,
    PoolBody,
    PoolResize,
    PoolSpecification,
    StartTask,
    TaskSchedulingPolicy,
)
from localbatch.bodies.reading import read, write
from localbatch.rules.auto_scale import check_auto_scale
from localbatch.rules.checks import check_choice, check_id, check_metadata, check_name
from localbatch.rules.commands import check_command, check_retries
from localbatch.rules.pool_parts import check_parts
from localbatch.rules.vm_sizes import MOST_SLOTS, find_size
from localbatch.wire.errors import ServiceError, invalid_property

MOST_NODES = 10_000
_LONGEST_START_TASK = 32_768
_MOST_PACKAGES = 10
_MOST_REMOVED_NODES = 100
DEALLOCATION = ("requeue", "terminate", "taskcompletion", "retaineddata")


def check_pool(body: PoolBody) -> None:
    """Refuses a pool that can't be."""
    check_id(body.id)
    check_pool_specification(body)


def check_pool_specification(body: PoolSpecification) -> None:
    """Refuses what can't be a pool, whatever its id."""
    check_name(body)
    check_node(body.vm_size, body.task_slots_per_node)
    check_parts(read(PoolParts, write(body)))
    check_scheduling_policy(body.task_scheduling_policy)
    check_target("targetDedicatedNodes", body.target_dedicated_nodes)
    check_target("targetLowPriorityNodes", body.target_low_priority_nodes)
    check_resize_timeout(body.resize_timeout.total_seconds())
    check_auto_scale(body)
    check_metadata(body.metadata)
    check_what_nodes_get(body.start_task, body.application_package_references)


def check_what_nodes_get(start_task: StartTask | None, packages: Sequence[PackageReference]) -> None:
    """Refuses a start task that can't be or is too long, and too many application packages."""
    if start_task is not None:
        check_command("startTask", start_task)
        check_retries("startTask.maxTaskRetryCount", start_task.max_task_retry_count)
        length = len(json.dumps(write(start_task), ensure_ascii=False))
        if length > _LONGEST_START_TASK:
            raise invalid_property("startTask", length, f"It may have at most {_LONGEST_START_TASK} characters.")
    if len(packages) > _MOST_PACKAGES:
        reason = f"A pool has at most {_MOST_PACKAGES} application packages."
        raise invalid_property("applicationPackageReferences", len(packages), reason)


def check_scheduling_policy(policy: TaskSchedulingPolicy | None) -> None:
    """Refuses a way to fill nodes, or an order of jobs, that does not exist."""
    if policy is not None:
        check_choice("taskSchedulingPolicy.nodeFillType", policy.node_fill_type, ("spread", "pack"))
        check_choice("taskSchedulingPolicy.jobDefaultOrder", policy.job_default_order, ("none", "creationtime"))


def check_node(vm_size: str, slots: int) -> None:
    """Refuses what is not the name of a VM size, and more task slots than its nodes can have."""
    size = find_size(vm_size)
    if size is None:
        raise invalid_property("vmSize", vm_size, "It must be a VM size such as Standard_D2s_v3.")
    check_slots("taskSlotsPerNode", slots, size.most_slots)


def check_slots(name: str, slots: int, most: int = MOST_SLOTS) -> None:
    """Refuses a number of task slots that no node has, or none of a size that has at most so many."""
    if not 1 <= slots <= most:
        raise invalid_property(name, slots, f"It must lie between 1 and {most}.")


def check_target(name: str, nodes: int) -> None:
    """Refuses a number of nodes that no pool has."""
    if not 0 <= nodes <= MOST_NODES:
        raise invalid_property(name, nodes, f"It must lie between 0 and {MOST_NODES}.")


def check_resize_timeout(seconds: float) -> None:
    """Refuses a time for resizing below the service's least, five minutes."""
    if seconds < 300:
        raise invalid_property("resizeTimeout", f"{seconds:g} s", "It must be at least 5 minutes.")


def check_resize(body: PoolResize) -> None:
    """Refuses a resize that names no size, or an impossible one."""
    if body.target_dedicated_nodes is None and body.target_low_priority_nodes is None:
        raise ServiceError("MissingRequiredProperty", values=(("PropertyName", "targetDedicatedNodes"),))
    check_target("targetDedicatedNodes", body.target_dedicated_nodes or 0)
    check_target("targetLowPriorityNodes", body.target_low_priority_nodes or 0)
    if body.resize_timeout is not None:
        check_resize_timeout(body.resize_timeout.total_seconds())
    check_choice("nodeDeallocationOption", body.node_deallocation_option, DEALLOCATION)


def check_removal(body: NodeRemoval) -> None:
    """Refuses the removal of no nodes or of too many."""
    if not 1 <= len(body.node_list) <= _MOST_REMOVED_NODES:
        raise invalid_property("nodeList", len(body.node_list), f"It must name 1 to {_MOST_REMOVED_NODES} nodes.")
    if body.resize_timeout is not None:
        check_resize_timeout(body.resize_timeout.total_seconds())
    check_choice("nodeDeallocationOption", body.node_deallocation_option, DEALLOCATION)
