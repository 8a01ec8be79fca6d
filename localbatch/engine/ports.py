"""The ports outside by which nodes are reached: what connects to one is connected to the node's own port.

A node's address is one of this machine, so "outside" is the same address; nodes of one pool don't share addresses.
"""

import asyncio
import logging
from functools import partial

from localbatch.engine.background import Background
from localbatch.engine.fleet import Node
from localbatch.store.pools import PoolRecord
from localbatch.views.nodes import inbound_endpoints

logger = logging.getLogger("localbatch")

_PIECE = 64 * 1024


class Ports:
    """The open ports of all nodes.

    Args:
        background: what keeps the connections.
    """

    def __init__(self, background: Background) -> None:
        self._background = background
        self._servers: dict[Node, list[asyncio.Server]] = {}
        self._links: dict[Node, set[asyncio.Task[None]]] = {}

    async def open(self, node: Node, pool: PoolRecord) -> None:
        """Opens the TCP ports that a pool has for a node; one that is taken is left out, with a word in the log."""
        address = node.place.address
        for endpoint in inbound_endpoints(pool, node.record, address):
            frontend, backend = endpoint["frontendPort"], endpoint["backendPort"]
            assert isinstance(frontend, int)
            assert isinstance(backend, int)
            # What comes to the node's address of IPv6 is led to that of IPv4 by the system.
            if endpoint["protocol"] != "tcp" or frontend == backend or endpoint["publicIPAddress"] != address:
                continue
            try:
                server = await asyncio.start_server(partial(self._accept, node, backend), address, frontend)
            except OSError as error:
                logger.warning("Port %d of node %s can't be opened: %s", frontend, node.id, error)
            else:
                self._servers.setdefault(node, []).append(server)

    def close(self, node: Node) -> None:
        """Closes the ports of a node, and the connections that came by them."""
        for server in self._servers.pop(node, []):
            server.close()
        for link in self._links.pop(node, set()):
            link.cancel()

    def close_all(self) -> None:
        """Does the same for all nodes."""
        for node in {*self._servers, *self._links}:
            self.close(node)

    def _accept(self, node: Node, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        links = self._links.setdefault(node, set())
        link = self._background.start(_join(node.place.address, port, reader, writer))
        links.add(link)
        link.add_done_callback(links.discard)
        # Not in the link itself, which never begins if it is cancelled early enough.
        link.add_done_callback(lambda _link: writer.close())


async def _join(address: str, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        inner_reader, inner_writer = await asyncio.open_connection(address, port)
    except OSError:
        return  # nobody listens there
    try:
        await asyncio.gather(_pass_on(reader, inner_writer), _pass_on(inner_reader, writer))
    finally:
        inner_writer.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while piece := await reader.read(_PIECE):
            writer.write(piece)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except OSError:
        # So that the other way ends, too.
        writer.close()
