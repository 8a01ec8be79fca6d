"""What can be done with a node in each of its states, and which code answers what can not."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from localbatch.bodies.pools import PoolBody
from localbatch.driver.simulated import SimulatedDriver
from localbatch.engine.clock import Clock
from localbatch.engine.context import Context
from localbatch.engine.engine import Engine
from localbatch.engine.fleet import Node, make_place
from localbatch.engine.new_nodes import add_nodes
from localbatch.rules.nodes import STOPS
from localbatch.rules.states import NODE
from localbatch.service.faults import Faults
from localbatch.service.nodes import Nodes
from localbatch.service.pools import Pools
from localbatch.store.pools import new_pool
from localbatch.store.store import Store
from localbatch.views.nodes import node_counts_view
from localbatch.wire.errors import ServiceError
from localbatch.wire.formats import JsonObject

INVALID = "OperationInvalidForCurrentState"
ABSENT = "OperationNotValidOnNode"
# In the order of the states; None is where it may be done.
STATES = (
    *("creating", "starting", "waitingforstarttask", "idle", "running", "offline", "starttaskfailed", "rebooting"),
    *("reimaging", "upgradingos", "unusable", "unknown", "preempted", "deallocating", "deallocated", "leavingpool"),
)
BUSY = (
    *("NodeBeingCreated", "NodeBeingStarted", "NodeBeingStarted", None, None, INVALID, INVALID, "NodeBeingRebooted"),
    *("NodeBeingReimaged", INVALID, "NodeStateUnusable", INVALID, INVALID, INVALID, INVALID, INVALID),
)
RESTART = (*BUSY[:6], None, *BUSY[7:])
START = (
    *("NodeBeingCreated", "NodeBeingStarted", "NodeBeingStarted", INVALID, INVALID, INVALID, INVALID),
    *("NodeBeingRebooted", "NodeBeingReimaged", INVALID, "NodeStateUnusable", INVALID, INVALID, INVALID, None, INVALID),
)
SCHEDULING = (
    *("NodeBeingCreated", None, None, None, None, None, None, None),
    *(None, None, "NodeStateUnusable", ABSENT, ABSENT, ABSENT, ABSENT, ABSENT),
)
PREEMPT = (
    *(None, None, None, None, None, None, None, None),
    *(None, None, None, None, INVALID, None, INVALID, INVALID),
)
LOSE = (*PREEMPT[:11], INVALID, *PREEMPT[12:])
SPOIL = (*PREEMPT[:10], INVALID, None, *PREEMPT[12:])
Act = Callable[[Nodes, Faults, str], object]
COMMANDS: dict[str, tuple[Act, str | None, tuple[str | None, ...]]] = {
    "reboot": (lambda nodes, _, node: nodes.stop(STOPS[0], node, {}), "rebooting", RESTART),
    "reimage": (lambda nodes, _, node: nodes.stop(STOPS[1], node, {}), "reimaging", RESTART),
    "deallocate": (lambda nodes, _, node: nodes.stop(STOPS[2], node, {}), "deallocating", BUSY),
    "create user": (lambda nodes, _, node: nodes.create_user(node, {"name": "a"}), None, BUSY),
    "start": (lambda nodes, _, node: nodes.start(node), "starting", START),
    "disable scheduling": (lambda nodes, _, node: nodes.disable_scheduling(node, {}), None, SCHEDULING),
    "preempt": (lambda nodes, faults, node: faults.preempt(nodes, node), "preempted", PREEMPT),
    "lose": (lambda nodes, faults, node: faults.lose(nodes, node), "unknown", LOSE),
    "spoil": (lambda nodes, faults, node: faults.spoil(nodes, node, {}), "unusable", SPOIL),
}
"""What is done, the state of the node at once, and the answer in each state."""


class Bench:
    """An engine at rest, with a pool of one spot node for each state."""

    def __init__(self, root: Path) -> None:
        self.store = Store(root / "state.db")
        self.context = Context(
            self.store,
            SimulatedDriver(Clock()),
            Clock(),
            None,
            root,
            root / "mnt",
            allocation_seconds=0,
            start_seconds=0,
        )
        self.engine = Engine(self.context)
        machine: JsonObject = {
            "imageReference": {"virtualMachineImageId": "/images/1"},
            "nodeAgentSKUId": "batch.node.ubuntu 24.04",
        }
        document = {"id": "pool", "vmSize": "standard_d2s_v3", "virtualMachineConfiguration": machine}
        body = PoolBody.model_validate(document)
        self.pool = self.store.pools.add(new_pool("a", "http://127.0.0.1", body, datetime.now(UTC)))
        self.nodes, self.faults = Nodes(self.engine, self.pool), Faults(self.engine)
        self.by_state = {state: self._add(state) for state in STATES}

    def _add(self, state: str) -> Node:
        (record,) = add_nodes(self.context, self.pool, False, 1)
        record = self.store.nodes.change(record, state=state)
        node = Node(record, make_place(self.context.nodes_root, self.context.mount, self.pool, record), 1)
        self.context.fleet.add(node)
        return node

    def answer(self, act: Act, state: str) -> str | None:
        """Does something with the node in a state; gives the code of the error, if it is refused."""
        try:
            act(self.nodes, self.faults, self.by_state[state].id)
        except ServiceError as error:
            return error.code
        return None


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """The engine, whose background work ends with the test."""
    made = Bench(tmp_path)
    yield made
    await made.engine.stop()
    made.store.close()


def test_the_states_are_those_of_the_table() -> None:
    assert set(STATES) == set(NODE.states)


@pytest.mark.parametrize("command", COMMANDS)
async def test_a_command_is_carried_out_or_refused_by_the_state_of_the_node(bench: Bench, command: str) -> None:
    act, state, answers = COMMANDS[command]
    assert {each: bench.answer(act, each) for each in STATES} == dict(zip(STATES, answers, strict=True))
    for former, answer in zip(STATES, answers, strict=True):
        moved = state if state is not None and answer is None else former
        moved = "offline" if (command, former) == ("disable scheduling", "idle") else moved
        assert bench.by_state[former].record.state == moved


async def test_each_state_has_a_counter_of_its_own(bench: Bench) -> None:
    counts = node_counts_view(bench.pool, bench.store.count_nodes(bench.pool.seq))
    spot, dedicated = counts["lowPriority"], counts["dedicated"]
    assert isinstance(spot, dict)
    assert isinstance(dedicated, dict)
    assert len(spot) == len(dedicated) == 17
    assert {name: spot[name] for name in spot if name != "total"} == dict.fromkeys(spot.keys() - {"total"}, 1)
    assert spot["total"] == 16
    assert set(dedicated.values()) == {0}
    assert {name.lower() for name in spot} == {*STATES, "total"}


@pytest.mark.parametrize("state", STATES)
async def test_a_node_leaves_its_pool_from_whatever_state(bench: Bench, state: str) -> None:
    document: JsonObject = {"nodeList": [bench.by_state[state].id]}
    pools = Pools(bench.engine)
    bench.store.pools.change(bench.pool, allocation="steady", target_spot=len(STATES))
    pools.remove_nodes("a", "pool", document, lambda _modified: None)
    async with asyncio.timeout(10):
        while pools.get("a", "pool").allocation != "steady":  # noqa: ASYNC110  (there is no event for it)
            await asyncio.sleep(0.001)
    assert bench.context.fleet.find(bench.pool.seq, bench.by_state[state].id) is None
