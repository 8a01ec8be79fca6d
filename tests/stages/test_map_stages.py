"""The stages of a map job, from submit to collect, one after the other."""

import threading
from datetime import timedelta
from pathlib import Path

import pytest
from azure.core.exceptions import ResourceExistsError

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.flows.outcomes import task_result
from prefect_azure_batch.tasks.application import ship_program
from prefect_azure_batch.tasks.errors import DeadlineExceeded, JobEnded, PoolUnusable, ServiceFailure, translated
from prefect_azure_batch.tasks.job import cancel_job, close_job, create_job
from prefect_azure_batch.tasks.manifest import OURS, Manifest
from prefect_azure_batch.tasks.records import JobPlan, Program, TaskPlan
from prefect_azure_batch.tasks.submit import add_tasks
from prefect_azure_batch.tasks.task_pages import pages_of_ends
from prefect_azure_batch.tasks.transfer import delete_folder
from prefect_azure_batch.tasks.wait import abandon_job, job_poller, wait_for_tasks
from tests.stages.conftest import Bench
from tests.support.processes import wait_until


def test_logs_and_outputs_of_every_task_are_collected(bench: Bench, two_files: Path, tmp_path: Path) -> None:
    bench.create_job()
    added = bench.add(two_files, "wc -c < {input}; echo oops >&2; tr a-z A-Z < {input} > {stem}.up", ("*.up",))
    ended = bench.wait(added)
    collected = bench.collect(ended, tmp_path / "results")
    assert [(task.end.succeeded, task.end.exit_code) for task in ended] == [(True, 0)] * 2
    assert [files.stdout and files.stdout.read_text().split() for files in collected] == [["5"], ["10"]]
    assert [files.stderr and files.stderr.read_text() for files in collected] == ["oops\n"] * 2
    assert [[path.read_text() for path in files.outputs] for files in collected] == [["ALPHA"], ["BETA GAMMA"]]
    assert collected[0].outputs == (tmp_path / "results" / added[0].task_id / "a.up",)


def test_an_exit_code_is_the_result(bench: Bench, two_files: Path) -> None:
    bench.create_job()
    ended = bench.wait(bench.add(two_files, 'test "$(cat {input})" = alpha || exit 3'))
    assert [(task.end.succeeded, task.end.exit_code) for task in ended] == [(True, 0), (False, 3)]
    assert "FailureExitCode" in ended[1].end.failure
    assert ended[1].end.node_id


def test_a_missing_program_is_a_failure_with_the_shells_exit_code(bench: Bench, two_files: Path) -> None:
    bench.create_job()
    assert [task.end.exit_code for task in bench.wait(bench.add(two_files, "no-such-program"))] == [127, 127]


def test_a_shipped_program_is_on_the_node_and_can_be_executed(bench: Bench, two_files: Path, tmp_path: Path) -> None:
    program = tmp_path / "a program"
    program.mkdir()
    (program / "count it").write_text("#!/bin/sh\nwc -c\n")
    (program / "count it").chmod(0o755)
    shipped = ship_program(bench.account.storage, program)
    bench.create_job(shipped)
    ended = bench.wait(bench.add(two_files, "{app}/'count it' < {input}"))
    assert [task.end.exit_code for task in ended] == [0, 0]


def test_adding_the_same_tasks_again_finds_them(bench: Bench, two_files: Path) -> None:
    bench.create_job()
    assert bench.add(two_files, "true") == bench.add(two_files, "true")
    assert len(list(bench.account.get_client().list_tasks(bench.job_id))) == 2


def test_more_tasks_than_one_request_takes_are_all_added(bench: Bench, tmp_path: Path) -> None:
    for number in range(130):
        (tmp_path / f"{number:03}").write_text(str(number))
    bench.create_job()
    stored = bench.store(tmp_path)
    added = add_tasks(bench.account, bench.run, stored, TaskPlan("true"))
    assert [task.index for task in added] == list(range(130))
    assert {task.end.exit_code for task in bench.wait(added)} == {0}


def test_a_group_above_the_size_of_a_request_is_halved(bench: Bench, tmp_path: Path) -> None:
    for number in range(100):
        (tmp_path / f"{number:03}").touch()
    bench.create_job()
    added = bench.add(tmp_path, f"true # {'x' * 15_000}")
    assert len({task.task_id for task in added}) == 100


def test_all_who_wait_for_a_job_share_one_poller(bench: Bench, two_files: Path) -> None:
    bench.create_job()
    added = bench.add(two_files, "sleep 1")
    with job_poller(bench.account, bench.run):
        threads = [threading.Thread(target=bench.wait, args=([task],)) for task in added]
        for thread in threads:
            thread.start()
        pollers = [thread for thread in threading.enumerate() if thread.name == f"poller-{bench.job_id}"]
        for thread in threads:
            thread.join()
    assert len(pollers) == 1


def test_waiting_ends_when_somebody_ends_the_job(bench: Bench, two_files: Path, account: AzureBatchAccount) -> None:
    bench.create_job()
    added = bench.add(two_files, "sleep 60")
    with job_poller(account, bench.run):
        account.get_client().begin_delete_job(bench.job_id)
        with pytest.raises(JobEnded, match="deleted"):
            bench.wait(added)


def test_nobody_begins_to_wait_for_an_abandoned_job(bench: Bench, two_files: Path, account: AzureBatchAccount) -> None:
    bench.create_job()
    added = bench.add(two_files, "sleep 60")
    with job_poller(account, bench.run) as poller:
        abandon_job(account, bench.run)
        assert poller.stopped
        with pytest.raises(JobEnded):
            bench.wait(added)


def test_a_job_that_is_gone_has_no_tasks_that_ended(account: AzureBatchAccount) -> None:
    with pytest.raises(ServiceFailure, match="The specified job does not exist") as caught, translated("look"):
        list(pages_of_ends(account.get_client(), "gone"))
    assert (caught.value.code, caught.value.status) == ("JobNotFound", 404)


def test_waiting_ends_at_the_deadline(bench: Bench, two_files: Path) -> None:
    bench.create_job()
    added = bench.add(two_files, "sleep 60")
    with pytest.raises(DeadlineExceeded):
        wait_for_tasks(bench.account, bench.run, added, timedelta(seconds=0.5))


def test_a_closed_job_ends_when_its_tasks_have(bench: Bench, two_files: Path) -> None:
    bench.create_job()
    added = bench.add(two_files, "true")
    close_job(bench.account, bench.run)
    bench.wait(added)
    job = bench.account.get_client().get_job(bench.job_id)
    assert job.execution_info
    assert job.execution_info.termination_reason == "AllTasksComplete"


def test_a_program_that_cannot_be_unpacked_is_told_instead_of_waited_for(bench: Bench, two_files: Path) -> None:
    container = bench.account.storage.get_client().get_container_client("broken")
    container.create_container()
    container.upload_blob("program.tar.gz", b"this is no archive")
    bench.create_job(Program("digest", "AZ_BATCH_JOB_PREP_WORKING_DIR", "broken", "program.tar.gz"))
    with pytest.raises(PoolUnusable, match=r"could not be prepared: .*exit code 2.*stderr ends: .*not in gzip format"):
        bench.wait(bench.add(two_files, "true"))


def test_a_task_whose_logs_are_gone_has_failed(bench: Bench, two_files: Path, tmp_path: Path) -> None:
    bench.create_job()
    (ended, _) = tasks = bench.wait(bench.add(two_files, "cat {input}"))
    assert ended.end.succeeded
    delete_folder(bench.account.storage.get_client(), bench.run.container, bench.run.folder)
    result = task_result(ended, bench.collect(tasks, tmp_path / "out")[0], (), "run")
    assert (result.state, result.exit_code) == ("failed", 0)
    assert "stdout.txt and stderr.txt did not arrive" in (result.error or "")


def test_a_closed_job_is_closed_once_more(bench: Bench, two_files: Path) -> None:
    bench.create_job()
    bench.wait(bench.add(two_files, "true"))
    client = bench.account.get_client()
    close_job(bench.account, bench.run)
    wait_until(lambda: client.get_job(bench.job_id).state == "completed", 30)
    close_job(bench.account, bench.run)


def test_one_who_begins_to_wait_later_learns_too_that_the_job_has_ended(bench: Bench, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    bench.create_job()
    added = bench.add(tmp_path, 'test "$(cat {input})" = a || sleep 600')
    manifest = Manifest.of_tasks((task.task_id, task.label) for task in added)
    (batch,) = manifest.batches(OURS, 2)
    with job_poller(bench.account, bench.run, ends=manifest.ends_of(OURS)) as poller:
        poller.wait_until(lambda: manifest.ready(batch) == 1)
    assert cancel_job(bench.account, bench.job_id)
    with (
        job_poller(bench.account, bench.run, ends=manifest.ends_of(OURS)) as poller,
        pytest.raises(JobEnded, match="was cancelled"),
    ):
        poller.wait_until(lambda: False)
    assert cancel_job(bench.account, bench.job_id)
    assert not cancel_job(bench.account, "no-such-job")


def test_a_node_keeps_what_a_task_has_left_for_as_long_as_was_asked(
    bench: Bench, account: AzureBatchAccount, two_files: Path
) -> None:
    bench.create_job()
    client, stored = account.get_client(), bench.store(two_files)
    plan = TaskPlan("echo short-lived", retention=timedelta(seconds=1))
    (short,) = bench.wait(add_tasks(account, bench.run, stored[:1], plan))
    (usual,) = bench.wait(add_tasks(account, bench.run, stored[1:], TaskPlan("echo usual")))

    def is_gone() -> bool:
        try:
            return list(client.list_task_files(bench.job_id, short.task_id)) == []
        except ResourceExistsError as error:
            return bool(error.error and error.error.code == "TaskFilesCleanedup")

    wait_until(is_gone, 30)
    assert list(client.list_task_files(bench.job_id, usual.task_id))
    asked = [client.get_task(bench.job_id, task.task_id).constraints for task in (short, usual)]
    assert [each and each.retention_time for each in asked] == [timedelta(seconds=1), timedelta(days=7)]


def test_an_exit_code_ends_its_job_with_nobody_watching(
    bench: Bench, account: AzureBatchAccount, two_files: Path
) -> None:
    plan = JobPlan(bench.job_id, bench.pool_id, bench.job_id, stop_on=(61,))
    bench.run = create_job(account, plan)
    add_tasks(account, bench.run, bench.store(two_files), TaskPlan("sleep {index}; exit 6{index}", stop_on=(61,)))
    client = account.get_client()
    wait_until(lambda: client.get_job(bench.job_id).state == "completed", 30)
    ended = client.get_job(bench.job_id).execution_info
    assert ended is not None
    assert str.lower(ended.termination_reason or "") == "taskfailed"
    assert [task.execution_info and task.execution_info.exit_code for task in client.list_tasks(bench.job_id)] == [
        60,
        61,
    ]
