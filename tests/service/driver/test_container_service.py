"""A whole service with containers: every command that may ask for one runs in one, and none outlives the service."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from azure.batch import models

from tests.service.durability.test_durability import running
from tests.service.pools.test_containers import make_container_pool
from tests.support.account import Account
from tests.support.containers import IMAGE, StandIn, make_stand_in
from tests.support.processes import wait_until

SETTINGS = models.BatchTaskContainerSettings(image_name=IMAGE)
SECONDS = 30


@contextmanager
def found_first(programs: Path) -> Iterator[None]:
    """Has the services started meanwhile find the programs of a directory before all others."""
    former = os.environ["PATH"]
    os.environ["PATH"] = f"{programs}{os.pathsep}{former}"
    try:
        yield
    finally:
        os.environ["PATH"] = former


def make_pool(batch: Account, **options: object) -> None:
    configuration = {"type": "dockerCompatible", "containerImageNames": ["registry.example/image:1"]}
    make_container_pool(batch, configuration, targetDedicatedNodes=1, **options)


def commands(stand_in: StandIn) -> set[str]:
    """The last words of the command lines of all containers so far."""
    return {call[-1] for call in stand_in.calls("create")}


def test_every_command_that_asks_for_a_container_runs_in_one(tmp_path: Path) -> None:
    stand_in = make_stand_in(tmp_path)
    with found_first(stand_in.programs), running(tmp_path / "root") as batch:
        start_task = models.BatchStartTask(command_line="echo start", container_settings=SETTINGS)
        make_pool(batch, startTask=start_task.as_dict(), taskSlotsPerNode=2)
        manager = models.BatchJobManagerTask(
            id="manager", command_line="echo manager", container_settings=SETTINGS, kill_job_on_completion=False
        )
        batch.make_job(
            job_manager_task=manager,
            job_preparation_task=models.BatchJobPreparationTask(
                command_line="echo prepare", container_settings=SETTINGS
            ),
            job_release_task=models.BatchJobReleaseTask(command_line="echo release", container_settings=SETTINGS),
        )
        batch.client.create_task(
            "job", models.BatchTaskCreateOptions(id="task", command_line="echo task", container_settings=SETTINGS)
        )
        for name in ("manager", "task"):
            info = batch.await_task(name).execution_info
            assert info is not None
            assert info.container_info is not None
            assert (info.container_info.container_id, info.container_info.state) == ("id-of-container", "exited")
        batch.send("POST", "/jobs/job/terminate", json={"terminateReason": "done"})
        batch.await_job()
        (status,) = batch.client.list_job_preparation_and_release_task_status("job")
        preparation, release = status.job_preparation_task_execution_info, status.job_release_task_execution_info
        (node,) = batch.client.list_nodes("pool")
        for each in (preparation, release, node.start_task_info):
            assert each is not None
            assert each.container_info is not None
        assert commands(stand_in) == {"start", "prepare", "manager", "task", "release"}
        assert stand_in.containers() == []
        assert [call[-1] for call in stand_in.calls("pull")] == ["registry.example/image:1"]


def test_a_container_ends_with_the_service_and_its_task_runs_again(tmp_path: Path) -> None:
    stand_in = make_stand_in(tmp_path)
    go = tmp_path / "go"
    with found_first(stand_in.programs):
        with running(tmp_path / "root", killed=True) as batch:
            make_pool(batch)
            batch.make_job()
            batch.add_task(f"echo up; until test -e {go}; do sleep 0.1; done", container_settings=SETTINGS)
            batch.await_task(state="running")
            batch.wait_until(lambda: batch.stdout() == "up\n")
            assert len(stand_in.containers()) == 1
        wait_until(lambda: stand_in.containers() == [], SECONDS)
        with running(tmp_path / "root") as batch:
            go.touch()
            info = batch.await_task().execution_info
            assert info is not None
            assert (info.exit_code, info.requeue_count) == (0, 1)
    assert stand_in.containers() == []


def test_a_task_that_is_ended_leaves_no_container(tmp_path: Path) -> None:
    stand_in = make_stand_in(tmp_path)
    with found_first(stand_in.programs), running(tmp_path / "root") as batch:
        make_pool(batch)
        batch.make_job()
        batch.add_task("echo up; sleep 600", container_settings=SETTINGS)
        batch.await_task(state="running")
        batch.wait_until(lambda: batch.stdout() == "up\n")
        batch.client.terminate_task("job", "task")
        wait_until(lambda: stand_in.containers() == [], SECONDS)
