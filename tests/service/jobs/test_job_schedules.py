"""Job schedules: their jobs at the right time, their states, and what becomes of the jobs."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.batch import models

from tests.support.account import IMAGE, Account
from tests.support.schedules import (
    MINUTE,
    await_recent_job,
    await_schedule,
    make_due,
    make_schedule,
    run_stubbornly,
    terminate,
)


def test_a_schedule_without_times_makes_one_job_at_once_and_is_complete_with_it(batch: Account) -> None:
    make_schedule(batch, display_name="nightly", metadata=[models.BatchMetadataItem(name="a", value="1")])
    await_recent_job(batch)
    schedule = batch.client.get_job_schedule("schedule")
    assert (schedule.state, schedule.display_name, schedule.previous_state) == ("active", "nightly", None)
    assert [item.name for item in schedule.metadata or []] == ["a"]
    assert schedule.execution_info.next_run_time is None
    assert schedule.execution_info.recent_job is not None
    assert (schedule.execution_info.recent_job.url or "").endswith("/jobs/schedule:job-1")
    assert schedule.job_specification.all_tasks_complete_mode == "noaction"
    terminate(batch, "schedule:job-1")
    schedule = await_schedule(batch, "completed")
    assert schedule.previous_state == "active"
    assert schedule.execution_info.end_time is not None
    assert len(list(batch.client.list_jobs_from_schedule("schedule"))) == 1


def test_a_job_of_a_schedule_is_as_the_specification_says(batch: Account) -> None:
    specification = models.BatchJobSpecification(
        pool_info=models.BatchPoolInfo(pool_id="pool"),
        display_name="made by a schedule",
        priority=7,
        max_parallel_tasks=3,
        constraints=models.BatchJobConstraints(max_wall_clock_time=timedelta(hours=1), max_task_retry_count=2),
        common_environment_settings=[models.EnvironmentSetting(name="A", value="1")],
        metadata=[models.BatchMetadataItem(name="b", value="2")],
    )
    make_schedule(batch, job_specification=specification)
    await_recent_job(batch)
    job = batch.client.get_job("schedule:job-1")
    assert (job.display_name, job.priority, job.max_parallel_tasks) == ("made by a schedule", 7, 3)
    assert job.constraints is not None
    assert job.constraints.max_task_retry_count == 2
    assert [item.value for item in job.metadata or []] == ["2"]
    batch.make_pool()
    batch.add_task("echo $A", job_id="schedule:job-1")
    batch.await_task(job_id="schedule:job-1")
    assert batch.stdout(job_id="schedule:job-1") == "1\n"


def test_tasks_of_a_schedule_have_their_directories_below_that_of_the_schedule(batch: Account) -> None:
    make_schedule(batch)
    await_recent_job(batch)
    batch.make_pool()
    batch.add_task("pwd; echo $AZ_BATCH_JOB_ID", job_id="schedule:job-1")
    task = batch.await_task(job_id="schedule:job-1")
    directory, job_id = batch.stdout(job_id="schedule:job-1").splitlines()
    assert directory.endswith("/workitems/schedule/job-1/task/wd")
    assert job_id == "schedule:job-1"
    assert task.node_info is not None
    assert task.node_info.task_root_directory == "workitems/schedule/job-1/task"
    node_id = task.node_info.node_id or ""
    batch.client.begin_delete_job_schedule("schedule", polling_interval=0).result()
    batch.await_gone(lambda: batch.client.get_job_schedule("schedule"))
    names = [file.name or "" for file in batch.client.list_node_files("pool", node_id, recursive=True)]
    assert not any(name.startswith("workitems/schedule") for name in names)


def test_the_first_job_waits_for_the_time_it_may_not_run_until(batch: Account) -> None:
    begin = datetime.now(UTC) + timedelta(seconds=2)
    make_schedule(batch, do_not_run_until=begin, recurrence_interval=MINUTE)
    schedule = batch.client.get_job_schedule("schedule")
    assert schedule.execution_info.recent_job is None
    assert schedule.execution_info.next_run_time == begin
    await_recent_job(batch)
    job = batch.client.get_job("schedule:job-1")
    assert begin <= job.creation_time < begin + timedelta(seconds=10)
    assert batch.client.get_job_schedule("schedule").execution_info.next_run_time == begin + MINUTE


def test_a_recurring_schedule_makes_the_next_job_only_when_the_former_has_ended(batch: Account) -> None:
    # The second occurrence is two seconds away.
    begin = datetime.now(UTC) - MINUTE + timedelta(seconds=2)
    make_schedule(batch, do_not_run_until=begin, recurrence_interval=MINUTE)
    await_recent_job(batch)
    batch.wait_until(lambda: datetime.now(UTC) > begin + MINUTE + timedelta(seconds=0.3))
    assert [job.id for job in batch.client.list_jobs_from_schedule("schedule")] == ["schedule:job-1"]
    assert batch.client.get_job_schedule("schedule").execution_info.next_run_time == begin + MINUTE
    terminate(batch, "schedule:job-1")
    await_recent_job(batch, "schedule:job-2")
    states = {job.id: job.state for job in batch.client.list_jobs_from_schedule("schedule")}
    assert states == {"schedule:job-1": "completed", "schedule:job-2": "active"}
    assert batch.client.get_job_schedule("schedule").state == "active"


def test_a_schedule_whose_last_moment_is_past_is_complete_without_a_job(batch: Account) -> None:
    make_schedule(batch, do_not_run_after=datetime.now(UTC) - MINUTE, recurrence_interval=MINUTE)
    schedule = await_schedule(batch, "completed")
    assert schedule.execution_info.recent_job is None


def test_a_schedule_is_complete_when_its_last_moment_is_past(batch: Account) -> None:
    end = datetime.now(UTC) + timedelta(seconds=2)
    make_schedule(batch, do_not_run_after=end, recurrence_interval=MINUTE)
    await_recent_job(batch)
    terminate(batch, "schedule:job-1")
    assert batch.client.get_job_schedule("schedule").execution_info.next_run_time is None
    schedule = await_schedule(batch, "completed")
    assert schedule.execution_info.end_time is not None
    assert schedule.execution_info.end_time >= end


def test_a_disabled_schedule_makes_no_job_and_lets_the_active_one_go_on(batch: Account) -> None:
    make_schedule(batch, recurrence_interval=MINUTE)
    await_recent_job(batch)
    batch.client.disable_job_schedule("schedule")
    assert batch.client.get_job("schedule:job-1").state == "active"
    terminate(batch, "schedule:job-1")
    make_due(batch)
    # Schedules are served in turn: once a later one has its job, the first one was looked at.
    make_schedule(batch, "later")
    await_recent_job(batch, "later:job-1", "later")
    schedule = batch.client.get_job_schedule("schedule")
    assert (schedule.state, schedule.previous_state) == ("disabled", "active")
    assert schedule.execution_info.recent_job is not None
    assert schedule.execution_info.recent_job.id == "schedule:job-1"
    batch.client.enable_job_schedule("schedule")
    assert batch.client.get_job_schedule("schedule").state == "active"
    await_recent_job(batch, "schedule:job-2")


def test_a_terminated_schedule_ends_its_active_job(batch: Account) -> None:
    make_schedule(batch, recurrence_interval=MINUTE)
    await_recent_job(batch)
    batch.client.begin_terminate_job_schedule("schedule", polling_interval=0).result()
    schedule = await_schedule(batch, "completed")
    assert schedule.execution_info.end_time is not None
    assert schedule.execution_info.next_run_time is None
    job = batch.client.get_job("schedule:job-1")
    assert job.state == "completed"
    assert job.execution_info is not None
    assert job.execution_info.termination_reason == "TerminateJobSchedule"


@pytest.mark.parametrize(
    ("verb", "path", "state", "code"),
    [
        ("POST", "/terminate", "terminating", "JobScheduleBeingTerminated"),
        ("DELETE", "", "deleting", "JobScheduleBeingDeleted"),
    ],
)
def test_a_schedule_on_its_way_out_says_so_until_its_job_has_ended(
    batch: Account, verb: str, path: str, state: str, code: str
) -> None:
    make_schedule(batch)
    await_recent_job(batch)
    run_stubbornly(batch)
    assert batch.send(verb, f"/jobschedules/schedule{path}").status_code == 202
    refused(batch, {"patch": code})
    assert batch.client.get_job_schedule("schedule").state == state


@pytest.mark.parametrize(("verb", "path"), [("POST", "/terminate"), ("DELETE", "")])
def test_a_schedule_can_be_made_not_to_wait_for_its_nodes(batch: Account, verb: str, path: str) -> None:
    make_schedule(batch)
    await_recent_job(batch)
    run_stubbornly(batch)
    assert batch.send(verb, f"/jobschedules/schedule{path}?force=maybe").status_code == 400
    assert batch.send(verb, f"/jobschedules/schedule{path}?force=true").status_code == 202
    if verb == "POST":
        await_schedule(batch, "completed")
        assert batch.client.get_job("schedule:job-1").state == "completed"
    else:
        batch.await_gone(lambda: batch.client.get_job_schedule("schedule"))


def test_a_schedule_that_waits_for_its_nodes_can_be_made_to_wait_no_longer(batch: Account) -> None:
    release = models.BatchJobReleaseTask(command_line="sleep 600")
    preparation = models.BatchJobPreparationTask(command_line="true")
    pool = models.BatchPoolInfo(pool_id="pool")
    body = models.BatchJobSpecification(pool_info=pool, job_preparation_task=preparation, job_release_task=release)
    make_schedule(batch, job_specification=body)
    await_recent_job(batch)
    batch.make_pool()
    batch.add_task("true", job_id="schedule:job-1")
    batch.await_task(job_id="schedule:job-1")
    assert batch.send("POST", "/jobschedules/schedule/terminate").status_code == 202
    assert batch.send("POST", "/jobschedules/schedule/terminate").status_code == 409
    assert batch.send("POST", "/jobschedules/schedule/terminate?force=true").status_code == 202
    await_schedule(batch, "completed")
    assert batch.send("DELETE", "/jobschedules/schedule").status_code == 202
    batch.await_gone(lambda: batch.client.get_job_schedule("schedule"))


OPERATIONS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "patch": ("PATCH", "", {"json": {"metadata": []}}),
    "put": ("PUT", "", {"json": {"jobSpecification": {"poolInfo": {"poolId": "pool"}}}}),
    "disable": ("POST", "/disable", {}),
    "enable": ("POST", "/enable", {}),
    "terminate": ("POST", "/terminate", {}),
    "delete": ("DELETE", "", {}),
}


def refused(batch: Account, codes: dict[str, str]) -> None:
    """Checks that operations are refused with these codes."""
    for operation, code in codes.items():
        verb, path, options = OPERATIONS[operation]
        answer = batch.send(verb, f"/jobschedules/schedule{path}", **options)
        assert (operation, answer.status_code, answer.json()["code"]) == (operation, 409, code)


def test_each_state_refuses_what_is_illegal_in_it(batch: Account) -> None:
    make_schedule(batch, do_not_run_until=datetime.now(UTC) + timedelta(days=1))
    refused(batch, {"enable": "OperationInvalidForCurrentState"})
    batch.client.disable_job_schedule("schedule")
    refused(batch, {"disable": "JobScheduleDisabled"})
    assert batch.send("PATCH", "/jobschedules/schedule", json={"metadata": []}).status_code == 200
    assert batch.send("POST", "/jobschedules/schedule/terminate").status_code == 202
    await_schedule(batch, "completed")
    refused(batch, {name: "JobScheduleCompleted" for name in OPERATIONS if name != "delete"})
    assert batch.send("DELETE", "/jobschedules/schedule").status_code == 202
    batch.await_gone(lambda: batch.client.get_job_schedule("schedule"))


def test_a_deleted_schedule_takes_all_its_jobs_along(batch: Account) -> None:
    make_schedule(batch, recurrence_interval=MINUTE)
    await_recent_job(batch)
    terminate(batch, "schedule:job-1")
    make_due(batch)
    await_recent_job(batch, "schedule:job-2")
    batch.client.begin_delete_job_schedule("schedule", polling_interval=0).result()
    batch.await_gone(lambda: batch.client.get_job_schedule("schedule"))
    assert list(batch.client.list_jobs()) == []
    make_schedule(batch)
    await_recent_job(batch)


def auto_pool(**options: Any) -> models.BatchJobSpecification:
    """A specification whose jobs share a pool of their schedule, which has no nodes."""
    pool = models.BatchPoolSpecification(vm_size="standard_d2s_v3", virtual_machine_configuration=IMAGE)
    automatic = models.BatchAutoPoolSpecification(pool_lifetime_option="jobschedule", pool=pool, **options)
    return models.BatchJobSpecification(pool_info=models.BatchPoolInfo(auto_pool_specification=automatic))


def pool_of(batch: Account, job_id: str) -> str:
    info = batch.client.get_job(job_id).execution_info
    assert info is not None
    return info.pool_id or ""


def test_the_jobs_of_a_schedule_share_its_pool_which_ends_with_it(batch: Account) -> None:
    specification = auto_pool(auto_pool_id_prefix="mine")
    make_schedule(batch, recurrence_interval=MINUTE, job_specification=specification)
    await_recent_job(batch)
    pool_id = pool_of(batch, "schedule:job-1")
    assert pool_id.startswith("mine_")
    terminate(batch, "schedule:job-1")
    make_due(batch)
    await_recent_job(batch, "schedule:job-2")
    assert pool_of(batch, "schedule:job-2") == pool_id
    assert [pool.id for pool in batch.client.list_pools()] == [pool_id]
    batch.client.begin_terminate_job_schedule("schedule", polling_interval=0).result()
    await_schedule(batch, "completed")
    batch.await_gone(lambda: batch.client.get_pool(pool_id))


def test_a_pool_that_is_kept_alive_outlives_its_schedule(batch: Account) -> None:
    make_schedule(batch, job_specification=auto_pool(keep_alive=True))
    await_recent_job(batch)
    pool_id = pool_of(batch, "schedule:job-1")
    batch.client.begin_delete_job_schedule("schedule", polling_interval=0).result()
    batch.await_gone(lambda: batch.client.get_job_schedule("schedule"))
    assert batch.client.get_pool(pool_id).state == "active"


def test_a_schedule_whose_pool_can_not_be_made_says_so_in_its_job(batch: Account) -> None:
    specification = auto_pool()
    assert specification.pool_info.auto_pool_specification is not None
    pool = specification.pool_info.auto_pool_specification.pool
    assert pool is not None
    pool.application_package_references = [models.BatchApplicationPackageReference(application_id="none")]
    make_schedule(batch, job_specification=specification)
    await_schedule(batch, "completed")
    info = batch.client.get_job("schedule:job-1").execution_info
    assert info is not None
    assert info.scheduling_error is not None
    assert info.scheduling_error.code == "InvalidApplicationPackageReferencesInAutoPool"
