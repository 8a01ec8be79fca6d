"""Operations on pools."""

from starlette.responses import Response

from localbatch.engine.engine import Engine
from localbatch.routes.answers import changed, created, done, element, version_headers
from localbatch.routes.call import Call, Handler
from localbatch.routes.paging import Listing
from localbatch.routes.statistics import Statistics
from localbatch.rules import filters
from localbatch.service.pools import Pools
from localbatch.store.pools import PoolRecord
from localbatch.views.links import pool_url
from localbatch.views.nodes import node_counts_view
from localbatch.views.pools import pool_view
from localbatch.wire.filters import select
from localbatch.wire.formats import JsonObject


class PoolRoutes:
    """What can be done with pools.

    Args:
        engine: what allocates them.
    """

    def __init__(self, engine: Engine) -> None:
        self._store, self._pools = engine.context.store, Pools(engine)
        self._statistics = Statistics(engine.context)

    def table(self) -> list[tuple[str, str, Handler]]:
        """Returns verb, path and handler of each operation."""
        return [
            ("GET", "/pools", self._list),
            ("POST", "/pools", self._create),
            ("GET", "/pools/{pool}", self._get),
            ("HEAD", "/pools/{pool}", self._exists),
            ("PATCH", "/pools/{pool}", self._update),
            ("DELETE", "/pools/{pool}", self._delete),
            ("POST", "/pools/{pool}/updateproperties", self._replace),
            ("POST", "/pools/{pool}/resize", self._resize),
            ("POST", "/pools/{pool}/stopresize", self._stop_resize),
            ("POST", "/pools/{pool}/removenodes", self._remove_nodes),
            ("GET", "/nodecounts", self._count_nodes),
        ]

    async def _list(self, call: Call) -> Response:
        def fetch(after: int, limit: int) -> list[PoolRecord]:
            return list(self._store.pools.where("account = ? AND seq > ?", call.account, after, limit=limit))

        return Listing("pools", filters.POOLS, fetch, lambda pool: self._view(call, pool)).answer(call)

    def _view(self, call: Call, pool: PoolRecord) -> JsonObject:
        view = pool_view(call.base_url, pool, self._store.count_nodes(pool.seq))
        return view | self._statistics.of_pool(call, pool)

    async def _create(self, call: Call) -> Response:
        pool = self._pools.create(call.account, call.base_url, await call.read_json())
        return created(call, pool_url(call.base_url, pool.id), pool.modified)

    async def _get(self, call: Call) -> Response:
        pool = self._pools.get(call.account, call.names["pool"])
        call.check(pool.modified)
        return element(call, "pools", select(self._view(call, pool), call.query.get("$select")), pool.modified)

    async def _exists(self, call: Call) -> Response:
        pool = self._pools.get(call.account, call.names["pool"])
        call.check(pool.modified)
        return Response(headers=version_headers(pool.modified))

    async def _update(self, call: Call) -> Response:
        document = await call.read_json()
        pool = self._pools.update(call.account, call.names["pool"], document, call.check)
        return changed(call, pool.modified)

    async def _replace(self, call: Call) -> Response:
        pool = self._pools.replace(call.account, call.names["pool"], await call.read_json())
        return changed(call, pool.modified, status=204)

    async def _resize(self, call: Call) -> Response:
        document = await call.read_json()
        pool = self._pools.resize(call.account, call.names["pool"], document, call.check)
        return changed(call, pool.modified, status=202)

    async def _remove_nodes(self, call: Call) -> Response:
        document = await call.read_json()
        pool = self._pools.remove_nodes(call.account, call.names["pool"], document, call.check)
        return changed(call, pool.modified, status=202)

    async def _stop_resize(self, call: Call) -> Response:
        pool = self._pools.stop_resize(call.account, call.names["pool"], call.check)
        return changed(call, pool.modified, status=202)

    async def _delete(self, call: Call) -> Response:
        self._pools.delete(call.account, call.names["pool"], call.check)
        return done(status=202)

    async def _count_nodes(self, call: Call) -> Response:
        def fetch(after: int, limit: int) -> list[PoolRecord]:
            return list(self._store.pools.where("account = ? AND seq > ?", call.account, after, limit=limit))

        def view(pool: PoolRecord) -> JsonObject:
            return node_counts_view(pool, self._store.count_nodes(pool.seq))

        return Listing("poolnodecounts", filters.NODE_COUNTS, fetch, view).answer(call)
