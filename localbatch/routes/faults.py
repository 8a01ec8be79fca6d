"""Requests for faults. Azure has no such operations, so their paths begin with a word of their own."""

from starlette.responses import Response

from localbatch.engine.engine import Engine
from localbatch.routes.answers import done
from localbatch.routes.call import Call, Handler
from localbatch.service.faults import Faults
from localbatch.service.nodes import Nodes
from localbatch.service.pools import Pools

_POOL = "/localbatch/pools/{pool}"
_NODE = f"{_POOL}/nodes/{{node}}"


class FaultRoutes:
    """What can be made to fail.

    Args:
        engine: what is to fail.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine, self._pools, self._faults = engine, Pools(engine), Faults(engine)

    def table(self) -> list[tuple[str, str, Handler]]:
        """Returns verb, path and handler of each operation."""
        return [
            ("POST", f"{_NODE}/preempt", self._preempt),
            ("POST", f"{_NODE}/lose", self._lose),
            ("POST", f"{_NODE}/spoil", self._spoil),
            ("POST", f"{_POOL}/failallocation", self._fail_allocation),
        ]

    def _nodes(self, call: Call) -> Nodes:
        return Nodes(self._engine, self._pools.get(call.account, call.names["pool"]))

    async def _preempt(self, call: Call) -> Response:
        self._faults.preempt(self._nodes(call), call.names["node"])
        return done(status=204)

    async def _lose(self, call: Call) -> Response:
        self._faults.lose(self._nodes(call), call.names["node"])
        return done(status=204)

    async def _spoil(self, call: Call) -> Response:
        document = await call.read_json(optional=True)
        self._faults.spoil(self._nodes(call), call.names["node"], document)
        return done(status=204)

    async def _fail_allocation(self, call: Call) -> Response:
        document = await call.read_json(optional=True)
        self._faults.fail_allocation(call.account, call.names["pool"], document)
        return done(status=204)
