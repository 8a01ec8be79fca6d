"""A node's life: it is created, starts, runs its start task, takes tasks, and leaves."""

import asyncio
import logging
from contextlib import suppress
from datetime import datetime

from localbatch.driver.interface import Failure, Outcome
from localbatch.engine.background import settle
from localbatch.engine.context import Context
from localbatch.engine.fleet import Node, make_place
from localbatch.engine.orders import OrderError, start_order
from localbatch.engine.outcomes import runs_again, start_info
from localbatch.engine.preparation import Preparations
from localbatch.engine.release import leave_node
from localbatch.engine.runs import TaskRuns
from localbatch.models import StartTask
from localbatch.records import NodeRecord, PoolRecord
from localbatch.wire import JsonObject, JsonValue

logger = logging.getLogger("localbatch")


class NodeLife:
    """Brings nodes up and takes them away.

    Args:
        context: the engine's surroundings.
        runs: the tasks that run.
        preparations: the preparation tasks that run.
    """

    def __init__(self, context: Context, runs: TaskRuns, preparations: Preparations) -> None:
        self._context, self._runs, self._preparations = context, runs, preparations

    def begin(self, pool: PoolRecord, record: NodeRecord) -> Node:
        """Takes a node into the fleet and brings it up, from the beginning or, if it was up before, once more."""
        slots = pool.body["taskSlotsPerNode"]
        assert isinstance(slots, int)
        node = Node(record, make_place(self._context.nodes_root, self._context.mount, pool, record), slots)
        self._context.fleet.add(node)
        node.life = self._context.background.start(self._bring_up(node))
        return node

    async def _bring_up(self, node: Node) -> None:
        try:
            await self._start(node)
        except Exception as error:
            logger.exception("Starting node %s failed", node.id)
            self._condemn(node, Failure("servererror", "NodeError", str(error)))

    async def _start(self, node: Node) -> None:
        pause = self._context.start_seconds / 2
        await asyncio.sleep(pause)
        failure = await self._create(node)
        if failure is not None:
            self._condemn(node, failure)
            return
        self._context.set_node_state(node, "starting", booted=self._context.clock.now())
        await asyncio.sleep(pause)
        if node.record.start_task is None:
            self._context.set_node_state(node, "idle")
            return
        body = StartTask.model_validate(node.record.start_task)
        self._context.set_node_state(node, "waitingforstarttask" if body.wait_for_success else "idle")
        outcome = await self._run_start_task(node, body)
        if body.wait_for_success:
            self._context.set_node_state(node, "idle" if outcome.failure is None else "starttaskfailed")

    async def _create(self, node: Node) -> Failure | None:
        packages = self._context.find_packages(node.place.account, node.record.packages)
        if len(packages) < len(node.record.packages):
            return Failure("usererror", "ApplicationPackageError", "An application package of the pool is gone")
        return await self._context.driver.create_node(node.place, packages)

    async def _run_start_task(self, node: Node, body: StartTask) -> Outcome:
        started, retries, retried = self._context.clock.now(), 0, None
        self._note(node, None, started, retries, retried)
        outcome = await self._execute(node, body)
        while runs_again(outcome, retries, body.max_task_retry_count):
            retries, retried = retries + 1, self._context.clock.now()
            self._note(node, None, started, retries, retried)
            outcome = await self._execute(node, body)
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

    def _condemn(self, node: Node, failure: Failure) -> None:
        details: list[JsonValue] = [{"name": name, "value": value} for name, value in failure.details]
        error: JsonObject = {"code": failure.code, "message": failure.message, "errorDetails": details}
        self._context.set_node_state(node, "unusable", errors=[error])

    def remove(self, node: Node, deallocation: str) -> "asyncio.Task[None]":
        """Takes a node away.

        Args:
            node: the node.
            deallocation: what becomes of its tasks: ``requeue``, ``terminate``, or any other word to let them end.

        Returns:
            The work that does it. As long as the node lets its tasks end, cancelling it keeps the node.
        """
        if node.removal is None or node.removal.done():
            node.draining = True
            self._context.fleet.refresh(node)
            node.removal = self._context.background.start(self._remove(node, deallocation))
        return node.removal

    def keep(self, node: Node) -> None:
        """Keeps a node that was to leave once its tasks have ended, unless it leaves already."""
        if node.removal is not None and node.draining and node.record.state != "leavingpool":
            node.removal.cancel()
            node.removal = None
            node.draining = False
            self._context.fleet.refresh(node)
            self._context.wake(node.record.pool)

    async def _remove(self, node: Node, deallocation: str) -> None:
        if deallocation not in ("requeue", "terminate"):
            await settle(*(run.work for run in node.runs.values() if run.work))
        if node.record.state != "leavingpool":
            self._context.set_node_state(node, "leavingpool")
        if node.life is not None:
            node.life.cancel()
            await settle(node.life)
        await self._runs.leave_node(node, requeue=deallocation != "terminate")
        await self._preparations.leave_node(node)
        await leave_node(node)
        with suppress(OSError):
            await self._context.driver.remove_node(node.place)
        self._context.store.nodes.remove(node.record.seq)
        self._context.fleet.drop(node)
        self._context.quiet.discard(node)
        self._context.wake(node.record.pool)


def _ignore_start() -> None:
    """The states of a node say all there is to say."""
