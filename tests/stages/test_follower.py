"""What reads the streams of running tasks."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from prefect_azure_batch.tasks.beside import beside
from prefect_azure_batch.tasks.followed import Followed
from prefect_azure_batch.tasks.follower import Follower, TaskLog
from prefect_azure_batch.tasks.job import create_job
from prefect_azure_batch.tasks.records import AddedTask, JobPlan, Place
from prefect_azure_batch.tasks.stream_files import InStorage, OfSubtask, OfTask
from prefect_azure_batch.tasks.wait import job_poller
from tests.stages.conftest import Bench

PATIENCE = 60.0


@pytest.fixture
def log_of(bench: Bench) -> Callable[[AddedTask], TaskLog]:
    """Makes the log of a task on the bench."""

    def log_of(task: AddedTask) -> TaskLog:
        client, place = bench.account.get_client(), Place(bench.run.outputs.container, task.folder)
        stored = InStorage(bench.account.storage.get_client(), place)
        followed = Followed(task.label.rpartition("/")[2], str(place), 1, time.monotonic)
        return TaskLog(task.task_id, followed, OfTask(client, bench.job_id, task.task_id), stored)

    return log_of


def test_each_attempt_of_a_task_is_followed_and_one_that_does_not_begin_has_nothing(
    bench: Bench, tmp_path: Path, log_of: Callable[[AddedTask], TaskLog]
) -> None:
    bench.run = create_job(bench.account, JobPlan(bench.job_id, bench.pool_id, bench.job_id, task_retries=1))
    go, first = tmp_path / "go", tmp_path / "first"
    begin = f"if mkdir {first}; then echo one of the tries; else echo two; fi"
    end = f"if rm {first}/go; then exit 3; fi; printf three"
    command = f"{begin}; until test -e {first}/go -o -e {go}; do sleep 0.1; done; {end}"
    inputs = tmp_path / "inputs"
    inputs.mkdir()
    (inputs / "a.txt").touch()
    (task,) = bench.add(inputs, command)
    never = replace(task, task_id="never", label="never.txt")
    lines: list[str] = []

    def tell(line: str, level: int = 0) -> None:
        lines.append(line)
        if line in ("a.txt | one of the tries", "a.txt | two"):
            (first / "go" if line == "a.txt | one of the tries" else go).touch()

    with job_poller(bench.account, bench.run) as poller:
        follower = Follower(poller, [log_of(task), log_of(never)], tell)
        with beside(follower.follow, "live-logs"):
            poller.wait([task.task_id])
    *before, last = lines
    assert [line for line in before if "stderr" not in line] == [
        "a.txt | one of the tries", "a.txt: Batch runs it again, from its beginning.", "a.txt | two", "a.txt | three"
    ]  # fmt: skip
    assert last.startswith("a.txt: ended with exit code 0 after ")


def test_a_follower_that_has_given_up_reads_nothing(
    bench: Bench, two_files: Path, log_of: Callable[[AddedTask], TaskLog]
) -> None:
    bench.create_job()
    tasks = bench.add(two_files, "echo {stem}")
    lines: list[str] = []
    left = threading.Event()
    left.set()
    with job_poller(bench.account, bench.run) as poller:
        gives_up = Follower(poller, [log_of(task) for task in tasks], lambda line, level=0: lines.append(line))
        goes_on = Follower(poller, [log_of(task) for task in tasks], lambda line, level=0: lines.append(line))
        poller.wait([task.task_id for task in tasks])
    gives_up.give_up()
    gives_up.follow(left)
    assert lines == []
    goes_on.follow(left)
    assert [line for line in lines if " | " in line] == ["a.txt | a", "b.txt | b"]


def test_streams_that_are_nowhere_are_empty(bench: Bench) -> None:
    bench.create_job()
    client, service = bench.account.get_client(), bench.account.storage.get_client()
    for files in (
        OfTask(client, bench.job_id, "never"),
        OfSubtask(client, bench.pool_id, "tvmps_gone_d", "workitems/job/job-1/task/1"),
        InStorage(service, Place("no-such-container", "folder")),
        InStorage(service, Place(bench.run.container, "no-such-folder")),
    ):
        assert files.sizes() == {}
        assert files.read("stdout.txt", 0, 10) == b""
