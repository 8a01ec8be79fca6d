"""Pools as they are remembered: their records, and the bodies in them with the defaults the service fills in.

Source: recorded answers of the service and the official examples for API version 2025-06-01.
"""

from dataclasses import dataclass, field
from datetime import datetime

from localbatch.bodies.pool_parts import complete_parts
from localbatch.bodies.pools import PoolBody, StartTask
from localbatch.bodies.reading import write
from localbatch.rules.states import POOL
from localbatch.store.commands import default_user
from localbatch.wire.formats import JsonObject


@dataclass(frozen=True)
class PoolRecord:
    """A pool.

    Attributes:
        account_url: how the client that created it reaches the service; its tasks are told.
        deallocation: what becomes of tasks on nodes that leave by the resize under way.
        resize_seconds: how long the resize under way may take.
        resize_errors: why the last resize missed its targets.
        nodes_made: how many nodes it ever had, for their host names.
        formula: the autoscale formula; None if the pool does not scale by itself.
        evaluation_seconds: how many seconds there are between two evaluations of the formula.
        evaluate_at: when the formula is evaluated next; None is at once.
        auto_scale_run: how its last evaluation went, in the words of the wire.
        auto_scale_requested: when automatic scaling was enabled last.
        tags: those of the management plane.
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
    allocation: str
    allocation_changed: datetime
    target_dedicated: int
    target_spot: int
    deallocation: str
    resize_seconds: float
    resize_errors: list[JsonObject]
    nodes_made: int
    formula: str | None = None
    evaluation_seconds: float = 900.0
    evaluate_at: datetime | None = None
    auto_scale_run: JsonObject | None = None
    auto_scale_requested: datetime | None = None
    tags: JsonObject = field(default_factory=dict)


@dataclass(frozen=True)
class FaultRecord:
    """A fault that was asked for: the next allocation of a pool fails.

    Attributes:
        pool_id: the pool, which need not exist yet.
        error: the resize error to come.
    """

    seq: int
    account: str
    pool_id: str
    error: JsonObject


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


def new_pool(account: str, account_url: str, body: PoolBody, now: datetime) -> PoolRecord:
    """Makes the record of a pool that is about to get its nodes.

    Args:
        account: who creates it.
        account_url: how the client that creates it reaches the service.
        body: the pool.
        now: the moment of its creation.
    """
    return PoolRecord(
        seq=0,
        account=account,
        id=body.id,
        account_url=account_url,
        body=pool_document(body),
        created=now,
        modified=now,
        state=POOL.initial,
        state_changed=now,
        allocation="steady" if body.enable_auto_scale else "resizing",
        allocation_changed=now,
        target_dedicated=body.target_dedicated_nodes,
        target_spot=body.target_low_priority_nodes,
        deallocation="requeue",
        resize_seconds=body.resize_timeout.total_seconds(),
        resize_errors=[],
        nodes_made=0,
        formula=body.auto_scale_formula if body.enable_auto_scale else None,
        evaluation_seconds=body.auto_scale_evaluation_interval.total_seconds(),
    )
