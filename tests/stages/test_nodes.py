"""Waiting for the nodes of a pool."""

import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from azure.batch import models

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.tasks.cleanup import delete_created
from prefect_azure_batch.tasks.command import shell_command
from prefect_azure_batch.tasks.errors import DeadlineExceeded, PoolUnusable
from prefect_azure_batch.tasks.images import choose_image
from prefect_azure_batch.tasks.node_states import NodesSeen, NodeStates
from prefect_azure_batch.tasks.nodes import wait_for_nodes
from prefect_azure_batch.tasks.records import Created

MakePool = Callable[..., str]

SECONDS = timedelta(seconds=60)


@pytest.fixture
def make_pool(account: AzureBatchAccount) -> Iterator[MakePool]:
    """Makes a pool with so many nodes, on which a start task runs the script that is given."""
    made, client = [], account.get_client()

    def make(nodes: int, start: str | None = None) -> str:
        made.append(f"pool-{uuid.uuid4()}")
        image = choose_image(client.list_supported_images())
        script = models.BatchStartTask(command_line=shell_command(start), wait_for_success=True) if start else None
        client.create_pool(
            models.BatchPoolCreateOptions(
                id=made[-1],
                vm_size="standard_d2s_v3",
                virtual_machine_configuration=models.VirtualMachineConfiguration(
                    image_reference=image.image_reference, node_agent_sku_id=image.node_agent_sku_id
                ),
                target_dedicated_nodes=nodes,
                start_task=script,
            )
        )
        return made[-1]

    yield make
    for name in made:
        delete_created(account, Created(pool_id=name))


def test_idle_nodes_are_named_when_there_are_enough(account: AzureBatchAccount, make_pool: MakePool) -> None:
    told: list[NodeStates] = []
    name, client = make_pool(3), account.get_client()
    idle = wait_for_nodes(account, name, 3, SECONDS, told.append)
    assert sorted(idle) == sorted(node.id or "" for node in client.list_nodes(name))
    assert told[-1] == NodeStates({"idle": 3}, 3)
    seen = NodesSeen(client, name)
    seen.count()
    assert seen.last == NodeStates({"idle": 3})


def test_a_start_task_that_fails_is_told_at_once_with_its_exit_code_and_standard_error(
    account: AzureBatchAccount, make_pool: MakePool
) -> None:
    name = make_pool(2, "echo installing; echo no such package >&2; exit 3")
    with pytest.raises(PoolUnusable) as unusable:
        wait_for_nodes(account, name, 2, SECONDS)
    said = str(unusable.value)
    for part in (name, "its start task failed (exit code 3", "stderr ends: no such package"):
        assert part in said
    assert "\n" not in said


def test_more_nodes_than_the_pool_has_are_not_waited_for(account: AzureBatchAccount, make_pool: MakePool) -> None:
    with pytest.raises(PoolUnusable, match="cannot have 2 idle nodes: it has 1, of which 1 take tasks"):
        wait_for_nodes(account, make_pool(1), 2, SECONDS)


def test_waiting_ends_at_the_deadline(account: AzureBatchAccount, make_pool: MakePool) -> None:
    name = make_pool(1, "sleep 60")
    with pytest.raises(DeadlineExceeded, match="had 0 of 1 nodes idle"):
        wait_for_nodes(account, name, 1, timedelta(seconds=0.5))


def test_a_pool_that_is_gone_is_told(account: AzureBatchAccount) -> None:
    with pytest.raises(PoolUnusable, match="is gone"):
        wait_for_nodes(account, "no-such-pool", 1, SECONDS)
