"""What clients have nodes do: reboot, reimage, deallocate, start, and take tasks or none.

The state in between is written before anything else happens, so that whoever asked sees it, and so that a restarted
service goes on from there.
"""

import asyncio

from localbatch.engine.context import Context
from localbatch.engine.fleet import Node
from localbatch.engine.nodes import NodeLife
from localbatch.engine.preparation import Preparations
from localbatch.engine.runs import TaskRuns
from localbatch.engine.usage import note_node


class NodeCommands:
    """Carries out commands on nodes whose states allow them.

    Args:
        context: the engine's surroundings.
        life: what brings nodes up.
        runs: the tasks that run.
        preparations: the preparation tasks that run.
    """

    def __init__(self, context: Context, life: NodeLife, runs: TaskRuns, preparations: Preparations) -> None:
        self._context, self._life, self._runs, self._preparations = context, life, runs, preparations

    def stop(self, node: Node, state: str, option: str) -> None:
        """Begins to reboot, reimage or deallocate a node.

        Args:
            node: the node, idle or running.
            state: ``rebooting``, ``reimaging`` or ``deallocating``.
            option: what becomes of its tasks: ``requeue``, ``terminate``, ``taskcompletion`` or ``retaineddata``.
        """
        self._context.set_node_state(node, state, task_option=option, start_info=None, errors=[])
        if option == "terminate":
            self._runs.end_on(node)
        self.go_on(node)

    def go_on(self, node: Node) -> None:
        """Does what the state of a node asks for, in the background."""
        node.life = self._context.background.start(self._carry_out(node, node.life))

    async def _carry_out(self, node: Node, former: "asyncio.Task[None] | None") -> None:
        option = node.record.task_option
        await self._life.let_end(node, option)
        await self._life.halt(node, former, option)
        emptied = node.record.state != "rebooting"
        if emptied:
            await self._life.empty(node)
        if node.record.state == "reimaging":
            self._context.store.forget_node_users(node.record.seq)
        self._preparations.forget(node, reimaged=emptied)
        if node.record.state == "deallocating":
            with self._context.store.transaction():
                note_node(self._context, node.record)
                self._context.set_node_state(node, "deallocated", used_since=None)
        else:
            await self._life.bring_up(node)

    def start(self, node: Node) -> None:
        """Begins to start a deallocated node."""
        self._context.set_node_state(node, "starting", used_since=self._context.clock.now())
        node.life = self._context.background.start(self._life.bring_up(node))

    def disable(self, node: Node, option: str) -> None:
        """Has a node take no more tasks.

        Args:
            node: the node.
            option: what becomes of the tasks it has: ``requeue``, ``terminate`` or ``taskcompletion``.
        """
        self._context.change_node(node, scheduling="disabled")
        if option == "terminate":
            self._runs.end_on(node)
        if node.record.state == "idle":
            self._context.set_node_state(node, node.resting_state)
        elif option != "taskcompletion":
            self._context.background.start(self._runs.leave_node(node, requeue=option == "requeue"))

    def enable(self, node: Node) -> None:
        """Has a node take tasks again."""
        self._context.change_node(node, scheduling="enabled")
        if node.record.state == "offline":
            self._context.set_node_state(node, node.resting_state)
