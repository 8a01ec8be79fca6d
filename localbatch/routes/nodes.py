"""Operations on nodes."""

from collections.abc import Iterator

from starlette.responses import Response

from localbatch import filters
from localbatch.engine.engine import Engine
from localbatch.engine.fleet import node_address
from localbatch.errors import ServiceError
from localbatch.filters import equality, select
from localbatch.records import NodeRecord, PoolRecord
from localbatch.routes.answers import element
from localbatch.routes.call import Call, Handler
from localbatch.routes.paging import Listing
from localbatch.service.pools import Pools
from localbatch.views import node_view, recent_task_view
from localbatch.wire import JsonObject


class NodeRoutes:
    """What can be done with nodes.

    Args:
        engine: what brings them up.
    """

    def __init__(self, engine: Engine) -> None:
        self._store, self._fleet, self._pools = engine.context.store, engine.context.fleet, Pools(engine)

    def table(self) -> list[tuple[str, str, Handler]]:
        """Returns verb, path and handler of each operation."""
        return [
            ("GET", "/pools/{pool}/nodes", self._list),
            ("GET", "/pools/{pool}/nodes/{node}", self._get),
        ]

    async def _list(self, call: Call) -> Response:
        pool = self._pools.get(call.account, call.names["pool"])
        state = equality(call.query.get("$filter", ""), "state")

        def fetch(after: int, limit: int) -> Iterator[NodeRecord]:
            if state is None:
                return self._store.nodes.where("pool = ? AND seq > ?", pool.seq, after, limit=limit)
            condition = "pool = ? AND state = ? AND seq > ?"
            return self._store.nodes.where(condition, pool.seq, state.lower(), after, limit=limit, by="by_state")

        return Listing("nodes", filters.NODES, fetch, lambda node: self._view(call, pool, node)).answer(call)

    async def _get(self, call: Call) -> Response:
        pool = self._pools.get(call.account, call.names["pool"])
        node = self._store.find_node(pool.seq, call.names["node"])
        if node is None:
            raise ServiceError("NodeNotFound")
        return element(call, "nodes", select(self._view(call, pool, node), call.query.get("$select")))

    def _view(self, call: Call, pool: PoolRecord, record: NodeRecord) -> JsonObject:
        node = self._fleet.find(pool.seq, record.id)
        running = (len(node.runs), node.used_slots) if node else (0, 0)
        recent = [self._recent(call, *task) for task in reversed(node.recent)] if node else []
        shown = [view for view in recent if view is not None]
        return node_view(call.base_url, pool, record, node_address(record.seq), running, shown)

    def _recent(self, call: Call, seq: int, subtask: int | None) -> JsonObject | None:
        task = self._store.tasks.get(seq)
        job = self._store.jobs.get(task.job) if task else None
        return recent_task_view(call.base_url, job, task, subtask) if job and task else None
