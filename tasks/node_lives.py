"""What has become of each node of a run's pools: when the pool got it, when it could take tasks, when it was lost.

It is put together from listings, which the meter makes now and then: what happens between two of them is known by the
times that a node itself tells, and what it does not tell is left out.
"""

import threading
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from azure.batch import models

NODE_PROPERTIES = ["id,state,stateTransitionTime,allocationTime,lastBootTime,startTaskInfo,isDedicated,totalTasksRun"]
"""What a listing has to bring."""

_SERVING = {"idle", "running"}
_LOST = {"preempted"}
_DEAD = {"preempted", "starttaskfailed", "unusable", "unknown"}


@dataclass(frozen=True)
class Absence:
    """A time for which somebody else had the machine of a spot node; ``end`` is None if it did not come back."""

    begin: datetime
    end: datetime | None = None


@dataclass(frozen=True)
class NodeLife:
    """What is known of one node.

    Attributes:
        state: when it was seen last; empty once it is gone.
        seen: when that was, or when it had gone at the latest.
        allocated: since when the pool has it; it is paid from then.
        asked: when the pool began to get nodes, of which it is one; None if nobody saw that.
        booted: when it was started last.
        ready: since when it takes tasks; None if it never did, or nobody looked before its first one.
        start_task: begin and end of its start task; None if it has none, or only began to start.
        absences: for which it was preempted.
    """

    node_id: str
    is_dedicated: bool
    state: str
    seen: datetime
    allocated: datetime
    asked: datetime | None = None
    booted: datetime | None = None
    ready: datetime | None = None
    start_task: tuple[datetime, datetime] | None = None
    absences: tuple[Absence, ...] = ()

    @property
    def is_settled(self) -> bool:
        """Whether nothing is to be learned of it until its pool changes."""
        return self.state in _SERVING | _DEAD or not self.state

    @property
    def has_served(self) -> bool:
        """Whether it could take tasks, as far as anybody knows."""
        return self.ready is not None or self.state in _SERVING

    @property
    def is_dead(self) -> bool:
        """Whether it can take no task in the state in which it was seen last."""
        return self.state in _DEAD


def seen_again(node: models.BatchNode, known: NodeLife | None, asked: datetime | None, now: datetime) -> NodeLife:
    """What is known of a node once it has been seen in a listing.

    Args:
        node: as it was listed.
        known: what was known of it before; None for a new one.
        asked: when its pool began to get nodes, if it is getting some.
        now: when it was listed.
    """
    state, changed = str.lower(node.state or ""), _utc(node.state_transition_time) or now
    life = known or _new(node, asked, now)
    if state in _LOST and life.state not in _LOST:
        life = replace(life, absences=(*life.absences, Absence(changed)))
    elif state not in _LOST and life.state in _LOST and life.absences:
        back = Absence(life.absences[-1].begin, _utc(node.last_boot_time) or changed)
        life = replace(life, absences=(*life.absences[:-1], back))
    start_task, booted = life.start_task or _start_task(node), life.booted or _utc(node.last_boot_time)
    ready = life.ready or (_ready(node, state, changed, start_task) if state in _SERVING else None)
    return replace(life, state=state, seen=now, booted=booted, start_task=start_task, ready=ready)


def gone(life: NodeLife, successors: Iterable[NodeLife], now: datetime) -> NodeLife:
    """What is known of a node that its pool has no more.

    Args:
        life: what was known of it before.
        successors: nodes that the pool has got since it was listed before, though nobody asked for more.
        now: when that was seen.
    """
    came = min((each.allocated for each in successors if each.allocated >= life.seen), default=None)
    if came is None or life.is_dedicated:
        return replace(life, state="", seen=now)
    # A spot node in whose place there is another was taken away, between two looks.
    absences = life.absences if life.state in _LOST else (*life.absences, Absence(life.seen, came))
    return replace(life, state="", seen=came, absences=absences)


def _new(node: models.BatchNode, asked: datetime | None, now: datetime) -> NodeLife:
    allocated = _utc(node.allocation_time) or now
    since = asked if asked and asked <= allocated else None
    return NodeLife(node.id or "", node.is_dedicated is not False, "", now, allocated, since)


def _start_task(node: models.BatchNode) -> tuple[datetime, datetime] | None:
    info = node.start_task_info
    begin, end = (_utc(info.start_time), _utc(info.end_time)) if info else (None, None)
    return (begin, end) if begin and end else None


def _ready(
    node: models.BatchNode, state: str, changed: datetime, start_task: tuple[datetime, datetime] | None
) -> datetime | None:
    if state == "idle" and not node.total_tasks_run:
        return changed  # it has been idle since it could be
    return start_task[1] if start_task else None


def _utc(moment: datetime | None) -> datetime | None:
    return moment.astimezone(UTC) if moment else None


@dataclass
class _OfPool:
    """The nodes of one pool; ``asked`` is when it began to get those that it is getting, if it is.

    What they have done before ``since`` is none of the run's business.
    """

    since: datetime
    asked: datetime | None
    nodes: dict[str, NodeLife]


class NodeLives:
    """What has become of the nodes of several pools; several threads may look at them."""

    def __init__(self) -> None:
        """Knows no pool."""
        self._lock = threading.Lock()
        self._pools: dict[str, _OfPool] = {}

    def begin(self, pool_id: str, now: datetime, *, is_new: bool) -> None:
        """Takes a pool that is about to be made, or one that the run goes on with."""
        with self._lock:
            self._pools[pool_id] = _OfPool(now, now if is_new else None, {})

    def note(self, pool: models.BatchPool, nodes: Iterable[models.BatchNode], now: datetime) -> None:
        """Takes the nodes of a pool as they were listed.

        Args:
            pool: with its id, its time of creation, its allocation state and the time of that.
            nodes: all that it has.
            now: when they were listed.
        """
        with self._lock:
            own, is_resizing = self._pools[pool.id], str.lower(pool.allocation_state or "") != "steady"
            if own.asked and not own.nodes:
                own.since = own.asked = pool.creation_time.astimezone(UTC)  # by the clock of the service
            if is_resizing and own.nodes:
                own.asked = _utc(pool.allocation_state_transition_time) or own.asked
            before, listed = own.nodes, {node.id or "": node for node in nodes}
            there = {name: seen_again(node, before.get(name), own.asked, now) for name, node in listed.items()}
            new = [life for name, life in there.items() if name not in before and life.asked is None]
            left = {name: life for name, life in before.items() if name not in there}
            own.nodes = there | {name: gone(life, new, now) if life.state else life for name, life in left.items()}
            if there and not is_resizing:
                own.asked = None

    def are_settled(self, pool_id: str) -> bool:
        """Whether nothing is to be learned of a pool's nodes until it gets others or loses some."""
        with self._lock:
            nodes = self._pools[pool_id].nodes.values()
            return bool(nodes) and all(life.is_settled for life in nodes)

    def seconds(self, pool_id: str) -> tuple[float, float] | None:
        """For how long a pool has had its nodes, dedicated and spot, all together; None if it has not kept all of them.

        What has come and gone between two listings nobody knows.
        """
        with self._lock:
            pool = self._pools[pool_id]
            lives = list(pool.nodes.values())
        if not lives or any(not life.state or life.absences for life in lives):
            return None
        there = [(life.is_dedicated, life.seen - max(life.allocated, pool.since)) for life in lives]
        dedicated, spot = (sum(each.total_seconds() for kind, each in there if kind is one) for one in (True, False))
        return dedicated, spot

    def all(self) -> list[NodeLife]:
        """The nodes of all pools as far as the run had them, in the order in which it got them."""
        with self._lock:
            found = [
                replace(life, allocated=max(life.allocated, pool.since))
                for pool in self._pools.values()
                for life in pool.nodes.values()
            ]
        return sorted(found, key=lambda life: (life.allocated, life.node_id))
