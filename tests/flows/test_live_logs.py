"""Streams of running tasks in the log of their flow run."""

import contextvars
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import pytest
from prefect.blocks.system import Secret
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId
from prefect.client.schemas.objects import Log
from prefect.client.schemas.sorting import LogSort

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.flows.map_flow import map_flow
from prefect_azure_batch.flows.map_parameters import MapParameters
from prefect_azure_batch.flows.mpi_flow import mpi_flow
from prefect_azure_batch.flows.mpi_parameters import MpiParameters
from prefect_azure_batch.flows.results import RunResult, TasksFailed
from prefect_azure_batch.tasks.errors import BadInput
from tests.flows.conftest import left_behind
from tests.support.processes import wait_until

PATIENCE = 60.0
SECRET = "s3cret-of-live-logs"


def lines_of(run_id: str, are_all: Callable[[list[str]], bool]) -> list[str]:
    """What the log of a run's flow run says of its tasks, as soon as Prefect's server has it all."""
    own = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[UUID(run_id.partition("-")[2])]))

    def read() -> list[str]:
        found: list[Log] = client.read_logs(log_filter=own)
        return [log.message for log in found if log.name == "prefect.flow_runs.tasks"]

    with get_client(sync_client=True) as client:
        wait_until(lambda: are_all(read()), PATIENCE)
        return read()


@contextmanager
def let_go(go: Path, when: str) -> Iterator[None]:
    """Has tasks that wait for a file go on as soon as Prefect's server has a line in some log."""

    def is_there() -> bool:
        return any(log.message == when for log in client.read_logs(limit=200, sort=LogSort.TIMESTAMP_DESC))

    def watch() -> None:
        try:
            wait_until(is_there, PATIENCE)
        finally:
            go.touch()

    with get_client(sync_client=True) as client:
        thread = threading.Thread(target=contextvars.copy_context().run, args=(watch,))
        thread.start()
        try:
            yield
        finally:
            thread.join()


def test_what_a_task_prints_is_in_the_log_of_the_flow_run_before_it_ends(
    account_name: str | None, two_files: Path, tmp_path: Path
) -> None:
    Secret(value=SECRET).save("token-of-live-logs", overwrite=True)
    go = tmp_path / "go"
    command = (
        f"echo $TOKEN {{stem}} begins; until test -e {go}; do sleep 0.1; done; "
        "echo bad luck >&2; printf '%s\\r' 50% 100%; echo; printf last; test {stem} = a"
    )
    asked = {
        "inputs": [str(two_files)], "command": command, "results": str(tmp_path / "out"), "resume": False,
        "account": account_name, "nodes": 1, "slots": 2, "secret": ["TOKEN=prefect:token-of-live-logs"],
    }  # fmt: skip
    with let_go(go, "b.txt | *** b begins"), pytest.raises(TasksFailed) as failed:
        map_flow(MapParameters.model_validate(asked))
    lines = lines_of(failed.value.result.run_id, lambda lines: sum(": " in line for line in lines) == 2)
    assert lines.index("b.txt | *** b begins") < lines.index("b.txt stderr | bad luck")
    assert sorted(line for line in lines if line.startswith("a.txt ")) == [
        "a.txt stderr | bad luck", "a.txt | *** a begins", "a.txt | 100%", "a.txt | last"
    ]  # fmt: skip
    ends = sorted(line for line in lines if ": " in line)
    assert ends[0].startswith("a.txt: ended with exit code 0 after")
    assert ends[1].startswith("b.txt: failed with exit code 1. FailureExitCode")


def test_the_nodes_of_an_mpi_run_are_followed_each_by_its_name(account_name: str | None, tmp_path: Path) -> None:
    go = tmp_path / "go"
    asked = {
        "application_command": f"echo begins; until test -e {go}; do sleep 0.1; done; echo ends >&2",
        "coordination_command": "echo is ready", "nodes": 3, "follow": ["primary", "subtask-2"],
        "account": account_name, "results": str(tmp_path / "out"),
    }  # fmt: skip
    with let_go(go, "subtask-2 | is ready"):
        result = mpi_flow(MpiParameters.model_validate(asked))
    lines = lines_of(result.run_id, lambda lines: any(line.startswith("primary: ended") for line in lines))
    assert lines.index("subtask-2 | is ready") < lines.index("primary stderr | ends")
    assert "primary | begins" in lines
    assert not any(line.startswith("subtask-1") for line in lines)


def test_of_many_tasks_some_lines_and_the_failures_are_in_the_log(account_name: str | None, tmp_path: Path) -> None:
    asked = {
        "sweep": ["n=1..12"], "command": "seq {n}; test {n} != 7 || echo unlucky >&2; test {n} != 7", "slots": 4,
        "account": account_name, "results": str(tmp_path / "out"), "resume": False,
    }  # fmt: skip
    with pytest.raises(TasksFailed) as failed:
        map_flow(MapParameters.model_validate(asked))
    result = failed.value.result

    def samples(lines: list[str]) -> set[str]:
        return {line.partition(" | ")[0] for line in lines if " | " in line}

    first, *lines = lines_of(
        result.run_id, lambda lines: len(samples(lines)) == 10 and any("n=7" in line for line in lines)
    )
    assert first.startswith("There are 12 tasks: ")
    (failure,) = (line for line in lines if line.startswith("n=7"))
    assert "exit code 1; stderr ends: unlucky" in failure
    assert [line for line in lines if line.startswith("n=12 ")] in (
        [], [f"n=12 | {text}" for text in ("1", "2", "3", "…", "10", "11", "12")]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("flow", "asked", "complaint"),
    [
        (map_flow, {"sweep": ["n=1..30"], "command": "true", "follow": ["n=31"]}, "--follow: 'n=31' is none of"),
        (map_flow, {"sweep": ["n=1..30"], "command": "true", "follow": ["n=*"]}, "--follow: 30 tasks are meant"),
        (mpi_flow, {"application_command": "true", "follow": ["subtask-3"]}, "--follow: 'subtask-3' is none of"),
    ],
)
def test_what_cannot_be_followed_is_told_before_anything_is_created(
    account: AzureBatchAccount,
    account_name: str | None,
    flow: Callable[..., RunResult],
    asked: dict[str, object],
    complaint: str,
) -> None:
    kind = MapParameters if flow is map_flow else MpiParameters
    with pytest.raises(BadInput) as refused:
        flow(kind.model_validate({**asked, "account": account_name}))
    assert str(refused.value).startswith(complaint)
    assert left_behind(account) == []
