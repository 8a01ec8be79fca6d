"""What can be done with nodes."""

from functools import partial
from urllib.parse import quote

from starlette.responses import Response

from localbatch.engine.engine import Engine
from localbatch.routes.answers import element, named
from localbatch.routes.call import Call, Handler
from localbatch.routes.nodes import NODE
from localbatch.rules.nodes import STOPS, NodeStop
from localbatch.service.node_logs import NodeLogs
from localbatch.service.nodes import Nodes
from localbatch.service.pools import Pools


class NodeCommandRoutes:
    """Commands to nodes, their user accounts and logs.

    Args:
        engine: what carries them out.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine, self._pools, self._logs = engine, Pools(engine), NodeLogs(engine.context)

    def table(self) -> list[tuple[str, str, Handler]]:
        """Returns verb, path and handler of each operation."""
        return [
            *(("POST", f"{NODE}/{command.name}", partial(self._stop, command)) for command in STOPS),
            ("POST", f"{NODE}/start", self._start),
            ("POST", f"{NODE}/disablescheduling", self._disable_scheduling),
            ("POST", f"{NODE}/enablescheduling", self._enable_scheduling),
            ("POST", f"{NODE}/uploadbatchservicelogs", self._upload_logs),
            ("POST", f"{NODE}/users", self._create_user),
            ("PUT", f"{NODE}/users/{{user}}", self._replace_user),
            ("DELETE", f"{NODE}/users/{{user}}", self._delete_user),
        ]

    def _nodes(self, call: Call) -> Nodes:
        return Nodes(self._engine, self._pools.get(call.account, call.names["pool"]))

    async def _stop(self, command: NodeStop, call: Call) -> Response:
        document = await call.read_json(optional=True)
        self._nodes(call).stop(command, call.names["node"], document)
        return named(call.url, status=202)

    async def _start(self, call: Call) -> Response:
        self._nodes(call).start(call.names["node"])
        return named(call.url, status=202)

    async def _disable_scheduling(self, call: Call) -> Response:
        document = await call.read_json(optional=True)
        self._nodes(call).disable_scheduling(call.names["node"], document)
        return named(call.url)

    async def _enable_scheduling(self, call: Call) -> Response:
        self._nodes(call).enable_scheduling(call.names["node"])
        return named(call.url)

    async def _upload_logs(self, call: Call) -> Response:
        document = await call.read_json()
        node = self._nodes(call).get_for("uploadlogs", call.names["node"])
        return element(call, "uploadBatchServiceLogsResult", await self._logs.upload(node, document))

    async def _create_user(self, call: Call) -> Response:
        document = await call.read_json()
        name = self._nodes(call).create_user(call.names["node"], document)
        url = f"{call.url}/{quote(name, safe='')}"
        return named(url, status=201, headers={"Location": url})

    async def _replace_user(self, call: Call) -> Response:
        document = await call.read_json()
        self._nodes(call).replace_user(call.names["node"], call.names["user"], document)
        return named(call.url)

    async def _delete_user(self, call: Call) -> Response:
        self._nodes(call).delete_user(call.names["node"], call.names["user"])
        return Response()
