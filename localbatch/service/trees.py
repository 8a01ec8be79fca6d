"""Where the files of nodes and tasks lie."""

from localbatch.driver.node_paths import NodePaths
from localbatch.engine.engine import Engine
from localbatch.engine.fleet import node_root
from localbatch.rules.states import refusal
from localbatch.service.files import FileTree
from localbatch.service.pools import refuse
from localbatch.store.jobs import JobRecord
from localbatch.store.nodes import NodeRecord
from localbatch.store.pools import PoolRecord
from localbatch.store.tasks import TaskRecord
from localbatch.views.links import task_directory
from localbatch.wire.errors import ServiceError


class FileTrees:
    """Finds the files of nodes and tasks.

    Args:
        engine: what knows the nodes.
    """

    def __init__(self, engine: Engine) -> None:
        self._context = engine.context

    def of_node(self, pool: PoolRecord, node: NodeRecord) -> FileTree:
        """Returns the files of a node.

        Raises:
            ServiceError: it has none yet, or none any more.
        """
        refuse("node", "readfiles", node.state)
        paths = self._paths(pool.account, pool.id, node.id)
        tree = FileTree(paths.root, paths)
        if not tree.exists():
            raise ServiceError("NodeBeingCreated" if node.state == "creating" else "OperationNotValidOnNode")
        return tree

    def of_task(self, job: JobRecord, task: TaskRecord) -> FileTree:
        """Returns the files of a task.

        Raises:
            ServiceError: ``TaskFilesCleanedup`` or ``TaskFilesUnavailable``.
        """
        if task.cleaned:
            raise ServiceError("TaskFilesCleanedup")
        if task.pool_id is None or task.node_id is None:
            raise ServiceError("TaskFilesUnavailable")
        paths = self._paths(job.account, task.pool_id, task.node_id)
        tree = FileTree(paths.root / task_directory(job.id, task.id), paths)
        if self._is_out_of_reach(job.account, task.pool_id, task.node_id) or not tree.exists():
            raise ServiceError("TaskFilesUnavailable")
        return tree

    def _is_out_of_reach(self, account: str, pool_id: str, node_id: str) -> bool:
        pool = self._context.store.find_pool(account, pool_id)
        node = self._context.fleet.find(pool.seq, node_id) if pool else None
        return node is not None and refusal("node", "readfiles", node.record.state) is not None

    def _paths(self, account: str, pool_id: str, node_id: str) -> NodePaths:
        return NodePaths(node_root(self._context.nodes_root, account, pool_id, node_id), self._context.mount)
