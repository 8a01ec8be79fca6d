"""Nodes, as clients command them."""

from datetime import datetime, timedelta

from localbatch.bodies.nodes import (
    NodeSchedulingDisabling,
    NodeUser,
    NodeUserReplacement,
)
from localbatch.bodies.reading import read
from localbatch.engine.engine import Engine
from localbatch.engine.fleet import Node
from localbatch.rules.checks import check_choice
from localbatch.rules.nodes import NodeStop
from localbatch.service.pools import refuse
from localbatch.store.nodes import NodeUserRecord
from localbatch.store.pools import PoolRecord
from localbatch.wire.errors import ServiceError, invalid_property
from localbatch.wire.formats import JsonObject

_ACCOUNT_LIFE = timedelta(days=1)


class Nodes:
    """The nodes of a pool.

    Args:
        engine: what runs them.
        pool: the pool.
    """

    def __init__(self, engine: Engine, pool: PoolRecord) -> None:
        self._engine, self._pool = engine, pool
        self._store, self._clock = engine.context.store, engine.context.clock

    def get(self, node_id: str) -> Node:
        """Returns a node.

        Raises:
            ServiceError: ``NodeNotFound``.
        """
        node = self._engine.context.fleet.find(self._pool.seq, node_id)
        if node is None:
            raise ServiceError("NodeNotFound")
        return node

    def get_for(self, operation: str, node_id: str) -> Node:
        """Returns a node on which an operation is allowed now.

        Args:
            operation: as the table of refusals names it.
            node_id: the node.

        Raises:
            ServiceError: ``NodeNotFound``, or the code of the refusal.
        """
        node = self.get(node_id)
        refuse("node", operation, node.record.state)
        return node

    def stop(self, command: NodeStop, node_id: str, document: JsonObject) -> None:
        """Begins to reboot, reimage or deallocate a node.

        Raises:
            ServiceError: the node or the body is refused.
        """
        option = command.read(document)
        self._engine.nodes.stop(self.get_for(command.name, node_id), command.state, option)

    def start(self, node_id: str) -> None:
        """Begins to start a deallocated node.

        Raises:
            ServiceError: the node is refused.
        """
        self._engine.nodes.start(self.get_for("start", node_id))

    def disable_scheduling(self, node_id: str, document: JsonObject) -> None:
        """Has a node take no more tasks.

        Raises:
            ServiceError: the node or the body is refused.
        """
        option = read(NodeSchedulingDisabling, document).node_disable_scheduling_option
        check_choice("nodeDisableSchedulingOption", option, ("requeue", "terminate", "taskcompletion"))
        self._engine.nodes.disable(self._other_than("disabled", node_id), option.lower())

    def enable_scheduling(self, node_id: str) -> None:
        """Has a node take tasks again.

        Raises:
            ServiceError: the node is refused.
        """
        self._engine.nodes.enable(self._other_than("enabled", node_id))

    def _other_than(self, scheduling: str, node_id: str) -> Node:
        node = self.get_for("changescheduling", node_id)
        if node.record.scheduling == scheduling:
            raise ServiceError("NodeAlreadyInTargetSchedulingState")
        return node

    def create_user(self, node_id: str, document: JsonObject) -> str:
        """Makes a user account of a node, which nobody can log in with, and returns its name.

        Raises:
            ServiceError: the node or the body is refused, or there is such an account.
        """
        node = self.get_for("changeusers", node_id)
        body = read(NodeUser, document)
        if not body.name.strip() or "/" in body.name:
            raise invalid_property("name", body.name, "It must not be empty or hold a slash.")
        if self._store.find_node_user(node.record.seq, body.name) is not None:
            raise ServiceError("NodeUserExists")
        record = NodeUserRecord(0, node.record.seq, body.name, body.is_admin, self._expiry(body))
        self._store.node_users.add(record)
        return body.name

    def replace_user(self, node_id: str, name: str, document: JsonObject) -> None:
        """Replaces what can be changed of a user account.

        Raises:
            ServiceError: the node or the body is refused, or there is no such account.
        """
        user = self._user(node_id, name)
        self._store.node_users.change(user, expires=self._expiry(read(NodeUserReplacement, document)))

    def delete_user(self, node_id: str, name: str) -> None:
        """Removes a user account.

        Raises:
            ServiceError: the node is refused, or there is no such account.
        """
        self._store.node_users.remove(self._user(node_id, name).seq)

    def _user(self, node_id: str, name: str) -> NodeUserRecord:
        node = self.get_for("changeusers", node_id)
        user = self._store.find_node_user(node.record.seq, name)
        if user is None:
            raise ServiceError("NodeUserNotFound")
        return user

    def _expiry(self, body: NodeUserReplacement) -> datetime:
        return body.expiry_time or self._clock.now() + _ACCOUNT_LIFE
