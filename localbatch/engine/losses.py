"""Nodes that are lost: preempted spot nodes, and nodes that break or are heard of no more, on request or at random."""

import asyncio
import random

from localbatch.driver.interface import Failure
from localbatch.engine.context import Context
from localbatch.engine.fleet import Node
from localbatch.engine.new_nodes import add_nodes
from localbatch.engine.nodes import NodeLife
from localbatch.rules.states import refusal

_LONGEST_WAIT = 1.0
_HOUR = 3600.0


class Losses:
    """Takes nodes away from their tasks, which wait for other nodes then.

    Args:
        context: the engine's surroundings.
        life: what brings nodes up.
    """

    def __init__(self, context: Context, life: NodeLife) -> None:
        self._context, self._life = context, life

    def preempt(self, node: Node) -> None:
        """Takes a spot node away; once a pool could have got nodes, a new one comes in its place."""
        self._life.interrupt(node)
        self._context.set_node_state(node, "preempted")
        self.go_on(node)

    def go_on(self, node: Node) -> None:
        """Does what a preempted node still lacks, in the background."""
        node.life = self._context.background.start(self._replace(node, node.life))

    def lose(self, node: Node) -> None:
        """Has the service hear no more of a node."""
        self._life.interrupt(node)
        self._context.set_node_state(node, "unknown")
        node.life = self._context.background.start(self._life.halt(node, node.life, "requeue"))

    def spoil(self, node: Node, failure: Failure) -> None:
        """Makes a node unusable."""
        self._life.interrupt(node)
        self._life.condemn(node, failure)
        node.life = self._context.background.start(self._life.halt(node, node.life, "requeue"))

    async def _replace(self, node: Node, former: "asyncio.Task[None] | None") -> None:
        await self._life.halt(node, former, "requeue")
        await self._life.empty(node)
        await self._context.clock.sleep(self._context.allocation_seconds)
        pool = self._context.store.pools.get(node.record.pool)
        # What leaves the pool anyway needs nobody in its place.
        if pool is None or pool.state != "active" or node.draining:
            return
        with self._context.store.transaction():
            self._life.departures.strike_out(node)
            (record,) = add_nodes(self._context, pool, node.record.dedicated, 1)
        self._life.departures.drop(node)
        self._life.begin(pool, record)

    async def run(self, generator: random.Random) -> None:
        """Preempts spot nodes at the rate asked for, for as long as the service lives.

        Args:
            generator: what chooses when and which.
        """
        rate, longest = self._context.preemptions_per_hour / _HOUR, _LONGEST_WAIT * self._context.clock.speed
        while True:
            nodes = [node for node in self._context.fleet.all_nodes() if can_be_preempted(node)]
            wait = generator.expovariate(rate * len(nodes)) if nodes else longest
            await self._context.clock.sleep(min(wait, longest))
            # Such a wait has no memory: one that was cut short may as well begin anew.
            if nodes and wait <= longest and can_be_preempted(node := generator.choice(nodes)):
                self.preempt(node)


def can_be_preempted(node: Node) -> bool:
    """Tells whether a node is a spot node that may be taken away now."""
    return not node.record.dedicated and refusal("node", "preempted", node.record.state) is None
