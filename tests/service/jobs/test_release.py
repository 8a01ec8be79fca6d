"""Job release tasks: at the end of a job, on each node that its preparation task made ready."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.batch import models
from azure.core.exceptions import HttpResponseError, ResourceExistsError

from tests.support.account import PATIENCE, Account, error_code, error_values, shell
from tests.support.processes import process, wait_until

WAITS = "echo $$; trap : TERM; until test -e {go}; do sleep 0.05; done"


def make_job(batch: Account, command: str, prepare: str = "true", job_id: str = "job", **options: Any) -> None:
    """Creates a job with a preparation and a release task."""
    preparation = models.BatchJobPreparationTask(command_line=shell(prepare), **options.pop("preparation", {}))
    task = models.BatchJobReleaseTask(command_line=shell(command), **options.pop("release", {}))
    batch.make_job(job_id, job_preparation_task=preparation, job_release_task=task, **options)


def run_task(batch: Account, command: str, **options: Any) -> None:
    """Makes a pool and a job, and runs one task."""
    batch.make_pool()
    make_job(batch, command, **options)
    batch.add_task("true")
    batch.await_task()


def terminate(batch: Account, query: str = "") -> None:
    assert batch.send("POST", f"/jobs/job/terminate{query}").status_code == 202


def statuses(batch: Account, **options: Any) -> list[models.BatchJobPreparationAndReleaseTaskStatus]:
    return list(batch.client.list_job_preparation_and_release_task_status("job", **options))


def release_info(batch: Account) -> models.BatchJobReleaseTaskExecutionInfo:
    (status,) = statuses(batch)
    assert status.job_release_task_execution_info is not None
    return status.job_release_task_execution_info


def await_release(batch: Account, state: str = "running") -> None:
    """Waits until the release task of the job is in a state on its one node."""

    def reached() -> bool:
        infos = [status.job_release_task_execution_info for status in statuses(batch)]
        return [info.state for info in infos if info is not None] == [state]

    batch.wait_until(reached)


def test_it_runs_once_on_each_node_that_was_prepared_and_on_no_other(batch: Account) -> None:
    batch.make_pool(nodes=3)
    batch.await_nodes(count=3)
    make_job(
        batch, "echo released in $AZ_BATCH_JOB_ID; cat $AZ_BATCH_JOB_PREP_WORKING_DIR/made", "echo prepared > made"
    )
    for number in range(2):
        batch.add_task("until test -e go; do sleep 0.05; done", f"task{number}")
    for number in range(2):
        batch.await_task(f"task{number}", state="running")
    terminate(batch)
    batch.await_job()
    found = statuses(batch)
    assert len({status.node_id for status in found}) == 2
    for status in found:
        info = status.job_release_task_execution_info
        assert info is not None
        assert (info.state, info.result, info.exit_code) == ("completed", "success", 0)
        assert info.task_root_directory == "workitems/job/job-1/jobrelease"
        path = f"{info.task_root_directory}/stdout.txt"
        text = b"".join(batch.client.download_node_file("pool", status.node_id or "", path))
        assert text == b"released in job\nprepared\n"


def test_the_job_ends_only_after_it_and_it_takes_no_slot(batch: Account, tmp_path: Path) -> None:
    go = tmp_path / "go"
    run_task(batch, WAITS.format(go=go))
    terminate(batch)
    await_release(batch)
    assert batch.client.get_job("job").state == "terminating"
    (node,) = batch.client.list_nodes("pool")
    assert (node.state, node.running_tasks_count, node.running_task_slots_count) == ("idle", 0, 0)
    batch.make_job("other")
    batch.add_task("true", job_id="other")
    batch.await_task(job_id="other")
    go.touch()
    batch.await_job()


def test_its_failure_does_not_keep_the_job_from_its_end(batch: Account) -> None:
    run_task(batch, "exit 5")
    terminate(batch)
    batch.await_job()
    info = release_info(batch)
    assert info.failure_info is not None
    assert (info.result, info.exit_code, info.failure_info.code) == ("failure", 5, "FailureExitCode")


def test_its_time_is_limited(batch: Account) -> None:
    run_task(batch, "sleep 600", release={"max_wall_clock_time": timedelta(seconds=1)})
    terminate(batch)
    batch.await_job()
    assert release_info(batch).result == "failure"


def test_by_force_the_job_does_not_wait_for_it(batch: Account, tmp_path: Path) -> None:
    go = tmp_path / "go"
    run_task(batch, WAITS.format(go=go))
    terminate(batch, "?force=true")
    batch.await_job()
    await_release(batch)
    go.touch()
    await_release(batch, "completed")
    assert release_info(batch).result == "success"


def test_a_job_that_waits_for_it_can_be_made_to_wait_no_longer(batch: Account, tmp_path: Path) -> None:
    run_task(batch, WAITS.format(go=tmp_path / "go"))
    terminate(batch)
    await_release(batch)
    response = batch.send("POST", "/jobs/job/terminate")
    assert (response.status_code, response.json()["code"]) == (409, "JobBeingTerminated")
    terminate(batch, "?force=true")
    batch.await_job()
    (tmp_path / "go").touch()


def test_it_runs_before_a_job_is_deleted(batch: Account, tmp_path: Path) -> None:
    run_task(batch, f"touch {tmp_path}/released")
    batch.client.begin_delete_job("job", polling_interval=0).result()
    batch.await_gone(lambda: batch.client.get_job("job"))
    assert (tmp_path / "released").exists()


def test_it_runs_no_second_time_when_a_completed_job_is_deleted(batch: Account, tmp_path: Path) -> None:
    run_task(batch, f"echo released >> {tmp_path}/releases")
    terminate(batch)
    batch.await_job()
    batch.client.begin_delete_job("job", polling_interval=0).result()
    batch.await_gone(lambda: batch.client.get_job("job"))
    assert (tmp_path / "releases").read_text() == "released\n"


def test_a_job_that_is_deleted_can_be_made_to_go_without_it(batch: Account, tmp_path: Path) -> None:
    run_task(batch, WAITS.format(go=tmp_path / "go"))
    assert batch.send("DELETE", "/jobs/job").status_code == 202
    await_release(batch)
    response = batch.send("DELETE", "/jobs/job")
    assert (response.status_code, response.json()["code"]) == (409, "JobBeingDeleted")
    assert batch.send("DELETE", "/jobs/job?force=true").status_code == 202
    batch.await_gone(lambda: batch.client.get_job("job"))


def test_a_job_that_was_ended_by_force_is_deleted_once_all_that_it_runs_is_over(batch: Account, tmp_path: Path) -> None:
    batch.make_pool(nodes=2)
    batch.await_nodes(count=2)
    stubborn = "trap : TERM; echo $$ > pid.new; mv pid.new {at}/pid; while true; do sleep 0.1; done"
    make_job(batch, "true", f"mkdir {tmp_path}/first || {{ {stubborn.format(at=tmp_path)}; }}")
    for number in range(2):
        batch.add_task("sleep 600", f"task{number}")
    batch.wait_until(lambda: (tmp_path / "pid").exists())
    preparation = process(int((tmp_path / "pid").read_text()))
    assert preparation is not None
    terminate(batch, "?force=true")
    batch.client.begin_delete_job("job", polling_interval=0).result()
    batch.await_gone(lambda: batch.client.get_job("job"))
    assert not preparation.alive()
    for node in batch.client.list_nodes("pool"):
        names = [file.name or "" for file in batch.client.list_node_files("pool", node.id, recursive=True)]
        assert not [name for name in names if name.startswith("workitems/job")]


def test_where_the_preparation_failed_it_does_not_run(batch: Account, tmp_path: Path) -> None:
    batch.make_pool()
    make_job(batch, f"touch {tmp_path}/released", prepare="exit 1")
    batch.add_task("true")
    batch.wait_until(lambda: any(_result(status) == "failure" for status in statuses(batch)))
    terminate(batch)
    batch.await_job()
    assert [status.job_release_task_execution_info for status in statuses(batch)] == [None]
    assert not (tmp_path / "released").exists()


def _result(status: models.BatchJobPreparationAndReleaseTaskStatus) -> str | None:
    info = status.job_preparation_task_execution_info
    return None if info is None else info.result


def test_a_preparation_that_was_cut_short_has_ended(batch: Account) -> None:
    batch.make_pool()
    make_job(batch, "true", prepare="sleep 600")
    batch.add_task("true")
    batch.await_task(state="preparing")
    batch.wait_until(lambda: len(statuses(batch)) == 1)
    terminate(batch)
    batch.await_job()
    (status,) = statuses(batch)
    info = status.job_preparation_task_execution_info
    assert info is not None
    assert info.failure_info is not None
    assert (info.state, info.result, info.failure_info.code) == ("completed", "failure", "TaskEnded")
    assert status.job_release_task_execution_info is None


def test_a_node_that_leaves_meanwhile_does_not_hold_up_the_job(batch: Account, tmp_path: Path) -> None:
    run_task(batch, WAITS.format(go=tmp_path / "go"))
    terminate(batch)
    await_release(batch)
    batch.client.begin_resize_pool("pool", models.BatchPoolResizeOptions(target_dedicated_nodes=0))
    batch.await_job()
    info = release_info(batch)
    assert info.failure_info is not None
    assert (info.state, info.failure_info.code) == ("completed", "TaskEnded")


def test_on_a_node_that_reboots_meanwhile_it_runs_again(batch: Account, tmp_path: Path) -> None:
    go, runs = tmp_path / "go", tmp_path / "runs"
    run_task(batch, f"echo run >> {runs}; {WAITS.format(go=go)}")
    terminate(batch)
    wait_until(runs.exists, PATIENCE)
    (node,) = batch.client.list_nodes("pool")
    assert batch.send("POST", f"/pools/pool/nodes/{node.id}/reboot").status_code == 202
    wait_until(lambda: runs.read_text() == "run\nrun\n", PATIENCE)
    assert batch.client.get_job("job").state == "terminating"
    go.touch()
    batch.await_job()
    assert release_info(batch).result == "success"


def test_a_node_that_was_reimaged_has_nothing_to_release(batch: Account, tmp_path: Path) -> None:
    run_task(batch, f"touch {tmp_path}/released")
    (node,) = batch.client.list_nodes("pool")
    assert batch.send("POST", f"/pools/pool/nodes/{node.id}/reimage").status_code == 202
    batch.await_nodes()
    terminate(batch)
    batch.await_job()
    assert [status.job_release_task_execution_info for status in statuses(batch)] == [None]
    assert not (tmp_path / "released").exists()


def test_a_node_that_is_lost_meanwhile_does_not_hold_up_the_job(batch: Account, tmp_path: Path) -> None:
    run_task(batch, WAITS.format(go=tmp_path / "go"))
    terminate(batch)
    await_release(batch)
    (node,) = batch.client.list_nodes("pool")
    assert batch.send("POST", f"/pools/pool/nodes/{node.id}/deallocate").status_code == 202
    batch.await_job()
    info = release_info(batch)
    assert info.failure_info is not None
    assert (info.state, info.failure_info.code) == ("completed", "TaskEnded")


def test_its_directory_goes_at_the_end_of_its_retention(batch: Account) -> None:
    run_task(batch, "true", release={"id": "clean", "retention_time": timedelta(seconds=1)})
    (node,) = batch.client.list_nodes("pool")

    def names() -> set[str]:
        files = batch.client.list_node_files("pool", node.id, recursive=True)
        return {(file.name or "").removeprefix("workitems/job/job-1/").partition("/")[0] for file in files}

    terminate(batch)
    batch.await_job()
    batch.wait_until(lambda: "clean" not in names())
    assert "jobpreparation" in names()


def test_the_list_is_filtered_and_comes_by_pages(batch: Account) -> None:
    batch.make_pool(nodes=2)
    batch.await_nodes(count=2)
    make_job(batch, "true")
    for number in range(2):
        batch.add_task("until test -e go; do sleep 0.05; done", f"task{number}")
        batch.await_task(f"task{number}", state="running")
    terminate(batch)
    batch.await_job()
    assert len(statuses(batch, max_results=1)) == 2
    done = "jobReleaseTaskExecutionInfo/result eq 'success' and jobReleaseTaskExecutionInfo/exitCode eq 0"
    assert len(statuses(batch, filter=done)) == 2
    assert statuses(batch, filter="jobReleaseTaskExecutionInfo/state eq 'running'") == []
    (one, _) = statuses(batch)
    assert [each.node_id for each in statuses(batch, filter=f"nodeId eq '{one.node_id}'")] == [one.node_id]
    (first, _) = statuses(batch, select=["nodeId"])
    assert first.job_release_task_execution_info is None


def test_it_is_shown_with_its_defaults(batch: Account) -> None:
    make_job(batch, "true")
    task = batch.client.get_job("job").job_release_task
    assert task is not None
    limits = (task.max_wall_clock_time, task.retention_time)
    assert (task.id, *limits) == ("jobrelease", timedelta(minutes=15), timedelta(days=7))


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"max_wall_clock_time": timedelta(minutes=15, seconds=1)}, "jobReleaseTask.maxWallClockTime"),
        ({"max_wall_clock_time": timedelta(0)}, "jobReleaseTask.maxWallClockTime"),
        ({"id": "no id"}, "jobReleaseTask.id"),
        ({"resource_files": [models.ResourceFile(file_path="x")]}, "jobReleaseTask.resourceFiles.0"),
    ],
)
def test_one_that_can_not_be_is_refused(batch: Account, options: dict[str, Any], name: str) -> None:
    with pytest.raises(HttpResponseError) as caught:
        make_job(batch, "true", release=options)
    assert (caught.value.status_code, error_values(caught.value)["PropertyName"]) == (400, name)


def test_it_needs_a_preparation_task(batch: Account) -> None:
    with pytest.raises(HttpResponseError) as caught:
        batch.make_job(job_release_task=models.BatchJobReleaseTask(command_line="true"))
    assert (caught.value.status_code, error_code(caught.value)) == (400, "InvalidPropertyValue")


def test_nothing_else_has_its_id(batch: Account) -> None:
    with pytest.raises(ResourceExistsError) as caught:
        make_job(batch, "true", preparation={"id": "same"}, release={"id": "Same"})
    assert error_code(caught.value) == "TaskIdSameAsJobPreparationTask"
    make_job(batch, "true", release={"id": "clean"})
    with pytest.raises(ResourceExistsError) as caught:
        batch.add_task("true", "CLEAN")
    assert error_code(caught.value) == "TaskIdSameAsJobReleaseTask"
