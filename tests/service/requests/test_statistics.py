"""What ``$expand=stats`` shows of tasks, jobs, job schedules and pools."""

from datetime import timedelta

import pytest
from azure.batch import models
from azure.core.exceptions import HttpResponseError

from tests.support.account import Account, error_code

NOTHING = timedelta()
WORK = "end=$(($(date +%s%N) + 300000000)); while [ $(date +%s%N) -lt $end ]; do :; done"


def job_statistics(batch: Account, job_id: str = "job") -> models.BatchJobStatistics:
    found = batch.client.get_job(job_id, expand=["stats"]).job_statistics
    assert found is not None
    return found


def task_statistics(batch: Account, task_id: str = "task") -> models.BatchTaskStatistics:
    found = batch.client.get_task("job", task_id, expand=["stats"]).task_statistics
    assert found is not None
    return found


def pool_core_time(batch: Account) -> timedelta:
    found = batch.client.get_pool("pool", expand=["stats"]).pool_statistics
    assert found is not None
    assert found.usage_statistics is not None
    assert found.resource_statistics is None
    return found.usage_statistics.dedicated_core_time


def test_a_task_tells_what_it_has_used(batch: Account) -> None:
    task = batch.run(WORK)
    found = task_statistics(batch)
    info = task.execution_info
    assert info is not None
    assert info.start_time is not None
    assert info.end_time is not None
    assert found.start_time == task.creation_time
    assert found.wall_clock_time > timedelta(seconds=0.25)
    assert abs(found.wall_clock_time - (info.end_time - info.start_time)) < timedelta(seconds=0.5)
    assert found.wait_time == info.start_time - task.creation_time
    assert NOTHING < found.user_cpu_time + found.kernel_cpu_time < timedelta(seconds=5)
    assert found.url.endswith("/jobs/job/tasks/task/stats")


def test_a_task_that_waits_has_used_nothing(batch: Account) -> None:
    batch.make_job()
    batch.add_task("true")
    found = task_statistics(batch)
    assert (found.wall_clock_time, found.user_cpu_time, found.kernel_cpu_time) == (NOTHING, NOTHING, NOTHING)


def test_the_time_of_all_runs_counts(batch: Account) -> None:
    batch.make_pool()
    batch.make_job()
    batch.add_task("sleep 0.2; exit 1", constraints=models.BatchTaskConstraints(max_task_retry_count=2))
    batch.await_task()
    assert task_statistics(batch).wall_clock_time >= timedelta(seconds=0.6)
    assert job_statistics(batch).task_retries_count == 2


def test_a_job_adds_up_its_tasks(batch: Account) -> None:
    batch.make_pool(task_slots_per_node=4)
    batch.make_job()
    batch.add_task("sleep 0.2", "one")
    batch.add_task("sleep 0.2", "two")
    batch.add_task("exit 1", "three")
    batch.add_task("sleep 600", "four")
    for name in ("one", "two", "three"):
        batch.await_task(name)
    batch.await_task("four", state="running")
    first = job_statistics(batch)
    assert (first.succeeded_tasks_count, first.failed_tasks_count, first.task_retries_count) == (2, 1, 0)
    assert first.wall_clock_time >= timedelta(seconds=0.4)
    assert (first.wait_time, first.read_iops, first.write_iops) == (NOTHING, 0, 0)
    batch.wait_until(lambda: job_statistics(batch).wall_clock_time > first.wall_clock_time)


def test_ended_by_request_a_task_keeps_its_time(batch: Account) -> None:
    batch.make_pool()
    batch.make_job()
    batch.add_task("sleep 600")
    batch.await_task(state="running")
    batch.client.terminate_task("job", "task")
    found = task_statistics(batch)
    assert found.wall_clock_time > NOTHING
    assert task_statistics(batch).wall_clock_time == found.wall_clock_time


def test_a_pool_tells_the_core_time_of_its_dedicated_nodes(batch: Account) -> None:
    batch.make_pool(target_low_priority_nodes=1)
    batch.await_nodes(count=2)
    first = pool_core_time(batch)
    assert NOTHING < first < timedelta(minutes=1)
    batch.client.begin_resize_pool("pool", models.BatchPoolResizeOptions(target_dedicated_nodes=0))
    batch.await_nodes(count=1)
    gone = pool_core_time(batch)
    assert gone >= first
    assert pool_core_time(batch) == gone


def test_lists_tell_it_too_and_only_if_asked(batch: Account) -> None:
    batch.run("true")
    assert [each.task_statistics for each in batch.client.list_tasks("job")] == [None]
    assert batch.client.get_job("job").job_statistics is None
    (task,) = batch.client.list_tasks("job", expand=["stats"])
    (job,) = batch.client.list_jobs(expand=["stats"], filter="state eq 'active'")
    (pool,) = batch.client.list_pools(expand=["stats"])
    assert task.task_statistics is not None
    assert job.job_statistics is not None
    assert job.job_statistics.succeeded_tasks_count == 1
    assert pool.pool_statistics is not None
    (selected,) = batch.client.list_jobs(expand=["stats"], select=["id"])
    assert selected.job_statistics is None


def test_a_schedule_adds_up_its_jobs(batch: Account) -> None:
    batch.make_pool()
    manager = models.BatchJobManagerTask(id="manager", command_line="true")
    specification = models.BatchJobSpecification(
        pool_info=models.BatchPoolInfo(pool_id="pool"), job_manager_task=manager
    )
    batch.client.create_job_schedule(
        models.BatchJobScheduleCreateOptions(
            id="schedule", schedule=models.BatchJobScheduleConfiguration(), job_specification=specification
        )
    )
    batch.await_job("schedule:job-1")
    found = batch.client.get_job_schedule("schedule", expand=["stats"]).job_schedule_statistics
    assert found is not None
    assert (found.succeeded_tasks_count, found.failed_tasks_count) == (1, 0)
    batch.client.begin_delete_job_schedule("schedule", polling_interval=0).result()


def test_nothing_else_can_be_expanded(batch: Account) -> None:
    batch.make_job()
    with pytest.raises(HttpResponseError) as caught:
        batch.client.get_job("job", expand=["tasks"])
    assert error_code(caught.value) == "InvalidQueryParameterValue"
