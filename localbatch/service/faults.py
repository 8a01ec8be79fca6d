"""Faults on request, which Azure does not offer: for tests of what clients do when nodes or allocations fail."""

from localbatch.bodies.pools import Fault
from localbatch.bodies.reading import read
from localbatch.driver.interface import Failure
from localbatch.engine.engine import Engine
from localbatch.rules.checks import check_id
from localbatch.service.nodes import Nodes
from localbatch.store.pools import FaultRecord
from localbatch.wire.errors import ServiceError
from localbatch.wire.formats import JsonObject


class Faults:
    """Makes nodes and allocations fail.

    Args:
        engine: what runs them.
    """

    def __init__(self, engine: Engine) -> None:
        self._losses, self._store = engine.losses, engine.context.store

    def preempt(self, nodes: Nodes, node_id: str) -> None:
        """Preempts a spot node.

        Raises:
            ServiceError: the node is refused; ``OperationNotValidOnNode`` for a dedicated one.
        """
        node = nodes.get_for("preempted", node_id)
        if node.record.dedicated:
            raise ServiceError("OperationNotValidOnNode")
        self._losses.preempt(node)

    def lose(self, nodes: Nodes, node_id: str) -> None:
        """Has the service hear no more of a node.

        Raises:
            ServiceError: the node is refused.
        """
        self._losses.lose(nodes.get_for("unknown", node_id))

    def spoil(self, nodes: Nodes, node_id: str, document: JsonObject) -> None:
        """Makes a node unusable.

        Raises:
            ServiceError: the node or the body is refused.
        """
        fault = read(Fault, document)
        message = fault.message or "The node was made unusable on request"
        failure = Failure("servererror", fault.code or "NodeError", message)
        self._losses.spoil(nodes.get_for("unusable", node_id), failure)

    def fail_allocation(self, account: str, pool_id: str, document: JsonObject) -> None:
        """Has the next allocation of a pool fail that is to give it nodes; the pool need not exist yet.

        Raises:
            ServiceError: the body is refused.
        """
        check_id(pool_id, "poolId")
        fault = read(Fault, document)
        message = fault.message or "Desired number of nodes could not be allocated"
        error: JsonObject = {"code": fault.code or "AllocationFailed", "message": message}
        self._store.faults.add(FaultRecord(0, account, pool_id, error))
