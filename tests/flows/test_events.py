"""What flows tell Prefect by events, asked of a real server."""

import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import ContainerClient
from prefect import flow
from prefect.client.orchestration import get_client

from localbatch.launcher import LocalAzure
from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.blocks.hiding import hide
from prefect_azure_batch.blocks.pool_description import PoolDescription
from prefect_azure_batch.flows import events
from prefect_azure_batch.flows.idle_nodes import IdleNodes
from prefect_azure_batch.flows.map_flow import map_flow
from prefect_azure_batch.flows.map_parameters import MapParameters
from prefect_azure_batch.flows.pool_watch import telling_of_pool
from prefect_azure_batch.flows.results import TaskResult, TasksFailed
from prefect_azure_batch.flows.runs import RunPlan, new_run_id, record_of
from prefect_azure_batch.flows.upkeep_flow import upkeep_flow
from prefect_azure_batch.flows.upkeep_parameters import UpkeepParameters
from prefect_azure_batch.tasks.cleanup import delete_created
from prefect_azure_batch.tasks.pool import create_pool
from prefect_azure_batch.tasks.records import Created
from tests.support.processes import wait_until

Event = dict[str, Any]


@pytest.fixture
def container(account: AzureBatchAccount) -> Iterator[ContainerClient]:
    """Takes the results; it is made by the run."""
    client = account.storage.get_client().get_container_client(f"results-{uuid.uuid4().hex}")
    yield client
    client.delete_container()


@pytest.fixture
def told() -> Callable[..., list[Event]]:
    """Asks the server for events since the test began, until there are as many of the names as wanted."""
    since = datetime.now(UTC)

    def ask(*names: str, number: int = 1, about: str = "") -> list[Event]:
        asked = {
            "event": {"name": list(names)} if names else None,
            "any_resource": {"id_prefix": [about]} if about else None,
            "occurred": {"since": since.isoformat()},
            "order": "ASC",
        }
        found: list[Event] = []

        def are_there() -> bool:
            with get_client(sync_client=True) as client:
                found[:] = client.request("POST", "/events/filter", json={"filter": asked}).json()["events"]
            return len(found) >= number

        wait_until(are_there, 30)
        return found

    return ask


def related(event: Event) -> dict[str, str]:
    return {one["prefect.resource.role"]: one["prefect.resource.id"] for one in event["related"]}


def test_a_run_tells_what_it_is_about_to_do_which_tasks_failed_and_how_it_ended(
    account_name: None, container: ContainerClient, two_files: Path, told: Callable[..., list[Event]]
) -> None:
    place = f"az://{container.container_name}"
    command = f"true {place}; grep -q alpha {{input}} || (echo no luck >&2; exit 3)"
    with pytest.raises(TasksFailed) as failed:
        map_flow(MapParameters(inputs=[str(two_files)], command=command, results=f"{place}/lab/"))
    result = failed.value.result
    planned, task, done = told(events.RUN_PLANNED, events.TASK_FAILED, events.RUN_DONE, number=3)
    assert {event["resource"]["prefect.resource.id"] for event in (planned, task, done)} == {
        f"azure-batch.run.{result.run_id}"
    }
    assert {related(event)["flow-run"] for event in (planned, task, done)} == {
        f"prefect.flow-run.{result.run_id.removeprefix('map-')}"
    }
    assert planned["payload"] == {"total": 2, "done": 0, "elsewhere": 0, "ours": 2}
    assert related(task)["batch-task"] == f"azure-batch.task.{result.tasks[1].task_id}"
    assert (task["payload"]["input"], task["payload"]["exit_code"]) == (str(two_files / "b.txt"), 3)
    assert "no luck" in task["payload"]["error"]
    assert done["resource"]["azure-batch.outcome"] == "failed"
    assert {"succeeded": 1, "failed": 1, "results": result.results}.items() <= done["payload"].items()

    (asset,) = told("prefect.asset.materialization.succeeded", about=place)
    assert asset["resource"]["prefect.resource.id"] == f"{place}/lab"
    assert asset["payload"]["run"] == result.run_id
    assert (asset["payload"]["succeeded"], asset["payload"]["failed"]) == (1, 1)
    assert related(asset)["flow-run"] == related(done)["flow-run"]


def test_nodes_that_stand_idle_and_what_is_left_of_a_run_are_told_of(
    account: AzureBatchAccount, account_name: None, told: Callable[..., list[Event]]
) -> None:
    is_told = threading.Event()

    class Watched(IdleNodes):
        def look(self, idle: int) -> int:
            found = super().look(idle)
            if found:
                is_told.set()
            return found

    @flow
    def idle() -> str:
        run_id = new_run_id("map")
        plan = RunPlan("map", pool=PoolDescription(nodes=2))
        record = record_of(plan, run_id, account, None, datetime.now(UTC))
        assert record.pool
        create_pool(account, record.pool)
        decides = Watched(idle_for=timedelta(seconds=0.2), silence=timedelta(hours=1))
        with telling_of_pool(account, record, decides, timedelta(seconds=0.1)):
            assert is_told.wait(60)
        return run_id

    run_id = idle()
    upkeep_flow(UpkeepParameters(delete=True))
    event, left = told(events.NODES_IDLE, events.LEFTOVERS_FOUND, number=2)
    assert event["payload"]["pool"] == run_id
    assert 0 < event["payload"]["idle"] <= event["payload"]["nodes"] == 2
    assert related(event)["flow-run"] == f"prefect.flow-run.{run_id.removeprefix('map-')}"
    assert left["resource"]["prefect.resource.id"].startswith("azure-batch.account.127.0.0.1")
    assert f"pool {run_id}" in left["payload"]["names"]
    assert left["payload"]["deleted"] is True


def test_a_pool_that_gets_no_nodes_is_told_of_once(
    azure: LocalAzure, account: AzureBatchAccount, told: Callable[..., list[Event]]
) -> None:
    run_id = f"map-{uuid.uuid4()}"
    plan = RunPlan("map", pool=PoolDescription(nodes=1))
    record = record_of(plan, run_id, account, None, datetime.now(UTC))
    assert record.pool
    azure.fail_allocation(record.pool.pool_id, code="AllocationFailed", message="The region is full.")
    try:
        create_pool(account, record.pool)
        with telling_of_pool(account, record, interval=timedelta(seconds=0.1)):
            (event,) = told(about=f"azure-batch.run.{run_id}")
    finally:
        delete_created(account, Created(pool_id=record.pool.pool_id))
    assert event["event"] == events.RESIZE_FAILED
    assert event["payload"]["error"].startswith("AllocationFailed: The region is full. Try again later")
    assert (event["payload"]["nodes"], event["payload"]["wanted"]) == (0, 1)


def test_of_many_failed_tasks_the_first_ten_are_told_of_and_then_their_number(
    account_name: None, told: Callable[..., list[Event]]
) -> None:
    hide("hunter22secret")
    run_id = f"map-{uuid.uuid4()}"
    failed = events.FailedTasks(run_id)
    for number in range(15):
        failed.see(
            TaskResult(input=f"{number}.txt", task_id=f"t{number}", state="failed", error="hunter22secret" * 100)
        )
    failed.see(TaskResult(input="fine.txt", task_id="fine", state="succeeded"))
    found = told(about=f"azure-batch.run.{run_id}", number=11)
    assert [event["event"] for event in found].count(events.TASK_FAILED) == 10
    (many,) = (event for event in found if event["event"] == events.TASKS_FAILED)
    assert many["payload"] == {"failed": 10}
    errors = {event["payload"]["error"] for event in found if event is not many}
    assert all("hunter22" not in error and len(error) < 600 for error in errors)
