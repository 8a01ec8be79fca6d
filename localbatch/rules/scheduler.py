"""Which waiting task goes on which node: pure, so that a pool of ten thousand nodes is as easy to test as one of two.

A pool's nodes fill by ``spread`` (the emptiest node first) or ``pack`` (the fullest node that still has room first).
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

Fill: TypeAlias = Literal["spread", "pack"]


@dataclass(frozen=True)
class FreeNode:
    """A node that may take tasks.

    Attributes:
        free_slots: how many of its task slots nobody uses.
        affinity_id: the name by which a task asks for this node.
        running_tasks: how many tasks it runs; of two nodes with as many free slots the one with fewer comes first.
        dedicated: false for a spot node.
    """

    node_id: str
    free_slots: int
    affinity_id: str = ""
    running_tasks: int = 0
    dedicated: bool = True


@dataclass(frozen=True)
class Waiting:
    """A task which could run now.

    Attributes:
        required_slots: how many slots of one node it needs.
        instances: how many nodes it takes at once, of those that have one slot each; 0 for one node and a share of it.
        priority: its job's, -1000 to 1000.
        job_order: place of its job among jobs of one priority, lower first.
        parallel_left: how many further tasks its job may have running, the same for all tasks of the job; None is no
            limit.
        affinity_id: the node it would rather run on, as long as that one has room.
        exclusive: it runs only where nothing else runs, and nothing else where it runs.
        dedicated_only: it runs on no spot node.
    """

    job_id: str
    task_id: str
    required_slots: int = 1
    priority: int = 0
    job_order: int = 0
    parallel_left: int | None = None
    affinity_id: str | None = None
    instances: int = 0
    exclusive: bool = False
    dedicated_only: bool = False


Assignment: TypeAlias = tuple[Waiting, tuple[str, ...]]


def rank(waiting: Waiting) -> tuple[int, int]:
    """Gives the key by which waiting tasks are put in order: higher priority first, then the order of the jobs.

    Tasks of one job have one rank: a stable sort leaves them in the order in which they were added.
    """
    return -waiting.priority, waiting.job_order


def assign(nodes: Iterable[FreeNode], waiting: Iterable[Waiting], fill: Fill = "spread") -> list[Assignment]:
    """Puts tasks on nodes.

    A task which finds no room, or whose job has its share, is passed over and does not hold up those behind it.

    Args:
        nodes: nodes which may take tasks.
        waiting: tasks in the order in which they are to be served (see ``rank``). It is read no further than until the
            nodes are full, so that it may be a lazy walk over very many.
        fill: how the nodes are filled.

    Returns:
        Pairs of a task and the ids of its nodes, in the order in which they were served.
    """
    fleet = _Fleet(nodes)
    left: dict[str, int | None] = {}
    assignments: list[Assignment] = []
    tasks = iter(waiting)
    while fleet.has_room:
        task = next(tasks, None)
        if task is None:
            break
        share = left.setdefault(task.job_id, task.parallel_left)
        if share is not None and share <= 0:
            continue
        node_ids = fleet.take_together(task, fill)
        if not node_ids:
            continue
        if share is not None:
            left[task.job_id] = share - 1
        assignments.append((task, node_ids))
    return assignments


class _Fleet:
    """Nodes by the number of their free slots.

    A node whose count falls is put into the queue of its new count; its old entry stays behind and is dropped when met.
    Counts only fall, so a node is never in one queue twice.
    """

    def __init__(self, nodes: Iterable[FreeNode]) -> None:
        self._nodes: Sequence[FreeNode] = sorted(
            (node for node in nodes if node.free_slots > 0), key=lambda node: node.running_tasks
        )
        self._free = [node.free_slots for node in self._nodes]
        self._queues: list[deque[int]] = [deque() for _ in range(max(self._free, default=0) + 1)]
        for index, free in enumerate(self._free):
            self._queues[free].append(index)
        self._room = sum(self._free)
        self._by_affinity = {node.affinity_id: index for index, node in enumerate(self._nodes) if node.affinity_id}

    @property
    def has_room(self) -> bool:
        return self._room > 0

    def take_together(self, task: Waiting, fill: Fill) -> tuple[str, ...]:
        """Takes all the nodes that a task needs, or none."""
        if task.exclusive or task.dedicated_only:
            return self._take_particular(task, fill)
        needed = max(task.instances, 1)
        if needed > 1 and self._room < needed:
            return ()
        taken = (self.take(task.required_slots, task.affinity_id, fill) for _ in range(needed))
        return tuple(node_id for node_id in taken if node_id is not None)

    def _take_particular(self, task: Waiting, fill: Fill) -> tuple[str, ...]:
        """Takes a node that not every task would get."""
        needed = max(task.required_slots, 1)
        fitting = [
            index
            for index, node in enumerate(self._nodes)
            if self._free[index] >= needed
            and (node.dedicated or not task.dedicated_only)
            and (not task.exclusive or (node.running_tasks == 0 and self._free[index] == node.free_slots))
        ]
        if not fitting:
            return ()
        best = max if fill == "spread" else min
        index = best(fitting, key=lambda index: self._free[index])
        self._use(index, self._free[index] if task.exclusive else needed)
        return (self._nodes[index].node_id,)

    def take(self, slots: int, affinity_id: str | None, fill: Fill) -> str | None:
        needed = max(slots, 1)
        index = self._wanted(needed, affinity_id)
        if index is None:
            index = self._first(needed, fill)
        if index is None:
            return None
        self._use(index, needed)
        return self._nodes[index].node_id

    def _use(self, index: int, slots: int) -> None:
        self._free[index] -= slots
        self._room -= slots
        self._queues[self._free[index]].append(index)

    def _wanted(self, needed: int, affinity_id: str | None) -> int | None:
        index = self._by_affinity.get(affinity_id) if affinity_id else None
        return index if index is not None and self._free[index] >= needed else None

    def _first(self, needed: int, fill: Fill) -> int | None:
        counts = range(needed, len(self._queues))
        for count in reversed(counts) if fill == "spread" else counts:
            queue = self._queues[count]
            while queue and self._free[queue[0]] != count:
                queue.popleft()
            if queue:
                return queue[0]
        return None
