"""Job preparation tasks: once on each node, before the job's first task there."""

import pytest
from azure.batch import models
from azure.core.exceptions import ResourceExistsError

from tests.support.account import Account, error_code, shell

COUNT = "echo run >> $AZ_BATCH_NODE_SHARED_DIR/runs"


def preparation(command: str, **options: object) -> models.BatchJobPreparationTask:
    return models.BatchJobPreparationTask(command_line=shell(command), **options)  # type: ignore[call-overload,no-any-return]


def test_it_runs_once_per_node_however_many_tasks_wait_for_it(batch: Account) -> None:
    batch.make_pool(nodes=1, task_slots_per_node=4)
    batch.make_job(job_preparation_task=preparation(COUNT))
    for number in range(6):
        batch.add_task("cat $AZ_BATCH_NODE_SHARED_DIR/runs", f"task{number}")
    for number in range(6):
        batch.await_task(f"task{number}")
        assert batch.stdout(f"task{number}") == "run\n"


def test_tasks_are_told_where_it_ran(batch: Account) -> None:
    batch.make_pool()
    batch.make_job(job_preparation_task=preparation("echo prepared > made"))
    batch.add_task("cat $AZ_BATCH_JOB_PREP_WORKING_DIR/made")
    batch.await_task()
    assert batch.stdout() == "prepared\n"


def test_its_state_is_listed(batch: Account) -> None:
    batch.make_pool()
    batch.make_job(job_preparation_task=preparation("true", id="prepare"))
    batch.add_task("true")
    batch.await_task()
    (status,) = batch.client.list_job_preparation_and_release_task_status("job")
    info = status.job_preparation_task_execution_info
    assert info is not None
    assert (info.state, info.exit_code, info.result, info.retry_count) == ("completed", 0, "success", 0)
    assert info.task_root_directory == "workitems/job/job-1/prepare"


def test_a_job_without_one_has_no_such_list(batch: Account) -> None:
    batch.make_job()
    with pytest.raises(ResourceExistsError) as caught:
        list(batch.client.list_job_preparation_and_release_task_status("job"))
    assert error_code(caught.value) == "JobPreparationTaskNotSpecified"


def test_where_it_fails_no_task_of_the_job_runs(batch: Account) -> None:
    batch.make_pool()
    batch.make_job(job_preparation_task=preparation("exit 4"))
    batch.add_task("true")

    def failed() -> bool:
        found = list(batch.client.list_job_preparation_and_release_task_status("job"))
        infos = [status.job_preparation_task_execution_info for status in found]
        return any(info is not None and info.result == "failure" for info in infos)

    batch.wait_until(failed)
    batch.await_task(state="active")
    batch.make_job("other")
    batch.add_task("true", job_id="other")
    batch.await_task(job_id="other")


def test_it_is_run_again_after_a_failure_if_it_may(batch: Account) -> None:
    batch.make_pool()
    limits = models.BatchTaskConstraints(max_task_retry_count=3)
    command = f"{COUNT}; test $(wc -l < $AZ_BATCH_NODE_SHARED_DIR/runs) -ge 3"
    batch.make_job(job_preparation_task=preparation(command, constraints=limits))
    batch.add_task("true")
    batch.await_task()
    (status,) = batch.client.list_job_preparation_and_release_task_status("job")
    assert status.job_preparation_task_execution_info is not None
    assert status.job_preparation_task_execution_info.retry_count == 2


def test_tasks_need_not_wait_for_one_that_nobody_waits_for(batch: Account) -> None:
    batch.make_pool()
    batch.make_job(job_preparation_task=preparation("sleep 600", wait_for_success=False))
    batch.add_task("true")
    batch.await_task()


def test_a_task_of_the_same_id_is_refused(batch: Account) -> None:
    batch.make_job(job_preparation_task=preparation("true", id="prepare"))
    with pytest.raises(ResourceExistsError) as caught:
        batch.add_task("true", "Prepare")
    assert error_code(caught.value) == "TaskIdSameAsJobPreparationTask"


def test_a_task_is_preparing_meanwhile_and_can_be_ended(batch: Account) -> None:
    batch.make_pool()
    batch.make_job(job_preparation_task=preparation("sleep 600"))
    batch.add_task("true")
    batch.await_task(state="preparing")
    assert batch.client.get_job_task_counts("job").task_counts.running == 1
    batch.client.terminate_task("job", "task")
    assert batch.client.get_task("job", "task").state == "completed"
    batch.client.begin_delete_job("job", polling_interval=0).result()
    batch.await_gone(lambda: batch.client.get_job("job"))
