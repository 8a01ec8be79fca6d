"""Nodes as they are remembered."""

from dataclasses import dataclass
from datetime import datetime

from localbatch.wire.formats import JsonObject


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
