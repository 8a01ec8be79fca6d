"""The nodes as they are now. What outlives the service stands in the store; here is what they run."""

import asyncio
import ipaddress
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from localbatch.bodies.containers import ContainerConfiguration
from localbatch.driver.interface import ContainerHost, NodePlace, Outcome
from localbatch.rules.images import is_windows
from localbatch.rules.states import SCHEDULABLE_NODES
from localbatch.store.nodes import NodeRecord
from localbatch.store.pools import PoolRecord
from localbatch.wire.formats import JsonObject

_FIRST_ADDRESS = int(ipaddress.ip_address("127.1.0.4"))
_ADDRESSES = int(ipaddress.ip_address("127.255.255.254")) - _FIRST_ADDRESS
_RECENT = 10


def node_address(seq: int) -> str:
    """Gives each node a loopback address of its own, from 127.1.0.4 upward."""
    return str(ipaddress.ip_address(_FIRST_ADDRESS + (seq - 1) % _ADDRESSES))


def node_root(nodes: Path, account: str, pool_id: str, node_id: str) -> Path:
    """Tells where the directory tree of a node lies.

    Args:
        nodes: directory of all nodes.
        account: the pool's account.
        pool_id: the pool.
        node_id: the node.
    """
    return nodes / account / pool_id / node_id


def make_place(nodes: Path, mount: Path, pool: PoolRecord, node: NodeRecord) -> NodePlace:
    """Describes a node to the driver."""
    machine = pool.body["virtualMachineConfiguration"]
    assert isinstance(machine, dict)
    return NodePlace(
        account=pool.account,
        account_url=pool.account_url,
        pool_id=pool.id,
        node_id=node.id,
        address=node_address(node.seq),
        hostname=node.hostname,
        is_dedicated=node.dedicated,
        root=node_root(nodes, pool.account, pool.id, node.id),
        mount=mount,
        containers=_container_host(machine),
        runs_commands=not is_windows(str(machine.get("nodeAgentSKUId"))),
    )


def _container_host(machine: JsonObject) -> ContainerHost | None:
    given = machine.get("containerConfiguration")
    if given is None:
        return None
    configuration = ContainerConfiguration.model_validate(given)
    return ContainerHost(tuple(configuration.container_image_names), tuple(configuration.container_registries))


@dataclass(eq=False)
class TaskRun:
    """A task that runs on a node, or ends there.

    Attributes:
        job: ``seq`` of its job.
        task: its own ``seq``.
        manager: it is its job's manager.
        exclusive: nothing else may run where it runs.
        yielding: it has to make room for another task, and will be gone soon.
        nodes: those it is on, the primary's first; more than one for a multi-instance task.
        work: what carries it out; cancelling it ends the task's processes.
    """

    job: int
    task: int
    slots: int
    nodes: "tuple[Node, ...]"
    manager: bool = False
    exclusive: bool = False
    yielding: bool = False
    work: "asyncio.Task[None] | None" = None

    @property
    def primary(self) -> "Node":
        """The node of the task, or of its primary."""
        return self.nodes[0]


@dataclass(eq=False)
class Node:
    """A node.

    Attributes:
        record: its row in the store, always the newest.
        slots: how many task slots it has.
        runs: what it runs, by the ``seq`` of the task.
        draining: it is to leave, and takes no more tasks.
        barred: jobs whose preparation failed here, so that their tasks go elsewhere.
        preparations: preparation tasks that run here or have run since it was started, by the ``seq`` of the job.
        releases: release tasks that run here; cancelling one ends its processes.
        moved: set when it goes to another state; there is a new one for the next move.
        recent: the tasks it ran last: ``seq`` of each and, of a multi-instance task, the number of the subtask.
        life: the work that brings it up, or on to whatever state comes next.
        removal: the work that takes it away.
    """

    record: NodeRecord
    place: NodePlace
    slots: int
    runs: dict[int, TaskRun] = field(default_factory=dict)
    draining: bool = False
    barred: set[int] = field(default_factory=set)
    preparations: "dict[int, asyncio.Task[bool]]" = field(default_factory=dict)
    releases: "set[asyncio.Task[Outcome]]" = field(default_factory=set)
    moved: asyncio.Event = field(default_factory=asyncio.Event)
    recent: deque[tuple[int, int | None]] = field(default_factory=lambda: deque(maxlen=_RECENT))
    life: "asyncio.Task[None] | None" = None
    removal: "asyncio.Task[None] | None" = None

    @property
    def id(self) -> str:
        """Its id within the pool."""
        return self.record.id

    @property
    def used_slots(self) -> int:
        """How many of its slots are taken."""
        return sum(run.slots for run in self.runs.values())

    @property
    def free_slots(self) -> int:
        """How many of its slots are free; none beside a task that wants the node for itself."""
        return 0 if any(run.exclusive for run in self.runs.values()) else self.slots - self.used_slots

    @property
    def accepts_tasks(self) -> bool:
        """Whether a task that fits may be put on it."""
        enabled = self.record.scheduling == "enabled" and not self.draining
        return enabled and self.record.state in SCHEDULABLE_NODES

    @property
    def resting_state(self) -> str:
        """The state in which it is when it is up and runs nothing."""
        return "idle" if self.record.scheduling == "enabled" else "offline"


class Fleet:
    """All nodes by pool, and among them those that have room."""

    def __init__(self) -> None:
        self._nodes: dict[int, dict[str, Node]] = {}
        self._open: dict[int, dict[str, Node]] = {}

    def add(self, node: Node) -> None:
        """Takes a node in."""
        self._nodes.setdefault(node.record.pool, {})[node.id] = node
        self.refresh(node)

    def drop(self, node: Node) -> None:
        """Forgets a node."""
        self._nodes[node.record.pool].pop(node.id, None)
        self._open.setdefault(node.record.pool, {}).pop(node.id, None)

    def refresh(self, node: Node) -> None:
        """Takes note that a node's state or load has changed."""
        group = self._open.setdefault(node.record.pool, {})
        if node.accepts_tasks and node.free_slots > 0:
            group[node.id] = node
        else:
            group.pop(node.id, None)

    def find(self, pool: int, node_id: str) -> Node | None:
        """Returns a node of a pool."""
        return self._nodes.get(pool, {}).get(node_id)

    def nodes(self, pool: int) -> list[Node]:
        """Returns the nodes of a pool, the oldest first."""
        return list(self._nodes.get(pool, {}).values())

    def all_nodes(self) -> Iterable[Node]:
        """Returns the nodes of all pools."""
        return [node for group in self._nodes.values() for node in group.values()]

    def with_room(self, pool: int) -> list[Node]:
        """Returns the nodes of a pool that take tasks and have slots left."""
        return list(self._open.get(pool, {}).values())
