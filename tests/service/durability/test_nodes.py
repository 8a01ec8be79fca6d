"""What nodes are on their way to outlives the service, which ends by ``kill -9`` and is started once more."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.batch import models

from localbatch.launcher import LocalAzure
from tests.support.account import IMAGE, PATIENCE, Account, open_account
from tests.support.processes import process, wait_until

NAME = "durablenodes"
COMMANDS = {"reboot": "rebooting", "reimage": "reimaging", "deallocate": "deallocating"}
DOWN = ("offline", "deallocated", "unusable", "unknown")


class Scene:
    """Pools whose nodes are all on their way to something.

    Attributes:
        nodes: the node that is meant by a command, a state, or another word.
    """

    def __init__(self, azure: LocalAzure, batch: Account, go: Path) -> None:
        self.azure, self.batch, self.go = azure, batch, go
        self.nodes: dict[str, str] = {}

    def make(self) -> None:
        """Makes all pools, then gets all of them on their way."""
        for pool, nodes in (("commands", 3), ("down", 4), ("removal", 3), ("users", 1)):
            self.batch.make_pool(pool, nodes)
        self.batch.client.create_pool(
            models.BatchPoolCreateOptions(
                id="spot", vm_size="standard_d2s_v3", virtual_machine_configuration=IMAGE, target_low_priority_nodes=1
            )
        )
        self._run_tasks("commands", COMMANDS)
        self._run_tasks("removal", ["removed"])
        self._take_down()
        self._send("users", "users", "users", name="anna")
        self.azure.fail_allocation("later", account=NAME)
        self._send("removal", None, "removenodes", nodeList=[self.nodes["removed"]], **_wait("Deallocation"))
        for command in COMMANDS:
            self._send("commands", command, command, **_wait(command.capitalize()))
        for job in ("commands", "removal"):
            self.batch.send("POST", f"/jobs/{job}/disable", json={"disableTasks": "wait"})

    def state(self, pool: str, name: str) -> models.BatchNodeState | str | None:
        """Returns the state of a node."""
        return self.batch.client.get_node(pool, self.nodes[name]).state

    def has_file(self, name: str) -> bool:
        """Tells whether a node of the first pool has the file that its task has made."""
        return (
            self.batch.send("HEAD", f"/pools/commands/nodes/{self.nodes[name]}/files/shared%2Fmade").status_code == 200
        )

    def _run_tasks(self, pool: str, names: "dict[str, str] | list[str]") -> None:
        self.batch.make_job(pool, pool)
        for name in names:
            made = "touch $AZ_BATCH_NODE_SHARED_DIR/made"
            self.batch.add_task(f"{made}; until test -e {self.go}; do sleep 0.05; done", name, pool)
            task = self.batch.await_task(name, pool, "running")
            assert task.node_info is not None
            self.nodes[name] = str(task.node_info.node_id)
            if pool == "commands":
                self.batch.wait_until(lambda name=name: self.has_file(name))  # type: ignore[misc]

    def _take_down(self) -> None:
        (self.nodes["users"],) = (str(node.id) for node in self.batch.await_nodes(pool_id="users"))
        (self.nodes["preempted"],) = (str(node.id) for node in self.batch.await_nodes(pool_id="spot"))
        found = self.batch.await_nodes(count=len(DOWN), pool_id="down")
        self.nodes |= {name: str(node.id) for name, node in zip(DOWN, found, strict=True)}
        self._send("down", "offline", "disablescheduling")
        self._send("down", "deallocated", "deallocate")
        self.azure.spoil_node("down", self.nodes["unusable"], account=NAME)
        self.azure.lose_node("down", self.nodes["unknown"], account=NAME)
        self.batch.wait_until(lambda: self.state("down", "deallocated") == "deallocated")

    def _send(self, pool: str, meant: str | None, command: str, **body: object) -> None:
        node = f"nodes/{self.nodes[meant]}/" if meant else ""
        assert self.batch.send("POST", f"/pools/{pool}/{node}{command}", json=body).status_code in (200, 201, 202)


def _wait(command: str) -> dict[str, str]:
    return {f"node{command}Option": "taskcompletion"}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """The scene as it is once the service was killed and started again."""
    folder = tmp_path_factory.mktemp("durable")
    azure = LocalAzure(root=folder / "root", storage=False, attach=False, allocation_seconds=1.0)
    try:
        with open_account(azure.endpoints, NAME, keep=True) as batch:
            made = Scene(azure, batch, folder / "go")
            made.make()
            assert [made.state("commands", name) for name in COMMANDS] == list(COMMANDS.values())
            azure.preempt_node("spot", made.nodes["preempted"], account=NAME)
            os.kill(azure.endpoints.pid, signal.SIGKILL)
            wait_until(lambda: (found := process(azure.endpoints.pid)) is None or not found.alive(), PATIENCE)
    finally:
        azure.stop()
    (folder / "go").touch()
    with (
        LocalAzure(root=folder / "root", storage=False, attach=False) as azure,
        open_account(azure.endpoints, NAME, keep=True) as batch,
    ):
        again = Scene(azure, batch, folder / "go")
        again.nodes = made.nodes
        yield again


@pytest.mark.parametrize(
    ("command", "after", "keeps"),
    [("reboot", "idle", True), ("reimage", "idle", False), ("deallocate", "deallocated", False)],
)
def test_a_command_that_waited_for_a_task_is_carried_out(scene: Scene, command: str, after: str, keeps: bool) -> None:
    scene.batch.wait_until(lambda: scene.state("commands", command) == after)
    assert scene.has_file(command) == keeps
    info = scene.batch.client.get_task("commands", command).execution_info
    assert info is not None
    assert info.requeue_count == 1


@pytest.mark.parametrize("state", DOWN)
def test_a_node_that_is_down_stays_down(scene: Scene, state: str) -> None:
    scene.batch.wait_until(lambda: scene.state("down", state) == state)


def test_a_node_that_was_down_comes_up_on_command(scene: Scene) -> None:
    scene.batch.wait_until(lambda: scene.state("down", "offline") == "offline")
    path = "/pools/down/nodes"
    assert scene.batch.send("POST", f"{path}/{scene.nodes['offline']}/enablescheduling").status_code == 200
    assert scene.batch.send("POST", f"{path}/{scene.nodes['deallocated']}/start").status_code == 202
    scene.batch.wait_until(lambda: scene.state("down", "deallocated") == "idle")


def test_a_preempted_node_is_replaced(scene: Scene) -> None:
    gone = scene.nodes["preempted"]
    scene.batch.wait_until(lambda: [node.id for node in scene.batch.client.list_nodes("spot")] != [gone])
    scene.batch.await_nodes(pool_id="spot")


def test_the_node_named_leaves_and_no_other(scene: Scene) -> None:
    nodes = scene.batch.await_nodes(count=2, pool_id="removal")
    assert scene.nodes["removed"] not in [node.id for node in nodes]


def test_user_accounts_are_remembered(scene: Scene) -> None:
    scene.batch.await_nodes(pool_id="users")
    path = f"/pools/users/nodes/{scene.nodes['users']}/users/anna"
    assert scene.batch.send("DELETE", path).status_code == 200


def test_a_fault_that_was_asked_for_is_remembered(scene: Scene) -> None:
    scene.batch.make_pool("later")
    scene.batch.await_nodes(count=0, pool_id="later")
    assert [error.code for error in scene.batch.client.get_pool("later").resize_errors or []] == ["AllocationFailed"]
