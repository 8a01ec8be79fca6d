"""A node's life: it is created, starts, runs its start task, takes tasks, and leaves."""

import asyncio
import logging
from contextlib import suppress
from datetime import datetime

from localbatch.bodies.pools import StartTask
from localbatch.driver.failures import CommandFailed
from localbatch.driver.interface import Failure, Outcome
from localbatch.engine.background import settle
from localbatch.engine.context import Context
from localbatch.engine.departures import Departures
from localbatch.engine.failure_log import tell_failure
from localbatch.engine.fleet import Node, make_place
from localbatch.engine.mounts import mounts_of
from localbatch.engine.new_nodes import commands_of
from localbatch.engine.orders import OrderError, start_order
from localbatch.engine.outcomes import runs_again, start_info
from localbatch.engine.ports import Ports
from localbatch.engine.preparation import Preparations
from localbatch.engine.release import leave_node
from localbatch.engine.runs import TaskRuns
from localbatch.store.nodes import NodeRecord
from localbatch.store.pools import PoolRecord
from localbatch.wire.formats import JsonObject, JsonValue

logger = logging.getLogger("localbatch")

_WITHOUT_WAITING = ("requeue", "terminate")
_SHORTEST_WAIT, _LONGEST_WAIT = 0.1, 60.0


class NodeLife:
    """Brings nodes up and takes them away.

    Args:
        context: the engine's surroundings.
        runs: the tasks that run.
        preparations: the preparation tasks that run.
    """

    def __init__(self, context: Context, runs: TaskRuns, preparations: Preparations) -> None:
        self._context, self._runs, self._preparations = context, runs, preparations
        self._ports = Ports(context.background)
        self.departures = Departures(context)

    def stop(self) -> None:
        """Closes the ports of all nodes."""
        self._ports.close_all()

    def take_in(self, pool: PoolRecord, record: NodeRecord) -> Node:
        """Takes a node into the fleet as it is."""
        slots = pool.body["taskSlotsPerNode"]
        assert isinstance(slots, int)
        node = Node(record, make_place(self._context.nodes_root, self._context.mount, pool, record), slots)
        self._context.fleet.add(node)
        return node

    def begin(self, pool: PoolRecord, record: NodeRecord) -> Node:
        """Takes a new node into the fleet and brings it up."""
        node = self.take_in(pool, record)
        node.life = self._context.background.start(self.bring_up(node))
        return node

    async def bring_up(self, node: Node) -> None:
        """Brings a node up whose state says so, from the beginning or, if it was up before, once more."""
        try:
            await self._start(node)
        except Exception as error:
            logger.exception("Starting node %s failed", node.id)
            self.condemn(node, Failure("servererror", "NodeError", str(error)))

    async def _start(self, node: Node) -> None:
        pause = self._context.start_seconds / 2
        await self._context.clock.sleep(pause)
        self._renew(node)
        failure = await self._create(node)
        if failure is not None:
            self.condemn(node, failure)
            return
        await self._open_ports(node)
        booted = self._context.clock.now()
        if node.record.state == "starting":
            self._context.change_node(node, booted=booted)
        else:
            self._context.set_node_state(node, "starting", booted=booted)
        await self._context.clock.sleep(pause)
        if node.record.start_task is None:
            self._context.set_node_state(node, node.resting_state)
            return
        body = StartTask.model_validate(node.record.start_task)
        self._context.set_node_state(node, "waitingforstarttask" if body.wait_for_success else node.resting_state)
        outcome = await self._run_start_task(node, body)
        if body.wait_for_success:
            self._context.set_node_state(node, node.resting_state if outcome.failure is None else "starttaskfailed")

    async def _open_ports(self, node: Node) -> None:
        pool = self._context.store.pools.get(node.record.pool)
        if pool is not None:
            await self._ports.open(node, pool)

    def _renew(self, node: Node) -> None:
        """Gives a node that is being started the start task and the packages that its pool has now."""
        pool = self._context.store.pools.get(node.record.pool)
        changes = {"start_info": None, "errors": [], **(commands_of(pool) if pool else {})}
        if any(getattr(node.record, name) != value for name, value in changes.items()):
            self._context.change_node(node, **changes)

    async def _create(self, node: Node) -> Failure | None:
        packages = self._context.find_packages(node.place.account, node.record.packages)
        if len(packages) < len(node.record.packages):
            return Failure("usererror", "ApplicationPackageError", "An application package of the pool is gone")
        pool = self._context.store.pools.get(node.record.pool)
        try:
            mounts = mounts_of(self._context, pool) if pool else ()
        except CommandFailed as error:
            return error.failure
        return await self._context.driver.create_node(node.place, packages, mounts)

    async def _run_start_task(self, node: Node, body: StartTask) -> Outcome:
        started, retries, retried = self._context.clock.now(), 0, None
        self._note(node, None, started, retries, retried)
        outcome = await self._execute(node, body)
        while runs_again(outcome, retries, body.max_task_retry_count):
            retries, retried = retries + 1, self._context.clock.now()
            self._note(node, None, started, retries, retried)
            outcome = await self._execute(node, body)
        tell_failure(f"The start task of pool {node.place.pool_id}", node.id, outcome)
        self._note(node, outcome, started, retries, retried)
        return outcome

    def _note(
        self, node: Node, outcome: Outcome | None, started: datetime, retries: int, retried: datetime | None
    ) -> None:
        self._context.change_node(node, start_info=start_info(outcome, started, retries, retried))

    async def _execute(self, node: Node, body: StartTask) -> Outcome:
        try:
            order = start_order(self._context, node, body)
        except OrderError as error:
            now = self._context.clock.now()
            return Outcome(now, now, None, error.failure)
        return await self._context.driver.execute(order, _ignore_start)

    def interrupt(self, node: Node) -> None:
        """Ends what brings a node up, before it can move it to another state."""
        if node.life is not None:
            node.life.cancel()

    def condemn(self, node: Node, failure: Failure) -> None:
        """Calls a node unusable, and says why."""
        details: list[JsonValue] = [{"name": name, "value": value} for name, value in failure.details]
        error: JsonObject = {"code": failure.code, "message": failure.message, "errorDetails": details}
        self._context.set_node_state(node, "unusable", errors=[error])

    def remove(self, node: Node, option: str) -> "asyncio.Task[None]":
        """Takes a node away.

        Args:
            node: the node.
            option: what becomes of its tasks, see ``let_end``.

        Returns:
            The work that does it. As long as the node lets its tasks end, cancelling it keeps the node.
        """
        if node.removal is None or node.removal.done():
            node.draining = True
            self._note_leaving(node, option)
            node.removal = self._context.background.start(self._remove(node, option))
        return node.removal

    def _note_leaving(self, node: Node, option: str) -> None:
        """Has the record of a node say that it is to leave, or that it leaves if it waits for nothing."""
        if option not in _WITHOUT_WAITING:
            self._context.change_node(node, leaving=True)
        elif node.record.state != "leavingpool":
            self.interrupt(node)
            self._context.set_node_state(node, "leavingpool")

    def keep(self, node: Node) -> None:
        """Keeps a node that was to leave once its tasks have ended, unless it leaves already."""
        if node.record.state == "leavingpool":
            return
        if node.removal is not None and node.draining:
            node.removal.cancel()
            node.removal = None
            node.draining = False
        if node.record.leaving:
            self._context.change_node(node, leaving=False)

    async def _remove(self, node: Node, option: str) -> None:
        await self.let_end(node, option)
        if node.record.state != "leavingpool":
            self._context.set_node_state(node, "leavingpool")
        await self.halt(node, node.life, option)
        await self.empty(node)
        await self.departures.see_off(node)

    async def let_end(self, node: Node, option: str) -> None:
        """Waits as long as a node is to be left to its tasks.

        Args:
            node: the node, which takes no more tasks.
            option: ``requeue`` and ``terminate`` don't wait, ``taskcompletion`` waits for its tasks, ``retaineddata``
                for the end of their retention besides.
        """
        if option in _WITHOUT_WAITING:
            return
        await settle(*(run.work for run in node.runs.values() if run.work))
        while option == "retaineddata" and (last := self._context.store.last_expiry_on(node.id)) is not None:
            left = (last - self._context.clock.now()).total_seconds()
            await self._context.clock.sleep(min(max(left, _SHORTEST_WAIT), _LONGEST_WAIT))

    async def halt(self, node: Node, life: "asyncio.Task[None] | None", option: str) -> None:
        """Ends everything that runs on a node.

        Args:
            node: the node.
            life: what went on there so far.
            option: ``terminate`` ends its tasks for good, any other word has them wait for a node again.
        """
        if life is not None:
            life.cancel()
            await settle(life)
        self._ports.close(node)
        await self._runs.leave_node(node, requeue=option != "terminate")
        await self._preparations.leave_node(node)
        await leave_node(node)

    async def empty(self, node: Node) -> None:
        """Removes all files of a node on which nothing runs."""
        with suppress(OSError):
            await self._context.driver.remove_node(node.place)


def _ignore_start() -> None:
    """The states of a node say all there is to say."""
