"""What the parts of the engine share."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from localbatch.driver.interface import Driver, Package
from localbatch.engine.auto_storage import AutoStorage
from localbatch.engine.background import Background
from localbatch.engine.clock import Clock
from localbatch.engine.fleet import Fleet, Node
from localbatch.rules.auto_scale import Pace
from localbatch.rules.images import Images
from localbatch.rules.quotas import Quotas
from localbatch.rules.states import NODE, StateTable, move
from localbatch.store.jobs import JobRecord
from localbatch.store.store import Store
from localbatch.wire.formats import JsonObject

_LINK_LIFE = timedelta(days=7)


@dataclass(eq=False)
class Context:
    """The engine's surroundings.

    Attributes:
        storage: the linked storage account; None where there is no Blob service.
        nodes_root: directory of all nodes.
        mount: where commands see the directory tree of their node, as on Azure at the same path on all nodes.
        allocation_seconds: how long a pool takes to get its nodes.
        start_seconds: how long a node takes to start.
        quotas: what each account may have.
        images: what pools can be made from.
        echoes_mounts: file systems that can't be mounted are empty directories, instead of making a node unusable.
        pace: how fast automatic scaling goes.
        preemptions_per_hour: how often each spot node is preempted, on average.
        preemption_seed: has the same nodes preempted again; None is by chance.
        woken: set when some pool is to be looked at by the dispatcher.
        pools_to_serve: ``seq`` of those pools.
        quiet: nodes whose last task has ended.
        expiring: set when the files of a task are to be removed soon.
        scheduling: set when some job schedule is to be looked at.
    """

    store: Store
    driver: Driver
    clock: Clock
    storage: AutoStorage | None
    nodes_root: Path
    mount: Path
    allocation_seconds: float
    start_seconds: float
    quotas: Quotas = field(default_factory=Quotas)
    echoes_mounts: bool = False
    images: Images = field(default_factory=Images)
    pace: Pace = field(default_factory=Pace)
    preemptions_per_hour: float = 0.0
    preemption_seed: int | None = None
    fleet: Fleet = field(default_factory=Fleet)
    background: Background = field(default_factory=Background)
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    pools_to_serve: set[int] = field(default_factory=set)
    quiet: set[Node] = field(default_factory=set)
    expiring: asyncio.Event = field(default_factory=asyncio.Event)
    scheduling: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self, pool: int) -> None:
        """Has the dispatcher look whether waiting tasks can now run on a pool."""
        self.pools_to_serve.add(pool)
        self.woken.set()

    def wake_for(self, job: JobRecord) -> None:
        """Has the dispatcher look at the pool of a job, if there is one."""
        pool = self.store.find_pool(job.account, job.pool_id)
        if pool is not None:
            self.wake(pool.seq)

    def set_node_state(self, node: Node, state: str, **changes: Any) -> None:
        """Moves a node to another state and writes further fields with it."""
        moved = move(NODE, node.record.state, state)
        self.change_node(node, state=moved, state_changed=self.clock.now(), **changes)
        node.moved.set()
        node.moved = asyncio.Event()

    def change_node(self, node: Node, **changes: Any) -> None:
        """Writes fields of a node."""
        node.record = self.store.nodes.change(node.record, **changes)
        self.fleet.refresh(node)
        if node.accepts_tasks:
            self.wake(node.record.pool)

    async def clear_directory(self, account: str, directory: str) -> None:
        """Removes a directory from all nodes of an account; its jobs may have gone from pool to pool."""
        for node in self.fleet.all_nodes():
            if node.place.account == account:
                with suppress(OSError):
                    await self.driver.clear_directory(node.place, directory)

    def find_packages(self, account: str, references: list[JsonObject]) -> tuple[Package, ...]:
        """Finds application packages and makes links to them; references to packages that are gone are left out."""
        if self.storage is None:
            return ()
        packages = []
        for reference in references:
            version = reference.get("version")
            wanted = version if isinstance(version, str) else None
            record = self.store.applications.resolve(account, str(reference["applicationId"]), wanted)
            if record is not None:
                link = self.storage.blob_link(record.container, record.blob, "r", self.clock.now() + _LINK_LIFE)
                packages.append(Package(record.application_id, record.version, link, wanted is None))
        return tuple(packages)

    def lead_home(self, link: str) -> str:
        """Leads a link to the linked storage account's name on Azure to where its blobs are."""
        return link if self.storage is None else self.storage.lead_home(link)

    def link_container(self, container: str) -> str | None:
        """Makes a link by which a node reads a container of the linked storage account."""
        if self.storage is None:
            return None
        return self.storage.container_link(container, "rl", self.clock.now() + _LINK_LIFE)


class _Stateful(Protocol):
    @property
    def state(self) -> str: ...
    @property
    def state_changed(self) -> datetime: ...


def moved(table: StateTable, record: _Stateful, to: str, now: datetime) -> dict[str, Any]:
    """Makes the changes by which a job or task goes to another state, the former state being remembered.

    Raises:
        IllegalMoveError: the state can't follow the present one.
    """
    return {
        "state": move(table, record.state, to),
        "state_changed": now,
        "previous_state": record.state,
        "previous_changed": record.state_changed,
    }
