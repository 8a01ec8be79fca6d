"""Pools, as clients change them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from localbatch.bodies.commands import PackageReference
from localbatch.bodies.pool_parts import PoolParts
from localbatch.bodies.pools import NodeRemoval, PoolBody, PoolPatch, PoolReplacement, PoolResize, StartTask
from localbatch.bodies.reading import read, write
from localbatch.engine.engine import Engine
from localbatch.rules.checks import check_metadata
from localbatch.rules.not_emulated import POOL, refuse_properties
from localbatch.rules.pool_parts import check_parts
from localbatch.rules.pools import (
    check_node,
    check_pool,
    check_removal,
    check_resize,
    check_scheduling_policy,
    check_what_nodes_get,
)
from localbatch.rules.quotas import reached
from localbatch.rules.states import ALLOCATION, move, refusal
from localbatch.rules.states import POOL as POOL_STATES
from localbatch.store.pools import PoolRecord, filled_in, new_pool, start_task_document
from localbatch.store.store import Store
from localbatch.wire.errors import ServiceError, invalid_property
from localbatch.wire.formats import JsonObject, parse_duration

Check = Callable[[datetime], None]
ONLY_WHEN_EMPTY = (
    *("vmSize", "taskSlotsPerNode", "enableInterNodeCommunication", "virtualMachineConfiguration"),
    *("displayName", "taskSchedulingPolicy", "networkConfiguration", "userAccounts", "upgradePolicy"),
)
"""What of a pool can't be changed as long as it has nodes. Source: ``BatchPoolUpdateOptions``."""


class Pools:
    """The pools of all accounts.

    Args:
        engine: what allocates them.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine, self._clock = engine, engine.context.clock
        self._store: Store = engine.context.store

    def get(self, account: str, pool_id: str) -> PoolRecord:
        """Returns a pool.

        Raises:
            ServiceError: ``PoolNotFound``.
        """
        pool = self._store.find_pool(account, pool_id)
        if pool is None:
            raise ServiceError("PoolNotFound")
        return pool

    def create(
        self,
        account: str,
        account_url: str,
        document: JsonObject,
        *,
        identity: JsonObject | None = None,
        tags: JsonObject | None = None,
    ) -> PoolRecord:
        """Creates a pool and begins to allocate its nodes.

        Args:
            account: the account it belongs to.
            account_url: how the client reaches the service.
            document: the pool, in the words of the wire.
            identity: the managed identities of its nodes, which only the management plane can give them.
            tags: those of the management plane.

        Raises:
            ServiceError: the body is refused, or a pool of that id exists.
        """
        refuse_properties(document, POOL)
        body = read(PoolBody, document)
        check_pool(body)
        self._engine.context.images.check(body.virtual_machine_configuration)
        self._check_packages(account, body.application_package_references)
        if self._store.find_pool(account, body.id) is not None:
            raise ServiceError("PoolExists")
        if reached(self._engine.context.quotas.pools, self._store.count_pools(account)):
            raise ServiceError("PoolQuotaReached")
        record = new_pool(account, account_url, body, self._clock.now())
        if identity is not None:
            record = replace(record, body=record.body | {"identity": identity})
        pool = self._store.pools.add(replace(record, tags=tags or {}))
        return self._engine.auto_scaler.begin(pool)

    def update(self, account: str, pool_id: str, document: JsonObject, check: Check) -> PoolRecord:
        """Changes what a PATCH names and leaves the rest as it is.

        Raises:
            ServiceError: the pool or the body is refused.
        """
        pool = self.changeable(account, pool_id, check)
        refuse_properties(document, POOL)
        body = read(PoolPatch, document)
        self._check_changes(account, body.start_task, body.application_package_references or [])
        check_metadata(body.metadata or [])
        self._engine.context.images.check(body.virtual_machine_configuration)
        check_parts(read(PoolParts, document))
        check_scheduling_policy(body.task_scheduling_policy)
        changes = filled_in(write(body), body.start_task)
        after = pool.body | changes
        check_node(str(after["vmSize"]), int(str(after["taskSlotsPerNode"])))
        frozen = [name for name in ONLY_WHEN_EMPTY if name in changes]
        if frozen and self._store.count_nodes(pool.seq):
            reason = f"The pool has nodes. Only a pool without nodes can get another {frozen[0]}."
            raise ServiceError("OperationInvalidForCurrentState", values=(("Reason", reason),))
        if body.vm_size is not None:
            changes["vmSize"] = body.vm_size.lower()
        return self._store.pools.change(pool, body=pool.body | changes, modified=self._clock.now())

    def describe(self, pool: PoolRecord, body: JsonObject, tags: JsonObject) -> PoolRecord:
        """Writes what only the management plane can say of a pool."""
        if (body, tags) == (pool.body, pool.tags):
            return pool
        return self._store.pools.change(pool, body=body, tags=tags, modified=self._clock.now())

    def replace(self, account: str, pool_id: str, document: JsonObject) -> PoolRecord:
        """Replaces start task, metadata and application packages; what is left out is removed.

        Raises:
            ServiceError: the pool or the body is refused.
        """
        pool = self.changeable(account, pool_id, lambda _modified: None)
        refuse_properties(document, POOL)
        body = read(PoolReplacement, document)
        self._check_changes(account, body.start_task, body.application_package_references)
        check_metadata(body.metadata)
        names = ("startTask", "applicationPackageReferences", "metadata")
        kept = {name: value for name, value in pool.body.items() if name not in names}
        changes = {name: value for name, value in write(body).items() if value}
        if body.start_task is not None:
            changes["startTask"] = start_task_document(body.start_task)
        return self._store.pools.change(pool, body=kept | changes, modified=self._clock.now())

    def resize(self, account: str, pool_id: str, document: JsonObject, check: Check) -> PoolRecord:
        """Begins to resize a pool.

        Raises:
            ServiceError: the pool or the body is refused.
        """
        pool = self.changeable(account, pool_id, check)
        body = read(PoolResize, document)
        check_resize(body)
        refuse("autoscale", "resize", auto_scale_state(pool))
        dedicated, spot = body.target_dedicated_nodes, body.target_low_priority_nodes
        pool = self._begin_resize(
            pool,
            target_dedicated=pool.target_dedicated if dedicated is None else dedicated,
            target_spot=pool.target_spot if spot is None else spot,
            deallocation=body.node_deallocation_option.lower(),
            resize_seconds=_seconds(pool, body),
        )
        self._engine.allocation.begin(pool)
        return pool

    def remove_nodes(self, account: str, pool_id: str, document: JsonObject, check: Check) -> PoolRecord:
        """Begins to remove nodes from a pool, which shrinks by their number.

        Raises:
            ServiceError: the pool, a node or the body is refused.
        """
        pool = self.changeable(account, pool_id, check)
        body = read(NodeRemoval, document)
        check_removal(body)
        context = self._engine.context
        found = {node_id: context.fleet.find(pool.seq, node_id) for node_id in body.node_list}
        nodes = [node for node in found.values() if node is not None]
        if len(nodes) < len(found):
            raise ServiceError("NodeNotFound")
        dedicated = sum(node.record.dedicated for node in nodes)
        with self._store.transaction():
            pool = self._begin_resize(
                pool,
                target_dedicated=max(0, pool.target_dedicated - dedicated),
                target_spot=max(0, pool.target_spot - (len(nodes) - dedicated)),
                deallocation=body.node_deallocation_option.lower(),
                resize_seconds=_seconds(pool, body),
            )
            for node in nodes:
                context.change_node(node, leaving=True)
        self._engine.allocation.begin(pool)
        return pool

    def _begin_resize(self, pool: PoolRecord, **changes: Any) -> PoolRecord:
        refuse("allocation", "resize", pool.allocation)
        now = self._clock.now()
        state = move(ALLOCATION, pool.allocation, "resizing")
        moved = {"allocation": state, "allocation_changed": now, "resize_errors": [], "modified": now}
        return self._store.pools.change(pool, **changes, **moved)

    def stop_resize(self, account: str, pool_id: str, check: Check) -> PoolRecord:
        """Begins to stop a resize; the pool keeps the nodes it has.

        Raises:
            ServiceError: the pool is refused.
        """
        pool = self.changeable(account, pool_id, check)
        refuse("allocation", "stopresize", pool.allocation)
        state = move(ALLOCATION, pool.allocation, "stopping")
        pool = self._store.pools.change(pool, allocation=state, allocation_changed=self._clock.now())
        self._engine.allocation.stop(pool)
        return pool

    def delete(self, account: str, pool_id: str, check: Check) -> None:
        """Begins to delete a pool.

        Raises:
            ServiceError: the pool is refused.
        """
        pool = self.get(account, pool_id)
        check(pool.modified)
        refuse("pool", "delete", pool.state)
        state = move(POOL_STATES, pool.state, "deleting")
        pool = self._store.pools.change(pool, state=state, state_changed=self._clock.now())
        self._engine.allocation.delete(pool)

    def changeable(self, account: str, pool_id: str, check: Check) -> PoolRecord:
        """Returns a pool that may be changed.

        Raises:
            ServiceError: there is none, it is being deleted, or the conditions of the request are not met.
        """
        pool = self.get(account, pool_id)
        check(pool.modified)
        refuse("pool", "update", pool.state)
        return pool

    def _check_changes(self, account: str, start_task: StartTask | None, packages: list[PackageReference]) -> None:
        check_what_nodes_get(start_task, packages)
        self._check_packages(account, packages)

    def _check_packages(self, account: str, references: list[PackageReference]) -> None:
        check_packages(self._store, account, references)


def check_packages(store: Store, account: str, references: list[PackageReference]) -> None:
    """Refuses references to application packages that can't be used.

    Raises:
        ServiceError: ``InvalidApplicationPackageReferences``, naming the applications.
    """
    missing = [
        (reference.application_id, "The specified application package does not exist.")
        for reference in references
        if store.applications.resolve(account, reference.application_id, reference.version) is None
    ]
    if missing:
        raise ServiceError("InvalidApplicationPackageReferences", values=missing)


def auto_scale_state(pool: PoolRecord) -> str:
    """Tells whether the automatic scaling of a pool is ``enabled`` or ``disabled``."""
    return "disabled" if pool.formula is None else "enabled"


def refuse(kind: str, operation: str, state: str) -> None:
    """Refuses what the table of states does not allow.

    Raises:
        ServiceError: with the code of the table, and the state that stands in the way.
    """
    code = refusal(kind, operation, state)
    if code is not None:
        raise ServiceError(code, values=(("Reason", f"State of the {kind}: {state}."),))


def _seconds(pool: PoolRecord, body: PoolResize | NodeRemoval) -> float:
    if body.resize_timeout is not None:
        return body.resize_timeout.total_seconds()
    usual = pool.body["resizeTimeout"]
    if not isinstance(usual, str):
        raise invalid_property("resizeTimeout", usual, "It must be a duration.")
    return parse_duration(usual).total_seconds()
