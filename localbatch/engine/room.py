"""The room that a pool has for tasks, while its jobs are served."""

from localbatch.engine.context import Context
from localbatch.engine.fleet import Node
from localbatch.rules.scheduler import Waiting
from localbatch.store.jobs import JobRecord
from localbatch.store.pools import PoolRecord


class Room:
    """The nodes of a pool that have slots left.

    Args:
        context: the engine's surroundings.
        pool: the pool.

    Attributes:
        pool: the pool.
    """

    def __init__(self, context: Context, pool: PoolRecord) -> None:
        self._fleet, self.pool = context.fleet, pool
        self._kept: set[Node] = set()

    def is_left(self) -> bool:
        """Tells whether any slot is left."""
        return any(node not in self._kept for node in self._fleet.with_room(self.pool.seq))

    def slots(self) -> int:
        """Counts the slots that are left."""
        return sum(node.free_slots for node in self._nodes())

    def nodes(self, job: JobRecord) -> list[Node]:
        """Returns the nodes that the tasks of a job may have."""
        return [node for node in self._nodes() if job.seq not in node.barred]

    def keep(self, job: JobRecord, wanted: Waiting) -> None:
        """Keeps the emptiest node free for a task that needs a whole one, or it might wait for ever."""
        nodes = [
            node
            for node in self.nodes(job)
            if node.slots >= wanted.required_slots and (node.record.dedicated or not wanted.dedicated_only)
        ]
        if nodes and wanted.exclusive:
            self._kept.add(max(nodes, key=lambda node: node.free_slots))

    def policy(self, name: str) -> str:
        """Returns what the pool's scheduling policy says, in small letters."""
        policy = self.pool.body.get("taskSchedulingPolicy")
        return str(policy.get(name)).lower() if isinstance(policy, dict) else ""

    def runs_together(self) -> bool:
        """Tells whether multi-instance tasks run on the pool; on any other they wait for ever, as on Azure."""
        return (
            self.pool.body.get("enableInterNodeCommunication") is True and self.pool.body.get("taskSlotsPerNode") == 1
        )

    def _nodes(self) -> list[Node]:
        return [node for node in self._fleet.with_room(self.pool.seq) if node not in self._kept]
