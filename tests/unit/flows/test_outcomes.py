"""When a task that ended well has failed all the same."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from prefect_azure_batch.flows.outcomes import task_result
from prefect_azure_batch.tasks.records import Collected, EndedTask, KeptFile, TaskEnd

END = TaskEnd(True, 0, "", "node", datetime.now(UTC), datetime.now(UTC))
TASK = EndedTask(0, "a.txt", "a-1", "work/run/0000000-a-1", END)
LOGS = (Path("stdout.txt"), Path("stderr.txt"))
NAMES = ["logs/stdout.txt", "logs/stderr.txt", "files/a.txt", "files/out/b.csv", "shared/sum.dat", "files/stdout.txt"]
COLLECTED = Collected(*LOGS, kept=tuple(KeptFile(name, 1) for name in NAMES))


@pytest.mark.parametrize(
    "pattern", ["a.txt", "*.txt", "out/*", "**/*.csv", "sum.dat", "stdout.txt", "far.dat", "?none"]
)
def test_a_task_that_has_left_what_it_was_to_leave_has_succeeded(pattern: str) -> None:
    result = task_result(TASK, COLLECTED, [pattern], "run", ["far.dat"])
    assert (result.state, result.error) == ("succeeded", None)


def test_backslashes_of_names_that_storage_has_turned_are_no_directories() -> None:
    collected = Collected(*LOGS, kept=tuple(KeptFile(name, 1) for name in (*NAMES[:2], "files/back/slash.json")))
    assert task_result(replace(TASK, label="back\\slash.txt"), collected, ["*.json"], "run").state == "succeeded"
    assert task_result(TASK, collected, ["*.json"], "run").state == "failed"


@pytest.mark.parametrize("pattern", ["out", "none*", "b.csv", "logs/*"])
def test_a_task_that_has_not_has_failed(pattern: str) -> None:
    result = task_result(TASK, COLLECTED, ["*.txt", pattern], "run")
    assert result.state == "failed"
    assert f"no file that matches '{pattern}' of --outputs" in (result.error or "")


@pytest.mark.parametrize(("arrived", "named"), [("stderr.txt", "stdout.txt"), ("stdout.txt", "stderr.txt")])
def test_logs_that_did_not_arrive_are_a_failure(arrived: str, named: str) -> None:
    result = task_result(TASK, Collected(None, None, kept=(KeptFile(f"logs/{arrived}", 1),)), (), "run")
    assert result.state == "failed"
    assert f"but {named} did not arrive" in (result.error or "")
