"""The life of each resource as tables: its states in order, the legal moves between them, and who refuses what when.

Source: the state descriptions of the Batch REST reference, API version 2025-06-01. A table's last states have no way
on; the resource is removed afterwards, or stays as it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass


class IllegalMoveError(Exception):
    """A state was to follow another which it can't follow; a fault of the service, never of a client."""


@dataclass(frozen=True)
class StateTable:
    """The states of one kind of resource.

    Attributes:
        name: what has these states, for messages.
        moves: each state, in the order of a usual life, with the states that may follow it.
    """

    name: str
    moves: Mapping[str, frozenset[str]]

    @property
    def states(self) -> tuple[str, ...]:
        """All states, in the order of a usual life."""
        return tuple(self.moves)

    @property
    def initial(self) -> str:
        """The state in which a new resource is."""
        return next(iter(self.moves))

    def is_final(self, state: str) -> bool:
        """Tells whether no other state can follow."""
        return not self.moves[state]


def move(table: StateTable, from_: str, to: str) -> str:
    """Applies a move.

    Args:
        table: the table of the resource's kind.
        from_: the state it is in.
        to: the state it is to be in.

    Returns:
        The new state.

    Raises:
        IllegalMoveError: one of the two is not a state of the table, or the second can't follow the first.
    """
    for state in (from_, to):
        if state not in table.moves:
            raise IllegalMoveError(f"{state!r} is not a state of a {table.name}")
    if to not in table.moves[from_]:
        raise IllegalMoveError(f"a {table.name} can't move from {from_!r} to {to!r}")
    return to


def _table(name: str, **moves: str) -> StateTable:
    return StateTable(name, {state: frozenset(following.split()) for state, following in moves.items()})


POOL = _table("pool", active="deleting", deleting="")

ALLOCATION = _table("pool's allocation", steady="resizing", resizing="steady stopping", stopping="steady")

AUTO_SCALE = _table("pool's automatic scaling", disabled="enabled", enabled="disabled")

# A node may be lost, taken away or found broken in whatever it does.
_LOSS = " unusable unknown preempted leavingpool"
_COMMANDS = " rebooting reimaging upgradingos deallocating"

NODE = _table(
    "node",
    creating="starting" + _LOSS,
    starting="waitingforstarttask idle running offline starttaskfailed" + _LOSS,
    waitingforstarttask="idle offline starttaskfailed rebooting reimaging" + _LOSS,
    idle="running offline" + _COMMANDS + _LOSS,
    running="idle offline" + _COMMANDS + _LOSS,
    offline="idle running" + _COMMANDS + _LOSS,
    starttaskfailed="rebooting reimaging" + _LOSS,
    rebooting="starting" + _LOSS,
    reimaging="starting" + _LOSS,
    upgradingos="starting" + _LOSS,
    unusable="starting rebooting reimaging unknown preempted leavingpool",
    unknown="starting idle running offline unusable preempted leavingpool",
    preempted="leavingpool",
    deallocating="deallocated" + _LOSS,
    deallocated="starting leavingpool",
    leavingpool="",
)

JOB = _table(
    "job",
    active="disabling terminating deleting",
    disabling="disabled terminating deleting",
    disabled="enabling terminating deleting",
    enabling="active terminating deleting",
    terminating="completed deleting",
    completed="deleting",
    deleting="",
)

JOB_SCHEDULE = _table(
    "job schedule",
    active="disabled terminating completed deleting",
    disabled="active terminating completed deleting",
    terminating="completed deleting",
    completed="deleting",
    deleting="",
)

# Completed is not final: a retry or a reactivation makes the task active once more.
TASK = _table(
    "task",
    active="preparing running completed",
    preparing="active running completed",
    running="active completed",
    completed="active",
)

SUBTASK = _table("subtask", preparing="running completed", running="completed", completed="")

# What start, preparation and release tasks go through on one node; each start of the node begins anew.
NODE_COMMAND = _table("start, preparation or release task", running="completed", completed="running")

SCHEDULABLE_NODES = frozenset({"idle", "running"})
"""Node states in which a node with scheduling enabled takes tasks."""
UP_NODES = SCHEDULABLE_NODES | {"offline"}
"""Node states in which a node runs what it is told to run."""
COMING_NODES = frozenset({"creating", "starting", "waitingforstarttask", "rebooting", "upgradingos"})
"""Node states on the way to those."""

_ENDING_POOL = {"deleting": "PoolBeingDeleted"}
_ENDING_JOB = {
    "terminating": "JobBeingTerminated",
    "completed": "JobCompleted",
    "deleting": "JobBeingDeleted",
}
_ENDING_SCHEDULE = {
    "terminating": "JobScheduleBeingTerminated",
    "completed": "JobScheduleCompleted",
    "deleting": "JobScheduleBeingDeleted",
}
_BUSY_NODE = {
    "creating": "NodeBeingCreated",
    "starting": "NodeBeingStarted",
    "waitingforstarttask": "NodeBeingStarted",
    "rebooting": "NodeBeingRebooted",
    "reimaging": "NodeBeingReimaged",
    "unusable": "NodeStateUnusable",
}
_INVALID = "OperationInvalidForCurrentState"
_ABSENT_NODE = {
    "creating": "NodeBeingCreated",
    **dict.fromkeys(("preempted", "deallocating", "deallocated", "leavingpool"), "OperationNotValidOnNode"),
}
_LOST_NODE = _ABSENT_NODE | {"unusable": "NodeStateUnusable", "unknown": "OperationNotValidOnNode"}
_BUSY_OR_INVALID = {state: _BUSY_NODE.get(state, _INVALID) for state in NODE.states if state not in SCHEDULABLE_NODES}

# The reference says idle or running; that the service also restarts a node whose start task failed, clients rely on.
_NOT_UP = {state: code for state, code in _BUSY_OR_INVALID.items() if state != "starttaskfailed"}


def _unless_it_may_become(state: str) -> dict[str, str]:
    return {former: _INVALID for former, following in NODE.moves.items() if state not in following}


REFUSALS: dict[tuple[str, str], dict[str, str]] = {
    ("pool", "update"): _ENDING_POOL,
    ("pool", "delete"): _ENDING_POOL,
    ("allocation", "resize"): {"resizing": "PoolBeingResized", "stopping": "PoolBeingResized"},
    ("allocation", "enableautoscale"): {"resizing": "PoolBeingResized", "stopping": "PoolBeingResized"},
    ("allocation", "stopresize"): {"steady": _INVALID, "stopping": _INVALID},
    ("autoscale", "evaluate"): {"disabled": _INVALID},
    ("autoscale", "resize"): {"enabled": _INVALID},
    ("node", "reboot"): _NOT_UP,
    ("node", "reimage"): _NOT_UP,
    ("node", "changeusers"): _BUSY_OR_INVALID,
    ("node", "deallocate"): _BUSY_OR_INVALID,
    ("node", "start"): {state: _BUSY_NODE.get(state, _INVALID) for state in NODE.states if state != "deallocated"},
    ("node", "changescheduling"): _LOST_NODE,
    ("node", "readfiles"): {"unusable": "NodeStateUnusable", "unknown": "OperationNotValidOnNode"},
    ("node", "readlogin"): _ABSENT_NODE,
    ("node", "uploadlogs"): _ABSENT_NODE | {"unknown": "OperationNotValidOnNode"},
    **{("node", state): _unless_it_may_become(state) for state in ("preempted", "unknown", "unusable")},
    ("job", "addtasks"): _ENDING_JOB,
    ("job", "update"): _ENDING_JOB,
    ("job", "disable"): _ENDING_JOB | {"enabling": _INVALID},
    ("job", "enable"): _ENDING_JOB | {"active": _INVALID, "enabling": _INVALID, "disabling": _INVALID},
    ("job", "terminate"): _ENDING_JOB,
    ("job", "delete"): {"deleting": "JobBeingDeleted"},
    # What goes on already is made to go on without waiting.
    ("job", "forceterminate"): {state: code for state, code in _ENDING_JOB.items() if state != "terminating"},
    ("job", "forcedelete"): {},
    ("job", "reactivatetask"): _ENDING_JOB,
    ("jobschedule", "update"): _ENDING_SCHEDULE,
    ("jobschedule", "disable"): _ENDING_SCHEDULE | {"disabled": "JobScheduleDisabled"},
    ("jobschedule", "enable"): _ENDING_SCHEDULE | {"active": _INVALID},
    ("jobschedule", "terminate"): _ENDING_SCHEDULE,
    ("jobschedule", "delete"): {"deleting": "JobScheduleBeingDeleted"},
    ("jobschedule", "forceterminate"): {
        state: code for state, code in _ENDING_SCHEDULE.items() if state != "terminating"
    },
    ("jobschedule", "forcedelete"): {},
    ("task", "update"): {"completed": "TaskCompleted"},
    ("task", "terminate"): {"completed": "TaskCompleted"},
    ("task", "reactivate"): {state: "TaskNotCompleted" for state in TASK.states if state != "completed"},
}
"""(Kind, operation) -> state -> the code of the error with which the operation is refused in that state."""


def refusal(kind: str, operation: str, state: str) -> str | None:
    """Tells why an operation is refused on a resource in a state.

    Args:
        kind: ``pool``, ``allocation``, ``autoscale``, ``node``, ``job``, ``jobschedule`` or ``task``.
        operation: as the keys of ``REFUSALS`` name it, such as ``addtasks``.
        state: the state the resource is in.

    Returns:
        The code of the error, or None if the state allows the operation.

    Raises:
        KeyError: no such operation on that kind.
    """
    return REFUSALS[kind, operation].get(state)


def accepts_tasks(job_state: str) -> bool:
    """Tells whether tasks may be added to a job; a disabled job takes them and runs them once it is enabled."""
    return refusal("job", "addtasks", job_state) is None


def starts_tasks(job_state: str) -> bool:
    """Tells whether tasks of a job are put on nodes."""
    return job_state == "active"
