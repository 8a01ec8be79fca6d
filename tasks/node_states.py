"""How many nodes of a pool are in which state, as they were last seen."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from azure.batch import BatchClient, models
from azure.core.exceptions import AzureError

from prefect_azure_batch.tasks.diagnosis import target_nodes

_COUNT_SECONDS = 15.0
_NAMES = {
    "waitingforstarttask": "running start task",
    "starttaskfailed": "start task failed",
    "leavingpool": "leaving",
    "upgradingos": "upgrading",
}
_COUNTED = {
    "running": "running",
    "idle": "idle",
    "waiting_for_start_task": "running start task",
    "starting": "starting",
    "creating": "creating",
    "rebooting": "rebooting",
    "reimaging": "reimaging",
    "upgrading_os": "upgrading",
    "leaving_pool": "leaving",
    "deallocating": "deallocating",
    "deallocated": "deallocated",
    "offline": "offline",
    "unknown": "unknown",
    "preempted": "preempted",
    "start_task_failed": "start task failed",
    "unusable": "unusable",
}

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class NodeStates:
    """Nodes of a pool by state.

    Attributes:
        numbers: of nodes in each state that a node is in, in the words of a person, those that take tasks first.
        target: nodes that the pool shall have; None if nobody knows.
    """

    numbers: Mapping[str, int] = field(default_factory=dict)
    target: int | None = None

    @property
    def total(self) -> int:
        """Nodes that are there."""
        return sum(self.numbers.values())

    @property
    def idle(self) -> int:
        """Nodes that wait for tasks."""
        return self.numbers.get("idle", 0)

    @property
    def ready(self) -> int:
        """Nodes that take tasks."""
        return self.idle + self.numbers.get("running", 0)

    def __str__(self) -> str:
        """In words."""
        states = ", ".join(f"{number:,} {state}" for state, number in self.numbers.items()) or "none"
        missing = (self.target or 0) - self.total
        return f"{states}, {missing:,} to come" if missing > 0 else states


def states_of(nodes: Iterable[models.BatchNode], target: int | None) -> NodeStates:
    """Nodes by state.

    Args:
        nodes: that a pool has.
        target: how many it shall have; None if nobody knows.
    """
    found = Counter(_name(node.state) for node in nodes)
    known = [state for state in _COUNTED.values() if state in found]
    return NodeStates({state: found[state] for state in [*known, *(found.keys() - known)]}, target)


def _name(state: str | None) -> str:
    lower = str.lower(state or "unknown")
    return _NAMES.get(lower, lower)


def count_nodes(client: BatchClient, pool_id: str) -> NodeStates:
    """Counts the nodes of a pool by state in one request, whatever their number.

    Source: "List Pool Node Counts", Batch REST; its numbers may be a little late.

    Args:
        client: the Batch client.
        pool_id: the pool.

    Raises:
        AzureError: Batch refused or failed the request.
    """
    found = client.list_pool_node_counts(filter=f"poolId eq '{pool_id}'")
    kinds = [kind for each in found for kind in (each.dedicated, each.low_priority) if kind is not None]
    numbers = {state: sum(getattr(kind, name) for kind in kinds) for name, state in _COUNTED.items()}
    return NodeStates({state: number for state, number in numbers.items() if number})


class NodesSeen:
    """The nodes of a pool as last seen, by whoever looked; and counted now and then while nobody does.

    Args:
        client: the Batch client.
        pool_id: the pool.
        clock: seconds on a clock that only goes forward.
    """

    def __init__(self, client: BatchClient, pool_id: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._client, self._pool_id, self._clock = client, pool_id, clock
        self._last: NodeStates | None = None
        self._next_count = clock()

    @property
    def last(self) -> NodeStates | None:
        """Nodes by state; None if nobody has looked."""
        return self._last

    def take(self, pool: models.BatchPool, nodes: Iterable[models.BatchNode]) -> None:
        """Takes what somebody has seen who looked for another reason; what follows that is counted soon."""
        self._last = states_of(nodes, target_nodes(pool))
        self._next_count = self._clock()

    def count(self) -> None:
        """Counts the nodes, unless that was done a short while ago."""
        if self._clock() < self._next_count:
            return
        self._next_count = self._clock() + _COUNT_SECONDS
        try:
            found = count_nodes(self._client, self._pool_id)
        except AzureError as error:  # it is only shown, and no run shall end for that
            _logger.debug("The nodes of pool %s could not be counted: %s", self._pool_id, error)
            return
        self._last = replace(found, target=self._last.target if self._last else None)
