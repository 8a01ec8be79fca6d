"""Nodes that are gone: their records are struck out, many at a time."""

import asyncio

from localbatch.engine.background import breathe, settle
from localbatch.engine.context import Context
from localbatch.engine.fleet import Node
from localbatch.engine.usage import note_node

# The event loop serves requests too; so many records are written before it gets its turn.
_MOST_AT_ONCE = 200


class Departures:
    """Forgets nodes on which nothing runs any more.

    Args:
        context: the engine's surroundings.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._gone: list[Node] = []
        self._work: asyncio.Task[None] | None = None

    async def see_off(self, node: Node) -> None:
        """Forgets a node, together with those that go at the same time."""
        self._gone.append(node)
        if self._work is None or self._work.done():
            self._work = self._context.background.start(self._see_off_all())
        await settle(self._work)

    async def _see_off_all(self) -> None:
        while self._gone:
            nodes = self._gone[:_MOST_AT_ONCE]
            del self._gone[:_MOST_AT_ONCE]
            with self._context.store.transaction():
                for node in nodes:
                    self.strike_out(node)
            for node in nodes:
                self.drop(node)
            await breathe()

    def strike_out(self, node: Node) -> None:
        """Removes the record of a node, and what goes with it; the caller has a transaction open."""
        note_node(self._context, node.record)
        self._context.store.forget_node_users(node.record.seq)
        self._context.store.nodes.remove(node.record.seq)

    def drop(self, node: Node) -> None:
        """Forgets a node that has no record any more."""
        self._context.fleet.drop(node)
        self._context.quiet.discard(node)
        self._context.wake(node.record.pool)
