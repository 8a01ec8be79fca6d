"""Which running tasks make room for others: pure.

Source: ``allowTaskPreemption`` of jobs and the description of job manager tasks in the Batch REST reference.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from localbatch.rules.scheduler import Waiting


@dataclass(frozen=True)
class Yielding:
    """A running task that may have to make room.

    Attributes:
        key: names it.
        slots: how many slots of the node it has.
        priority: of its job; the lowest go first.
    """

    key: int
    slots: int
    priority: int


@dataclass(frozen=True)
class CrowdedNode:
    """A node and what runs there.

    Attributes:
        slots: how many it has.
        free_slots: those that are free, or will be soon without anybody's doing.
        staying: how many tasks run there that don't make room.
        yielding: the tasks that may have to, the newest last.
        dedicated: false for a spot node.
    """

    slots: int
    free_slots: int
    staying: int
    yielding: tuple[Yielding, ...]
    dedicated: bool = True


def choose(nodes: Iterable[CrowdedNode], waiting: Iterable[Waiting]) -> list[int]:
    """Chooses the tasks that have to make room, as few as it takes.

    Args:
        nodes: the nodes of a pool.
        waiting: tasks for which there is no room now, the most important first. Those that take several nodes at once
            are passed over.

    Returns:
        The keys of the tasks that have to go.
    """
    places = [_Place(node) for node in nodes]
    chosen: list[int] = []
    for task in waiting:
        found = [(place, goers) for place in places if (goers := place.goers(task)) is not None]
        if found and not task.instances:
            place, goers = min(found, key=lambda option: len(option[1]))
            place.take(task, goers)
            chosen += [each.key for each in goers]
    return chosen


class _Place:
    """A node as it will be when all that were chosen so far are gone and those they went for have come."""

    def __init__(self, node: CrowdedNode) -> None:
        self._node, self._free, self._staying = node, node.free_slots, node.staying
        newest_first = reversed(node.yielding)
        self._left = sorted(newest_first, key=lambda task: task.priority)

    def goers(self, task: Waiting) -> list[Yielding] | None:
        """Returns who has to go for a task; None if it can't have the node even so."""
        if task.required_slots > self._node.slots or (task.dedicated_only and not self._node.dedicated):
            return None
        if task.exclusive:
            return None if self._staying else self._left
        free, goers = self._free, list[Yielding]()
        for each in self._left:
            if free >= task.required_slots:
                break
            goers.append(each)
            free += each.slots
        return goers if free >= task.required_slots else None

    def take(self, task: Waiting, goers: list[Yielding]) -> None:
        """Puts a task where others have gone."""
        self._free += sum(each.slots for each in goers) - task.required_slots
        self._left = [each for each in self._left if each not in goers]
        self._staying += 1
        if task.exclusive:
            self._free = 0
