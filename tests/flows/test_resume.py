"""Runs that take up what others have done, or are doing."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from azure.batch import models

from localbatch.launcher import CONNECTION_VARIABLE
from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.blocks.containers import WORK_CONTAINER
from prefect_azure_batch.flows.map_flow import map_flow
from prefect_azure_batch.flows.map_parameters import MapParameters
from prefect_azure_batch.flows.mpi_flow import mpi_flow
from prefect_azure_batch.flows.mpi_parameters import MpiParameters
from prefect_azure_batch.flows.results import MapResult, MpiResult, TasksFailed
from prefect_azure_batch.tasks.names import INDEX_NAME
from tests.flows.conftest import left_behind
from tests.support.processes import wait_until

pytestmark = pytest.mark.usefixtures("account_name")

Run = Callable[..., MapResult]


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """A directory with five small files."""
    folder = tmp_path / "inputs"
    folder.mkdir()
    for number in range(5):
        (folder / f"n{number}.txt").write_text(f"{tmp_path} {number}")  # not those of another test
    return folder


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Takes a line for each time that a task has run."""
    return tmp_path / "ran"


@pytest.fixture
def command(log: Path) -> str:
    """Says that it has run, fails where a file forbids the input, waits where a file says so, leaves an output."""
    return (
        f"echo {{stem}} >> {log}; while test -e {log}.wait; do sleep 0.1; done; "
        f"test ! -e {log}.no-{{stem}} && cat {{input}} > {{stem}}.out && echo done"
    )


@pytest.fixture
def run(inputs: Path, command: str, tmp_path: Path) -> Run:
    """Runs the flow over the inputs, results in ``out``."""

    def run(**parameters: object) -> MapResult:
        given = {"inputs": [str(inputs)], "command": command, "outputs": ["*.out"], "results": str(tmp_path / "out")}
        return map_flow(MapParameters.model_validate(given | parameters))

    return run


@pytest.fixture
def other(inputs: Path, command: str, tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """The same run in a process of its own, for an hour at most, whose nodes have a start task and whose tasks wait."""
    Path(f"{tmp_path / 'ran'}.wait").touch()
    pool = tmp_path / "pool.yaml"
    pool.write_text(json.dumps({"start_task": {"command": "test -e pool.yaml", "files": [str(pool)]}}))
    arguments = ["--inputs", str(inputs), "--command", command, "--outputs", "*.out", "--results", f"{tmp_path}/other"]
    arguments += ["--pool-file", str(pool), "--hours", "1"]
    process = subprocess.Popen(
        [sys.executable, "-m", "flows.map_flow", *arguments, "--json"],
        env=os.environ | {CONNECTION_VARIABLE: os.environ[CONNECTION_VARIABLE]},
        stdout=subprocess.PIPE,
    )
    yield process
    process.kill()
    process.communicate()


def ran(log: Path) -> Counter[str]:
    return Counter(log.read_text().split()) if log.exists() else Counter()


ALL = {f"n{number}": 1 for number in range(5)}


def test_after_success_nothing_runs_again_and_everything_is_restored(
    account: AzureBatchAccount, run: Run, log: Path, tmp_path: Path
) -> None:
    first = run()
    assert first.counts.succeeded == 5
    second = run(results=str(tmp_path / "elsewhere"))
    assert (second.counts.skipped, second.counts.succeeded, second.job_id, second.pool_id) == (5, 0, None, None)
    for before, after in zip(first.tasks, second.tasks, strict=True):
        assert (after.state, after.exit_code, after.node_id) == ("skipped", 0, before.node_id)
        assert (after.started, after.ended, after.run_id) == (before.started, before.ended, first.run_id)
        assert Path(after.stdout or "").read_text() == "done\n"
        assert [Path(path).read_text() for path in after.outputs] == [Path(after.input).read_text()]
    assert ran(log) == ALL
    assert left_behind(account) == []


def test_what_is_here_with_the_same_content_is_left_alone(run: Run) -> None:
    paths = [Path(path) for task in run().tasks for path in task.outputs]
    times = [path.stat().st_mtime_ns for path in paths]
    paths[0].write_text("spoilt")
    run()
    assert [path.stat().st_mtime_ns for path in paths[1:]] == times[1:]
    assert paths[0].read_text() != "spoilt"


def test_after_a_failure_only_the_failed_ones_run_again(run: Run, log: Path) -> None:
    forbidden = Path(f"{log}.no-n3")
    forbidden.touch()
    with pytest.raises(TasksFailed) as failed:
        run()
    assert failed.value.result.counts.failed == 1
    forbidden.unlink()
    result = run()
    assert (result.counts.skipped, result.counts.succeeded) == (4, 1)
    assert ran(log) == ALL | {"n3": 2}


def test_an_input_that_was_added_or_changed_is_the_only_one_that_runs(run: Run, inputs: Path, log: Path) -> None:
    run()
    (inputs / "a-first.txt").write_text("new")  # the indices of all others change
    (inputs / "n2.txt").write_text("changed")
    result = run()
    assert (result.counts.skipped, result.counts.succeeded) == (4, 2)
    assert ran(log) == ALL | {"n2": 2, "a-first": 1}


def test_another_command_or_pattern_is_other_work(run: Run, command: str, log: Path) -> None:
    run()
    run(outputs=["*.out", "?more"])
    run(command=f"{command} again")
    assert ran(log) == dict.fromkeys(ALL, 3)


def test_all_run_again_where_it_is_asked_for(run: Run, log: Path) -> None:
    run()
    assert run(resume=False).counts.succeeded == 5
    assert ran(log) == dict.fromkeys(ALL, 2)


def test_nothing_stays_in_storage_where_nothing_is_to_be_kept(account: AzureBatchAccount, run: Run, log: Path) -> None:
    result = run(keep=0)
    blobs = account.storage.get_client().get_container_client(WORK_CONTAINER).list_blobs()
    assert [blob.name for blob in blobs if result.run_id in blob.name] == []
    run(keep=0)
    assert ran(log) == dict.fromkeys(ALL, 2)


def test_inputs_of_the_same_name_and_content_all_run_and_are_told_apart(run: Run, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.csv").write_text(str(tmp_path))
    asked = {"inputs": [str(tmp_path / "a"), str(tmp_path / "b")]}
    first, second = run(**asked), run(**asked)
    assert len({task.task_id for task in first.tasks}) == 2
    assert [task.input for task in second.tasks] == [task.input for task in first.tasks]
    assert second.counts.skipped == 2


def test_the_index_tells_each_input_from_the_others(run: Run, tmp_path: Path) -> None:
    result = run()
    lines = [json.loads(line) for line in (tmp_path / "out" / INDEX_NAME).read_text().splitlines()]
    assert sorted(line["input"] for line in lines) == sorted(task.input for task in result.tasks)
    assert {line["task_id"]: line["outputs"] for line in lines} == {t.task_id: t.outputs for t in result.tasks}
    assert all(Path(line["stderr"]).parent.name == line["task_id"] for line in lines)


def test_a_run_that_was_killed_is_taken_up_with_its_job_and_pool(
    account: AzureBatchAccount, run: Run, log: Path, inputs: Path, other: "subprocess.Popen[bytes]"
) -> None:
    def its_pool() -> models.BatchPool:
        (pool,) = (pool for pool in account.get_client().list_pools() if (pool.id or "").startswith("map-"))
        return pool

    def end_of_links() -> datetime:
        """Of the links of its start task, which last for the rest of the run that goes on with it."""
        start_task = its_pool().start_task
        assert start_task is not None
        (file,) = start_task.resource_files or []
        return datetime.fromisoformat(parse_qs(urlsplit(file.http_url or "").query)["se"][0])

    wait_until(lambda: sum(ran(log).values()) >= 2, 120)
    begun, pool_id = datetime.now(UTC), its_pool().id
    assert end_of_links() < begun + timedelta(hours=3)
    other.send_signal(signal.SIGKILL)
    other.wait()
    (inputs / "mine.txt").write_text(f"{log}")
    with ThreadPoolExecutor() as threads:
        going_on = threads.submit(copy_context().run, run, hours=9)
        wait_until(lambda: going_on.done() or end_of_links() > begun + timedelta(hours=9), 120)
        Path(f"{log}.wait").unlink()
        result = going_on.result()
    assert result.counts.succeeded == 6
    assert result.pool_id == pool_id
    assert result.cost.node_hours  # of the pool that was taken up, from then on
    assert ran(log) == ALL | {"mine": 1}
    assert left_behind(account) == []


def test_what_a_living_run_does_is_waited_for_and_not_done_twice(
    account: AzureBatchAccount,
    run: Run,
    log: Path,
    inputs: Path,
    other: "subprocess.Popen[bytes]",
    caplog: pytest.LogCaptureFixture,
) -> None:
    def let_go() -> float:
        """Ends the waiting of the other run's tasks once this run has said that it waits for them."""
        wait_until(lambda: "of the same work goes on: it is waited for" in caplog.text, 120)
        Path(f"{log}.wait").unlink()
        return time.monotonic()

    wait_until(lambda: sum(ran(log).values()) >= 2, 120)
    (inputs / "mine.txt").write_text(f"{log}")
    begun = time.monotonic()
    with ThreadPoolExecutor() as threads:
        going = threads.submit(let_go)
        result = run()
    assert result.counts.failed == 0, result
    assert going.result() - begun > 15  # a run that was killed looks alive for so long
    assert json.loads(other.communicate(timeout=60)[0])["counts"]["succeeded"] == 5
    assert ran(log) == ALL | {"mine": 1}
    assert left_behind(account) == []


def test_an_mpi_program_that_has_succeeded_is_restored_where_that_is_asked_for(
    account: AzureBatchAccount, tmp_path: Path
) -> None:
    log = tmp_path / "ran"
    asked = {"command": f"/bin/sh -c 'echo rank >> {log}; echo here; hostname > host.txt'", "outputs": ["host.txt"]}

    def run(**parameters: object) -> MpiResult:
        given = {"nodes": 2, "results": str(tmp_path / "out")}
        return mpi_flow(MpiParameters.model_validate(given | asked | parameters))

    first = run()
    shutil.rmtree(tmp_path / "out")
    second = run(resume=True)
    assert (second.counts.skipped, second.exit_code, second.pool_id) == (1, 0, None)
    assert second.subtasks == first.subtasks
    assert len({Path(name).read_text() for name in [*second.tasks[0].outputs, *second.subtasks[0].outputs]}) == 2
    assert Path(second.tasks[0].stdout or "").read_text() == Path(first.tasks[0].stdout or "").read_text()
    assert ran(log)["rank"] == 2
    assert run().counts.succeeded == 1
    assert ran(log)["rank"] == 4
    assert left_behind(account) == []
