"""Maps on a real account, or on a local one."""

import threading
import uuid
from contextvars import copy_context
from pathlib import Path
from uuid import UUID

import pytest
from azure.core.exceptions import ResourceNotFoundError
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State, StateType

from prefect_azure_batch.flows.results import TasksFailed
from tests.live.conftest import RunMap, World, said
from tests.support.live import RUN_MINUTES
from tests.support.processes import wait_until


def test_a_program_is_sent_and_runs_on_a_pool_of_its_own_and_its_outputs_come_back(
    world: World, run: RunMap, tmp_path: Path
) -> None:
    program = tmp_path / "program"
    program.mkdir()
    (program / "shout").write_text("#!/bin/sh\ntr a-z A-Z\n")
    (program / "shout").chmod(0o755)
    result = run(app=str(program), command="{app}/shout < {input} | tee {stem}.out", outputs=["*.out"], nodes=2)
    assert said(result) == ["ALPHA", "BETA GAMMA"]
    assert [Path(task.outputs[0]).read_text() for task in result.tasks] == said(result)
    assert (result.cost.node_hours or 0) > 0
    assert world.made_for(result.run_id) == []


def test_the_same_call_again_needs_no_pool_and_brings_all_back(run: RunMap, pool: str, tmp_path: Path) -> None:
    asked = {"pool": pool, "command": "echo once; cp {input} kept.txt", "outputs": ["kept.txt"], "resume": True}
    first = run(**asked)
    again = run(**asked, results=str(tmp_path / "elsewhere"))
    assert (first.counts.succeeded, again.counts.skipped, again.job_id) == (2, 2, None)
    assert [Path(task.outputs[0]).read_text() for task in again.tasks] == ["alpha", "beta gamma"]
    assert [task.node_id for task in again.tasks] == [task.node_id for task in first.tasks]


def test_a_task_that_fails_is_told_with_its_exit_code_its_node_and_its_standard_error(
    world: World, run: RunMap, pool: str
) -> None:
    with pytest.raises(TasksFailed, match="1 of 2 tasks") as failed:
        run(pool=pool, command='grep -q alpha {input} || {{ echo "no alpha here" >&2; exit 3; }}')
    result = failed.value.result
    assert [(task.state, task.exit_code) for task in result.tasks] == [("succeeded", 0), ("failed", 3)]
    for part in ("exit code 3", "no alpha here", result.tasks[1].node_id or "?"):
        assert part in (result.tasks[1].error or "")
    assert world.made_for(result.run_id) == []
    assert world.account.get_client().get_pool(pool).state == "active"


def test_a_task_is_repeated_and_finds_nothing_of_the_attempt_before(run: RunMap, pool: str) -> None:
    command = "test -e {stem}.out && exit 9; echo attempt > {stem}.out; test -d ../attempt-1 || exit 3"
    result = run(pool=pool, command=command, outputs=["*.out"], retries=1)
    assert [(task.state, task.exit_code) for task in result.tasks] == [("succeeded", 0)] * 2


def test_a_sweep_and_a_table_need_no_files(run: RunMap, pool: str, tmp_path: Path) -> None:
    swept = run(pool=pool, sweep=["seed=1..2", "model=a,$(false)"], command='echo "{model}" {seed}')
    assert said(swept) == ["a 1\n", "$(false) 1\n", "a 2\n", "$(false) 2\n"]
    table = tmp_path / "runs.csv"
    table.write_text("gain,name\n1,two words\n")
    assert said(run(pool=pool, table=str(table), command='echo {gain} "{name}"')) == ["1 two words\n"]


def test_results_may_stay_in_storage_and_be_the_inputs_of_the_next_run(world: World, run: RunMap, pool: str) -> None:
    container = f"live-{uuid.uuid4().hex}"
    service = world.account.storage.get_client()
    try:
        first = run(pool=pool, command="cp {input} kept.dat", outputs=["kept.dat"], results=f"az://{container}/first")
        kept = sorted(output for task in first.tasks for output in task.outputs)
        assert all(name.startswith(f"az://{container}/first/") for name in kept)
        assert sorted(said(run(pool=pool, inputs=kept, command="cat {input}"))) == ["alpha", "beta gamma"]
    finally:
        service.delete_container(container)
    with pytest.raises(ResourceNotFoundError):
        service.get_container_client(container).get_container_properties()


def test_a_flow_run_that_is_cancelled_leaves_nothing(world: World, run: RunMap, pool: str) -> None:
    client, ids = world.account.get_client(), list[str]()

    def begun() -> bool:
        jobs = [job.id or "" for job in client.list_jobs(select=["id,poolInfo"]) if job.pool_info.pool_id == pool]
        ids[:] = [job for job in jobs if any(task.state == "running" for task in client.list_tasks(job))]
        return bool(ids)

    def cancel() -> None:
        wait_until(begun, RUN_MINUTES * 60)
        with get_client(sync_client=True) as prefect:
            prefect.set_flow_run_state(UUID(ids[0].removeprefix("map-")), State(type=StateType.CANCELLING))

    thread = threading.Thread(target=copy_context().run, args=(cancel,))
    thread.start()
    with pytest.raises(TasksFailed) as failed:
        run(pool=pool, command="sleep 900")
    thread.join()
    assert [failed.value.result.run_id] == ids
    assert world.made_for(ids[0]) == []
    with get_client(sync_client=True) as prefect:
        assert prefect.read_flow_run(UUID(ids[0].removeprefix("map-"))).state_type == StateType.CANCELLED
