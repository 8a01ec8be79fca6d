"""What can be asked about nodes."""

from collections.abc import Iterator

from starlette.responses import Response

from localbatch.engine.engine import Engine
from localbatch.engine.fleet import Node, node_address
from localbatch.routes.answers import element
from localbatch.routes.call import Call, Handler
from localbatch.routes.paging import Listing, page, page_size, skip_number
from localbatch.rules import filters
from localbatch.service.nodes import Nodes
from localbatch.service.pools import Pools
from localbatch.store.jobs import JobRecord
from localbatch.store.nodes import NodeRecord
from localbatch.store.pools import PoolRecord
from localbatch.store.store import Store
from localbatch.views.nodes import extension_views, login_view, node_view, recent_task_view
from localbatch.wire.errors import ServiceError
from localbatch.wire.filters import equality, select, selects
from localbatch.wire.formats import JsonObject

NODE = "/pools/{pool}/nodes/{node}"


class NodeRoutes:
    """What nodes say of themselves.

    Args:
        engine: what brings them up.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine, self._pools = engine, Pools(engine)
        self._store, self._fleet = engine.context.store, engine.context.fleet

    def table(self) -> list[tuple[str, str, Handler]]:
        """Returns verb, path and handler of each operation."""
        return [
            ("GET", "/pools/{pool}/nodes", self._list),
            ("GET", NODE, self._get),
            ("GET", f"{NODE}/remoteloginsettings", self._get_login),
            ("GET", f"{NODE}/extensions", self._list_extensions),
            ("GET", f"{NODE}/extensions/{{extension}}", self._get_extension),
        ]

    async def _list(self, call: Call) -> Response:
        pool = self._pool(call)
        state = equality(call.query.get("$filter", ""), "state")

        def fetch(after: int, limit: int) -> Iterator[NodeRecord]:
            if state is None:
                return self._store.nodes.where("pool = ? AND seq > ?", pool.seq, after, limit=limit)
            condition = "pool = ? AND state = ? AND seq > ?"
            return self._store.nodes.where(condition, pool.seq, state.lower(), after, limit=limit, by="by_state")

        recent = _RecentTasks(call, self._store)
        return Listing("nodes", filters.NODES, fetch, lambda node: self._view(call, pool, node, recent)).answer(call)

    async def _get(self, call: Call) -> Response:
        pool = self._pool(call)
        node = Nodes(self._engine, pool).get(call.names["node"])
        view = self._view(call, pool, node.record, _RecentTasks(call, self._store))
        return element(call, "nodes", select(view, call.query.get("$select")))

    async def _get_login(self, call: Call) -> Response:
        pool = self._pool(call)
        node = Nodes(self._engine, pool).get_for("readlogin", call.names["node"])
        return element(call, "computenodes", login_view(pool, node.record, node.place.address))

    async def _list_extensions(self, call: Call) -> Response:
        pool = self._pool(call)
        Nodes(self._engine, pool).get(call.names["node"])
        begin, limit = skip_number(call), page_size(call)
        views = list(extension_views(pool).values())
        selected = [select(view, call.query.get("$select")) for view in views[begin : begin + limit]]
        return page(call, "extensions", selected, str(begin + limit) if len(views) > begin + limit else None)

    async def _get_extension(self, call: Call) -> Response:
        pool = self._pool(call)
        Nodes(self._engine, pool).get(call.names["node"])
        view = extension_views(pool).get(call.names["extension"])
        if view is None:
            raise ServiceError("ResourceNotFound")
        return element(call, "extensions", select(view, call.query.get("$select")))

    def _pool(self, call: Call) -> PoolRecord:
        return self._pools.get(call.account, call.names["pool"])

    def _view(self, call: Call, pool: PoolRecord, record: NodeRecord, recent: "_RecentTasks") -> JsonObject:
        node = self._fleet.find(pool.seq, record.id)
        running = (len(node.runs), node.used_slots) if node else (0, 0)
        shown = recent.views(node) if node else []
        return node_view(call.base_url, pool, record, node_address(record.seq), running, shown)


class _RecentTasks:
    """The tasks that nodes ran last, as far as a request asks for them; their jobs are looked up once."""

    def __init__(self, call: Call, store: Store) -> None:
        self._base_url, self._store = call.base_url, store
        self._asked_for = selects(call.query.get("$select"), "recentTasks")
        self._jobs: dict[int, JobRecord | None] = {}

    def views(self, node: Node) -> list[JsonObject]:
        """Shows the tasks of a node, the last one first; those that are deleted are left out."""
        tasks = reversed(node.recent) if self._asked_for else ()
        return [view for task in tasks if (view := self._view(*task)) is not None]

    def _view(self, seq: int, subtask: int | None) -> JsonObject | None:
        task = self._store.tasks.get(seq)
        job = self._job(task.job) if task else None
        return recent_task_view(self._base_url, job, task, subtask) if job and task else None

    def _job(self, seq: int) -> JobRecord | None:
        if seq not in self._jobs:
            self._jobs[seq] = self._store.jobs.get(seq)
        return self._jobs[seq]
