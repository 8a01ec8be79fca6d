"""What the service remembers: one frozen dataclass per table of its database.

``body`` is the resource as its client described it, in the words of the wire and with the service's defaults filled in.
What the engine moves or searches has a field of its own. ``seq`` grows with each row added to a table and is what
pages and queues are ordered by.
"""

from dataclasses import dataclass, field
from datetime import datetime

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
class NodeRecord:
    """A node of a pool.

    Attributes:
        pool: ``seq`` of its pool.
        start_task: the pool's start task when the node was started last, in the words of the wire.
        start_info: how the start task went, in the words of the wire.
        packages: the pool's application package references when the node was started last.
        errors: why the node is unusable.
        scheduling: ``enabled``, or ``disabled`` while it is to take no tasks.
        task_option: what becomes of its tasks before the reboot, reimage or deallocation under way.
        leaving: it was named to leave the pool.
        used_since: since when its machine counts as used; None while it is deallocated.
    """

    seq: int
    pool: int
    id: str
    dedicated: bool
    hostname: str
    state: str
    state_changed: datetime
    allocated: datetime
    booted: datetime | None
    start_task: JsonObject | None
    start_info: JsonObject | None
    packages: list[JsonObject]
    errors: list[JsonObject]
    tasks_run: int
    tasks_succeeded: int
    scheduling: str = "enabled"
    task_option: str = "requeue"
    leaving: bool = False
    used_since: datetime | None = None


@dataclass(frozen=True)
class NodeUserRecord:
    """A user account of a node. Its password and key are not remembered: nobody can log in.

    Attributes:
        node: ``seq`` of its node.
        expires: when the account expires.
    """

    seq: int
    node: int
    name: str
    is_admin: bool
    expires: datetime


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


@dataclass(frozen=True)
class JobRecord:
    """A job.

    Attributes:
        pool_id: the pool it runs on, which need not exist.
        max_parallel: how many of its tasks may run at once; -1 is no limit.
        disable_tasks: what becomes of its tasks while it is being disabled.
        terminate_reason: why it ended.
        scheduling_error: why it could not even begin.
        forced: it ends without waiting for its nodes.
        schedule: ``seq`` of the job schedule that made it; None if a client did.
        preemptable: its tasks may lose their nodes to jobs of higher priority.
    """

    seq: int
    account: str
    id: str
    body: JsonObject
    created: datetime
    modified: datetime
    state: str
    state_changed: datetime
    previous_state: str | None
    previous_changed: datetime | None
    pool_id: str
    priority: int
    max_parallel: int
    disable_tasks: str
    ended: datetime | None
    terminate_reason: str | None
    scheduling_error: JsonObject | None = None
    forced: bool = False
    schedule: int | None = None
    preemptable: bool = False


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


@dataclass(frozen=True)
class TaskRecord:
    """A task of a job.

    Attributes:
        job: ``seq`` of its job.
        affinity: affinity id of the node it would rather run on.
        instances: how many nodes it takes at once, 0 for a task that is not multi-instance.
        result: ``success`` or ``failure`` once completed.
        failure: ``failureInfo`` in the words of the wire.
        pool_id: pool of the node it ran on last.
        expires: when its files are removed; None as long as that is not known, and for ever.
        cleaned: its files are gone, by the end of their retention.
        container: ``containerInfo`` in the words of the wire.
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
    state: str
    state_changed: datetime
    previous_state: str | None = None
    previous_changed: datetime | None = None
    started: datetime | None = None
    ended: datetime | None = None
    exit_code: int | None = None
    result: str | None = None
    failure: JsonObject | None = None
    container: JsonObject | None = None
    retries: int = 0
    retried: datetime | None = None
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
class SubtaskRecord:
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
    state: str
    state_changed: datetime
    previous_state: str | None = None
    previous_changed: datetime | None = None
    started: datetime | None = None
    ended: datetime | None = None
    exit_code: int | None = None
    result: str | None = None
    failure: JsonObject | None = None
    container: JsonObject | None = None


@dataclass(frozen=True)
class PreparationRecord:
    """One job's preparation task on one node.

    Attributes:
        job: ``seq`` of the job.
        pool_id: pool of the node.
        state: ``running`` or ``completed``.
        stale: the node was started anew since, and it must run again.
        emptied: the node's disk was emptied since, so that nothing is left to be released.
    """

    seq: int
    job: int
    pool_id: str
    node_id: str
    state: str
    started: datetime
    ended: datetime | None = None
    exit_code: int | None = None
    result: str | None = None
    failure: JsonObject | None = None
    container: JsonObject | None = None
    retries: int = 0
    retried: datetime | None = None
    stale: bool = False
    emptied: bool = False


@dataclass(frozen=True)
class ReleaseRecord:
    """One job's release task on one node.

    Attributes:
        job: ``seq`` of the job.
        pool_id: pool of the node.
        state: ``running`` or ``completed``.
        expires: when its directory is removed; None as long as that is not known, and for ever.
    """

    seq: int
    job: int
    pool_id: str
    node_id: str
    state: str
    started: datetime
    ended: datetime | None = None
    exit_code: int | None = None
    result: str | None = None
    failure: JsonObject | None = None
    container: JsonObject | None = None
    expires: datetime | None = None


@dataclass(frozen=True)
class LifetimeRecord:
    """How long a node that is gone was allocated; with no cores, how long a pool existed."""

    seq: int
    account: str
    pool_id: str
    vm_size: str
    cores: int
    started: datetime
    ended: datetime
    dedicated: bool = False


@dataclass(frozen=True)
class TaskCount:
    """How many tasks of a job are in one state, and how many slots they need."""

    tasks: int = 0
    slots: int = 0


@dataclass(frozen=True)
class AccountRecord:
    """A Batch account.

    Attributes:
        resource_group: subscription and resource group it was created in, with a slash between; None for
            one that exists because a client signed with its name, and that is seen in all of them.
        body: its location, tags, identity and properties, as the management plane was told.
        state: ``active`` or ``deleting``.
        first_key: its first key, in base64; None as long as it is the service's.
        second_key: its second key; None as long as it is the one that follows from the service's.
        keys_synced: when the keys of its storage account were last synchronized.
    """

    seq: int
    name: str
    resource_group: str | None
    body: JsonObject
    created: datetime
    state: str
    first_key: str | None = field(default=None, repr=False)
    second_key: str | None = field(default=None, repr=False)
    keys_synced: datetime | None = None
