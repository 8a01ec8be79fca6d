"""What is left of runs that end in other ways than well."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from azure.batch import models
from azure.storage.blob import BlobLeaseClient
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State, StateType

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.blocks.containers import WORK_CONTAINER
from prefect_azure_batch.blocks.pool_description import PoolDescription
from prefect_azure_batch.flows.cancelling import say_cancelled
from prefect_azure_batch.flows.hooks import clean_up_after
from prefect_azure_batch.flows.map_flow import map_flow
from prefect_azure_batch.flows.map_parameters import MapParameters
from prefect_azure_batch.flows.results import LeftBehind, MapResult, TasksFailed
from prefect_azure_batch.flows.runs import RunPlan, open_run
from prefect_azure_batch.tasks.errors import BatchFlowError
from prefect_azure_batch.tasks.inputs import find_inputs
from prefect_azure_batch.tasks.pool import create_pool
from prefect_azure_batch.tasks.records import PoolPlan, TaskPlan
from prefect_azure_batch.tasks.submit import add_tasks
from prefect_azure_batch.tasks.upload import blob_lister, upload_inputs
from prefect_azure_batch.tasks.wait import require_success, wait_for_tasks
from tests.flows.conftest import left_behind
from tests.support.processes import wait_until

Run = Callable[..., MapResult]


@pytest.fixture
def run(account_name: str | None, two_files: Path, tmp_path: Path) -> Run:
    def run(**parameters: object) -> MapResult:
        given = {"account": account_name, "inputs": [str(two_files)], "resume": False, "results": str(tmp_path / "out")}
        return map_flow(MapParameters.model_validate(given | parameters))

    return run


def test_a_task_without_its_declared_output_has_failed(run: Run) -> None:
    with pytest.raises(TasksFailed) as failed:
        run(command="test {stem} = b || echo 1 > {stem}.json", outputs=["*.json", "?*.log"])
    good, bad = failed.value.result.tasks
    assert (good.state, bad.state, bad.exit_code) == ("succeeded", "failed", 0)
    assert "no file that matches '*.json'" in (bad.error or "")


def test_a_clean_up_that_fails_loses_no_result(account: AzureBatchAccount, run: Run, tmp_path: Path) -> None:
    marker, leased = tmp_path / "leased", list[BlobLeaseClient]()
    container = account.storage.get_client().get_container_client(WORK_CONTAINER)
    before = {blob.name for blob in container.list_blobs()} if container.exists() else set()

    def lease_a_log() -> bool:
        names = [blob.name for blob in container.list_blobs() if blob.name not in before and "/logs/" in blob.name]
        leased.extend(container.get_blob_client(name).acquire_lease() for name in names[:1])
        return bool(leased)

    def work() -> None:
        wait_until(lambda: container.exists() and lease_a_log(), 60)
        marker.touch()

    thread = threading.Thread(target=work)
    thread.start()
    command = f"test {{stem}} = a || while ! test -e {marker}; do sleep 0.1; done"
    with pytest.raises(LeftBehind, match="what lies below") as left:
        run(command=command, keep=0)
    thread.join()
    assert left.value.result.counts.succeeded == 2
    assert len(left.value.result.leftovers) == 1
    assert left_behind(account) == []
    leased[0].break_lease(0)


def test_a_flow_run_that_crashed_is_cleaned_up_by_its_hook(
    account: AzureBatchAccount, account_name: str | None
) -> None:
    run_id = uuid4()
    name = f"map-{run_id}"
    create_pool(account, PoolPlan(name, PoolDescription(nodes=1, slots=1), run_id=name))
    account.get_client().create_job(models.BatchJobCreateOptions(id=name, pool_info=models.BatchPoolInfo(pool_id=name)))
    assert name in left_behind(account)
    flow_run = SimpleNamespace(id=run_id, parameters={"run": {"account": account_name}})
    clean_up_after(map_flow, cast(Any, flow_run), cast(Any, None))
    wait_until(lambda: name not in left_behind(account), 30)


@contextmanager
def cancelled(account: AzureBatchAccount, began: Path) -> Iterator[list[UUID]]:
    """Has the flow run of the one run cancelled once its task has begun; takes its id."""
    ids: list[UUID] = []

    def cancel() -> None:
        wait_until(began.exists, 60)
        (run_id,) = {run_id for run_id in left_behind(account) if run_id.startswith("map-")}
        ids.append(UUID(run_id.removeprefix("map-")))
        with get_client(sync_client=True) as client:
            client.set_flow_run_state(ids[0], State(type=StateType.CANCELLING))

    thread = threading.Thread(target=copy_context().run, args=(cancel,))
    thread.start()
    yield ids
    thread.join()
    assert left_behind(account) == []
    with get_client(sync_client=True) as client:
        assert client.read_flow_run(ids[0]).state_type == StateType.CANCELLED


def test_a_flow_run_that_is_cancelled_ends_itself(account: AzureBatchAccount, run: Run, tmp_path: Path) -> None:
    began = tmp_path / "began"
    with cancelled(account, began) as ids, pytest.raises(TasksFailed) as failed:
        run(command=f"touch {began}; sleep 600")
    assert failed.value.result.run_id == f"map-{ids[0]}"


def test_so_does_a_flow_of_ones_own(account: AzureBatchAccount, two_files: Path, tmp_path: Path) -> None:
    began = tmp_path / "began"

    @flow(persist_result=False, on_cancellation=[say_cancelled])
    def own() -> None:
        with open_run(account, RunPlan("map", pool=PoolDescription(nodes=1))) as run:
            inputs = find_inputs([str(two_files)], blob_lister(account.storage))
            added = add_tasks(
                account, run, upload_inputs(account.storage, inputs), TaskPlan(f"touch {began}; sleep 600")
            )
            require_success(wait_for_tasks(account, run, added))

    with cancelled(account, began), pytest.raises(BatchFlowError):
        own()
