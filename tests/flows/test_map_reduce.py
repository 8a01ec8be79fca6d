"""Map, then reduce, in one job."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from pathlib import Path

import pytest
from azure.batch import models
from pydantic import ValidationError

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.flows.map_flow import map_flow
from prefect_azure_batch.flows.map_parameters import MapParameters
from prefect_azure_batch.flows.results import MapResult, TasksFailed
from tests.flows.conftest import left_behind
from tests.support.hostile import HOSTILE_NAMES
from tests.support.processes import wait_until

Run = Callable[..., MapResult]


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """A directory of four files of this test alone."""
    (tmp_path / "in").mkdir()
    for number in range(4):
        (tmp_path / "in" / f"n{number}").write_text(f"{tmp_path.name} {number}\n")
    return tmp_path / "in"


@pytest.fixture
def run(account_name: str | None, inputs: Path, tmp_path: Path) -> Run:
    """Runs the flow over the inputs, results in ``out``."""

    def run(**parameters: object) -> MapResult:
        given = {"inputs": [str(inputs)], "results": str(tmp_path / "out"), "nodes": 2, "slots": 2}
        return map_flow(MapParameters.model_validate({"account": account_name, **given, **parameters}))

    return run


def begun_elsewhere(arguments: list[str], directory: Path, prefect_server: str) -> "subprocess.Popen[bytes]":
    """A run of the flow in a process of its own."""
    options = [*arguments, "--slots", "2", "--results", str(directory / "other")]
    command = [sys.executable, "-m", "flows.map_flow", *options]
    return subprocess.Popen(command, env=os.environ | {"PREFECT_API_URL": prefect_server})


def text(path: str | None) -> str:
    return Path(path or "").read_text()


def test_what_a_reduce_takes_are_files_for_programs_that_walk_through_folders(run: Run) -> None:
    result = run(command="cp {input} kept", outputs=["kept"], reduce="find inputs -type f | wc -l; find inputs -type l")
    assert text(result.tasks[-1].stdout) == "4\n"
    ends = [task.ended for task in result.tasks[:-1] if task.ended]
    assert (result.tasks[-1].queued or min(ends)) >= max(ends)  # before that it could not have started
    result = run(command="cat {input} #2", reduce="find inputs -type f | wc -l; find inputs -type l", resume=False)
    assert text(result.tasks[-1].stdout) == "4\n"


def test_the_reduce_is_shown_whatever_the_number_of_tasks_before_it(run: Run, inputs: Path) -> None:
    for number in range(4, 22):
        (inputs / f"n{number}").write_text(f"{inputs} {number}")
    shown = "\n".join(run(command="true", reduce="echo all of it").text())
    assert re.search(r"\.\.\. and 3 more tasks\n\nTask: reduce-.*\nInput: reduce\nNode: .*\n.*\nall of it\n", shown)


def test_outputs_of_all_tasks_are_the_inputs_of_the_reduce_in_their_order(run: Run, account: AzureBatchAccount) -> None:
    command = "cat {input} > {stem}.out; mkdir deep; touch deep/'a b.out'"
    reduce = "cat {inputs} | tee all.txt; printf '%s\\n' {inputs} | wc -l; ls inputs | wc -l; echo done >&2"
    result = run(command=command, outputs=["**/*.out"], reduce=reduce, reduce_outputs=["all.txt"])
    assert [task.input.rpartition("/")[2] for task in result.tasks] == ["n0", "n1", "n2", "n3", "reduce"]
    last = result.tasks[-1]
    order = "".join(text(task.outputs[-1]) for task in result.tasks[:-1])
    assert text(last.stdout) == f"{order}8\n4\n"
    assert (text(last.stderr), [text(path) for path in last.outputs]) == ("done\n", [order])
    assert Path(last.stdout or "").parent.name == last.task_id
    assert last.started is not None
    assert all(task.ended and task.ended <= last.started for task in result.tasks[:-1])
    assert left_behind(account) == []


def test_a_reduce_is_skipped_when_all_that_it_takes_is_the_same(run: Run, inputs: Path) -> None:
    def states(**parameters: object) -> list[str]:
        result = run(command="cat {input}", reduce="cat {inputs}", **parameters)
        assert text(result.tasks[-1].stdout) == "".join(path.read_text() for path in sorted(inputs.iterdir()))
        return [task.state for task in result.tasks]

    assert states() == ["succeeded"] * 5
    assert states() == ["skipped"] * 5
    (inputs / "n2").write_text("changed\n")
    assert states() == ["skipped", "skipped", "succeeded", "skipped", "succeeded"]
    assert states() == ["skipped"] * 5
    assert states(reduce_outputs=["?none"]) == ["skipped"] * 4 + ["succeeded"]
    (inputs / "n1").unlink()
    assert states() == ["skipped"] * 3 + ["succeeded"]
    assert states(resume=False) == ["succeeded"] * 4


def test_a_map_with_a_failed_task_has_no_reduce_and_says_why(run: Run, account: AzureBatchAccount) -> None:
    with pytest.raises(TasksFailed) as failed:
        run(command="grep -vq 2 {input}", reduce="cat {inputs}")
    result = failed.value.result
    assert [task.state for task in result.tasks] == ["succeeded", "succeeded", "failed", "succeeded", "failed"]
    assert result.tasks[-1].error == "it has no result, for 1 of the 4 tasks before it failed"
    assert result.tasks[-1].started is None
    assert left_behind(account) == []


def test_a_reduce_that_fails_is_told_and_run_again_alone(run: Run, tmp_path: Path) -> None:
    asked = {"command": "cat {input}", "reduce": f"cat {{inputs}} | wc -l; test -e {tmp_path}/repaired"}
    with pytest.raises(TasksFailed) as failed:
        run(**asked)
    assert [task.state for task in failed.value.result.tasks] == ["succeeded"] * 4 + ["failed"]
    (tmp_path / "repaired").touch()
    again = run(**asked)
    assert [task.state for task in again.tasks] == ["skipped"] * 4 + ["succeeded"]
    assert text(again.tasks[-1].stdout) == "4\n"


def test_each_attempt_of_a_reduce_finds_its_inputs(run: Run, tmp_path: Path) -> None:
    reduce = f"cat {{inputs}} | wc -l; echo more > inputs/more; mkdir {tmp_path}/once && exit 75"
    result = run(command="cat {input}", reduce=f"{reduce} || true", retries=1, retry_on=[75])
    assert text(result.tasks[-1].stdout).splitlines()[:2] == ["4", "4"]


def test_names_of_outputs_may_hold_anything(run: Run, inputs: Path) -> None:
    for path in inputs.iterdir():
        path.unlink()
    for name in HOSTILE_NAMES:
        (inputs / name).write_text(f"{name}\0")
    result = run(command="true", outputs=["**/*"], reduce="cat {inputs}; test ! -e injected")
    assert sorted(text(result.tasks[-1].stdout).split("\0")[:-1]) == sorted(HOSTILE_NAMES)


def test_results_in_storage_are_reduced_there(run: Run, account: AzureBatchAccount) -> None:
    asked = {"command": "cat {input}", "reduce": "cat {inputs} | wc -l", "results": "az://reduced/study one"}
    first, second = run(**asked), run(**asked)
    assert [task.state for task in second.tasks] == ["skipped"] * 5
    for result in (first, second):
        name = (result.tasks[-1].stdout or "").removeprefix("az://reduced/")
        blob = account.storage.get_client().get_blob_client("reduced", name)
        assert blob.download_blob().readall() == b"4\n"


def test_the_service_itself_starts_the_reduce(run: Run, account: AzureBatchAccount) -> None:
    """It waits in the job for the tasks of the map, by their ids."""

    def waiting() -> list[models.BatchTask]:
        client = account.get_client()
        jobs = [job.id or "" for job in client.list_jobs() if job.uses_task_dependencies and job.state == "active"]
        return [task for job in jobs for task in client.list_tasks(job) if (task.id or "").startswith("reduce-")]

    def first_waiting() -> list[models.BatchTask]:
        wait_until(lambda: bool(waiting()), 60)
        return waiting()

    with ThreadPoolExecutor(1) as beside:
        seen = beside.submit(first_waiting)
        result = run(command="cat {input}; sleep 3", reduce="cat {inputs}")
    (task,) = seen.result()
    assert task.depends_on is not None
    assert task.depends_on.task_ids == [each.task_id for each in result.tasks[:-1]]


def test_what_a_dead_run_has_begun_is_waited_for_and_reduced(
    run: Run, account_name: str | None, inputs: Path, tmp_path: Path, prefect_server: str
) -> None:
    if account_name:
        pytest.skip("the tests of a real account do not write into files of this machine")
    command = f"touch {tmp_path}/began; while test ! -e {tmp_path}/go; do sleep 0.1; done; cat {{input}}"
    asked = ["--inputs", str(inputs), "--command", command, "--reduce", "cat {inputs} | wc -l"]
    other = begun_elsewhere(asked, tmp_path, prefect_server)
    wait_until((tmp_path / "began").exists, 120)
    other.kill()
    other.wait()
    with ThreadPoolExecutor(1) as beside:
        # In the context of the tests, whose Prefect server it would not know otherwise, and start one.
        result = beside.submit(copy_context().run, partial(run, command=command, reduce="cat {inputs} | wc -l"))
        (tmp_path / "go").touch()
    assert text(result.result().tasks[-1].stdout) == "4\n"
    assert len(result.result().tasks) == 5
    again = run(command=command, reduce="cat {inputs} | wc -l")
    assert [task.state for task in again.tasks] == ["skipped"] * 5


def test_what_a_run_leaves_that_died_in_its_reduce_is_deleted_by_the_next_one(
    run: Run, inputs: Path, tmp_path: Path, account: AzureBatchAccount, prefect_server: str
) -> None:
    command = f"cat {{input}} # {tmp_path}"
    reduce = f"touch {tmp_path}/began; while [ ! -e {tmp_path}/go ]; do sleep 0.1; done; cat {{inputs}} | wc -l"
    other = begun_elsewhere(
        ["--inputs", str(inputs), "--command", command, "--reduce", reduce], tmp_path, prefect_server
    )
    wait_until((tmp_path / "began").exists, 120)
    other.kill()
    other.wait()
    (tmp_path / "go").touch()
    assert text(run(command=command, reduce=reduce).tasks[-1].stdout) == "4\n"
    assert left_behind(account) == []


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        (
            {"reduce": "cat {input}"},
            "--reduce: The command has an unknown placeholder '{input}': there are {inputs}",
        ),
        ({"reduce": 'cat "{inputs}"'}, "--reduce: The command has {inputs} in double quotes"),
        ({"reduce": "{app}/merge {inputs}"}, "--reduce: The command uses {app}, but no program was given"),
        ({"reduce": " "}, "--reduce: The command is empty"),
        ({"reduce_outputs": ["x"]}, "--reduce-outputs: it says what to keep of --reduce"),
        ({"reduce": "true", "reduce_outputs": ["../x"]}, "must be relative to the working directory"),
        ({"reduce": "true", "command": "", "inputs": []}, "--reduce and --command go together"),
    ],
)
def test_what_no_reduce_can_be_is_refused(asked: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValidationError) as refused:
        MapParameters.model_validate({"inputs": ["x"], "command": "cat {input}"} | asked)
    assert complaint in str(refused.value)
