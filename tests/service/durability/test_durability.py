"""What was acknowledged outlives the service, however it ends."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from azure.batch import models

from localbatch.launcher import LocalAzure
from tests.support.account import PATIENCE, Account, open_account, shell
from tests.support.processes import Process, process, wait_until

NAME = "durable"


@contextmanager
def running(root: Path, *, killed: bool = False) -> Iterator[Account]:
    """A service over a directory, which ends gently or by ``kill -9``."""
    azure = LocalAzure(root=root, storage=False, attach=False)
    try:
        with open_account(azure.endpoints, NAME, keep=True) as account:
            yield account
        if killed:
            os.kill(azure.endpoints.pid, signal.SIGKILL)
            wait_until(lambda: not _alive(azure), PATIENCE)
    finally:
        azure.stop()


def _alive(azure: LocalAzure) -> bool:
    found = process(azure.endpoints.pid)
    return found is not None and found.alive()


def started_processes(batch: Account) -> list[Process]:
    """The processes tasks have written down."""
    pids = [batch.stdout(task.id or "") for task in batch.client.list_tasks("job", filter="state eq 'running'")]
    return [found for pid in pids if pid.strip() and (found := process(int(pid))) is not None]


def test_everything_acknowledged_is_there_after_kill_9(tmp_path: Path) -> None:
    with running(tmp_path, killed=True) as batch:
        batch.make_pool(nodes=1, metadata=[models.BatchMetadataItem(name="a", value="1")])
        batch.make_job(priority=3)
        batch.add_task("echo kept", "done")
        batch.await_task("done")
        batch.make_job("second", pool_id="none")
        options = [models.BatchTaskCreateOptions(id=f"t{n}", command_line=shell("true")) for n in range(150)]
        batch.client.create_tasks("second", options)
        batch.client.update_job("job", models.BatchJobUpdateOptions(priority=4))
        before = batch.client.get_task("job", "done").as_dict()
    with running(tmp_path) as batch:
        assert batch.client.get_job("job").priority == 4
        assert {**batch.client.get_task("job", "done").as_dict()} == before
        assert batch.stdout("done") == "kept\n"
        assert batch.client.get_job_task_counts("second").task_counts.active == 150
        assert [item.name for item in batch.client.get_pool("pool").metadata or []] == ["a"]
        batch.add_task("true", "after")
        batch.await_task("after")


def test_tasks_that_ran_are_requeued_and_run_again(tmp_path: Path) -> None:
    go = tmp_path / "go"
    with running(tmp_path / "root", killed=True) as batch:
        batch.make_pool(task_slots_per_node=2)
        batch.make_job()
        for name in ("one", "two"):
            batch.add_task(f"echo $$; until test -e {go}; do sleep 0.1; done", name)
        for name in ("one", "two"):
            batch.await_task(name, state="running")
            batch.wait_until(lambda name=name: batch.stdout(name) != "")  # type: ignore[misc]
        processes = started_processes(batch)
        assert len(processes) == 2
    wait_until(lambda: not any(each.alive() for each in processes), PATIENCE)
    with running(tmp_path / "root") as batch:
        go.touch()
        for name in ("one", "two"):
            info = batch.await_task(name).execution_info
            assert info is not None
            assert (info.exit_code, info.requeue_count, info.retry_count) == (0, 1, 0)


def test_an_orderly_stop_ends_all_processes_and_loses_nothing(tmp_path: Path) -> None:
    with running(tmp_path) as batch:
        batch.make_pool()
        batch.make_job()
        batch.add_task("echo $$; sleep 600")
        batch.await_task(state="running")
        batch.wait_until(lambda: batch.stdout() != "")
        (sleeper,) = started_processes(batch)
    assert not sleeper.alive()
    with running(tmp_path) as batch:
        info = batch.await_task(state="running").execution_info
        assert info is not None
        assert info.requeue_count == 1


def test_a_job_on_its_way_out_goes_on_after_a_restart(tmp_path: Path) -> None:
    with running(tmp_path, killed=True) as batch:
        batch.make_pool()
        batch.make_job()
        batch.make_job("other")
        for job in ("job", "other"):
            batch.add_task("trap : TERM; while true; do sleep 0.1; done", job_id=job)
        batch.await_task(state="running")
        assert batch.send("DELETE", "/jobs/job").status_code == 202
        assert batch.send("POST", "/jobs/other/terminate").status_code == 202
    with running(tmp_path) as batch:
        batch.await_gone(lambda: batch.client.get_job("job"))
        batch.await_job("other")


def test_a_start_task_and_a_preparation_task_run_again_on_a_node_that_starts_again(tmp_path: Path) -> None:
    count = "echo run >> $AZ_BATCH_NODE_SHARED_DIR/"
    with running(tmp_path, killed=True) as batch:
        batch.make_pool(start_task=models.BatchStartTask(command_line=shell(f"{count}starts"), wait_for_success=True))
        batch.make_job(job_preparation_task=models.BatchJobPreparationTask(command_line=shell(f"{count}preparations")))
        batch.add_task("true")
        batch.await_task()
    with running(tmp_path) as batch:
        batch.add_task("cd $AZ_BATCH_NODE_SHARED_DIR; cat starts preparations", "second")
        batch.await_task("second")
        assert batch.stdout("second") == "run\n" * 4


def test_a_job_schedule_goes_on_after_kill_9(tmp_path: Path) -> None:
    minute = timedelta(minutes=1)
    specification = models.BatchJobSpecification(pool_info=models.BatchPoolInfo(pool_id="pool"))

    def jobs(batch: Account, schedule_id: str) -> dict[str, object]:
        return {job.id: job.state for job in batch.client.list_jobs_from_schedule(schedule_id)}

    with running(tmp_path, killed=True) as batch:
        # The second occurrence is three seconds away.
        begin = datetime.now(UTC) - minute + timedelta(seconds=3)
        timing = models.BatchJobScheduleConfiguration(do_not_run_until=begin, recurrence_interval=minute)
        for name in ("recurring", "ending", "going"):
            options = models.BatchJobScheduleCreateOptions(id=name, schedule=timing, job_specification=specification)
            batch.client.create_job_schedule(options)
            batch.wait_until(lambda name=name: len(jobs(batch, name)) == 1)  # type: ignore[misc]
        assert batch.send("POST", "/jobschedules/ending/terminate").status_code == 202
        assert batch.send("DELETE", "/jobschedules/going").status_code == 202
    with running(tmp_path) as batch:
        batch.await_gone(lambda: batch.client.get_job_schedule("going"))
        batch.wait_until(lambda: batch.client.get_job_schedule("ending").state == "completed")
        assert jobs(batch, "ending") == {"ending:job-1": "completed"}
        assert jobs(batch, "recurring") == {"recurring:job-1": "active"}
        assert batch.send("POST", "/jobs/recurring:job-1/terminate").status_code == 202
        batch.wait_until(lambda: jobs(batch, "recurring").get("recurring:job-2") == "active")
