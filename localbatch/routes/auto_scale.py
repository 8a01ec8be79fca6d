"""Operations on the automatic scaling of pools."""

from starlette.responses import Response

from localbatch.engine.engine import Engine
from localbatch.routes.answers import JsonResponse, changed
from localbatch.routes.call import Call, Handler
from localbatch.service.auto_scale import AutoScale
from localbatch.service.pools import Pools

_KIND = "Microsoft.Azure.Batch.Protocol.Entities.AutoScaleRun"


class AutoScaleRoutes:
    """What can be done with the formulas of pools.

    Args:
        engine: what evaluates them.
    """

    def __init__(self, engine: Engine) -> None:
        self._auto_scale = AutoScale(engine, Pools(engine))

    def table(self) -> list[tuple[str, str, Handler]]:
        """Returns verb, path and handler of each operation."""
        return [
            ("POST", "/pools/{pool}/enableautoscale", self._enable),
            ("POST", "/pools/{pool}/disableautoscale", self._disable),
            ("POST", "/pools/{pool}/evaluateautoscale", self._evaluate),
        ]

    async def _enable(self, call: Call) -> Response:
        document = await call.read_json()
        pool = self._auto_scale.enable(call.account, call.names["pool"], document, call.check)
        return changed(call, pool.modified)

    async def _disable(self, call: Call) -> Response:
        pool = self._auto_scale.disable(call.account, call.names["pool"])
        return changed(call, pool.modified)

    async def _evaluate(self, call: Call) -> Response:
        run = self._auto_scale.evaluate(call.account, call.names["pool"], await call.read_json())
        return JsonResponse({"odata.metadata": f"{call.base_url}/$metadata#{_KIND}", **run})
