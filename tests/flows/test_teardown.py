"""What runs on each node at the end of a run, whatever the end."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from prefect import flow

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.blocks.pool_description import PoolDescription
from prefect_azure_batch.flows.map_flow import map_flow
from prefect_azure_batch.flows.map_parameters import MapParameters
from prefect_azure_batch.flows.mpi_flow import mpi_flow
from prefect_azure_batch.flows.mpi_parameters import MpiParameters
from prefect_azure_batch.flows.results import MapResult
from prefect_azure_batch.flows.runs import RunPlan, open_run
from prefect_azure_batch.tasks.inputs import find_inputs
from prefect_azure_batch.tasks.records import TaskPlan
from prefect_azure_batch.tasks.submit import add_tasks
from prefect_azure_batch.tasks.upload import upload_inputs
from prefect_azure_batch.tasks.wait import wait_for_tasks
from tests.flows.conftest import left_behind

Run = Callable[..., MapResult]


@pytest.fixture
def run(account_name: str | None, two_files: Path, tmp_path: Path) -> Run:
    def run(**parameters: object) -> MapResult:
        given = {
            "account": account_name, "inputs": [str(two_files)], "command": "sleep 1", "resume": False,
            "results": str(tmp_path / "out"),
        }  # fmt: skip
        return map_flow(MapParameters.model_validate(given | parameters))

    return run


def test_a_teardown_runs_once_on_each_node_before_the_pool_goes(
    account: AzureBatchAccount, run: Run, tmp_path: Path
) -> None:
    result = run(teardown=f"echo $AZ_BATCH_NODE_ID >> {tmp_path}/torn", slots=1)
    assert sorted((tmp_path / "torn").read_text().split()) == sorted({task.node_id or "" for task in result.tasks})
    assert (result.counts.succeeded, left_behind(account)) == (2, [])


def test_a_teardown_finds_the_program(run: Run, tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "note").write_text("as shipped")
    run(app=str(tmp_path / "app"), teardown=f"cp {{app}}/note {tmp_path}/found", nodes=1)
    assert (tmp_path / "found").read_text() == "as shipped"


@pytest.mark.parametrize(
    ("teardown", "told"),
    [
        ("echo no room >&2; false; echo not reached >&2", "exit code 1, FailureExitCode: .*; stderr ends: no room$"),
        ("sleep 600", "execution time"),
    ],
)
def test_a_teardown_that_fails_or_takes_too_long_is_told_and_fails_no_run(
    account: AzureBatchAccount, run: Run, caplog: pytest.LogCaptureFixture, teardown: str, told: str
) -> None:
    result = run(teardown=teardown, teardown_minutes=0.05, nodes=1)
    assert (result.counts.succeeded, left_behind(account)) == (2, [])
    (record,) = [record for record in caplog.records if "The teardown failed on node" in record.getMessage()]
    assert record.levelname == "WARNING"
    assert re.search(told, record.getMessage())


def test_a_run_that_is_interrupted_has_its_teardown(
    account: AzureBatchAccount, prefect_server: str, two_files: Path, tmp_path: Path
) -> None:
    @flow
    def interrupted() -> None:
        plan = RunPlan("map", pool=PoolDescription(nodes=1), teardown=f"echo torn > {tmp_path}/torn")
        with open_run(account, plan) as run:
            stored = upload_inputs(account.storage, find_inputs([str(two_files)], lambda container, prefix: []))
            wait_for_tasks(account, run, add_tasks(account, run, stored[:1], TaskPlan("true")))
            add_tasks(account, run, stored[1:], TaskPlan("sleep 600"))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert (tmp_path / "torn").read_text() == "torn\n"
    assert left_behind(account) == []


def test_nothing_is_torn_down_where_nothing_ran(account: AzureBatchAccount, run: Run, tmp_path: Path) -> None:
    run(resume=True, command=f"echo {tmp_path}")
    run(resume=True, command=f"echo {tmp_path}", teardown=f"echo torn > {tmp_path}/torn")
    assert not (tmp_path / "torn").exists()


def test_a_teardown_runs_on_each_node_of_an_mpi_program(account_name: str | None, tmp_path: Path) -> None:
    asked = MpiParameters(
        account=account_name, command="hostname", nodes=2, results=str(tmp_path / "out"),
        teardown=f"echo $AZ_BATCH_NODE_ID >> {tmp_path}/torn",
    )  # fmt: skip
    result = mpi_flow(asked)
    nodes = {result.tasks[0].node_id or "", *(subtask.node_id or "" for subtask in result.subtasks)}
    assert sorted((tmp_path / "torn").read_text().split()) == sorted(nodes)
