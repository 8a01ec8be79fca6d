"""Tasks that wait for other tasks."""

import uuid
from pathlib import Path

import pytest
from azure.batch import models
from azure.core.exceptions import HttpResponseError

from tests.service.durability.test_durability import running
from tests.support.account import Account, error_code, error_values, shell


def after(*ids: str, ranges: tuple[tuple[int, int], ...] = ()) -> models.BatchTaskDependencies:
    """What a task is to wait for."""
    found = [models.BatchTaskIdRange(start=start, end=end) for start, end in ranges]
    return models.BatchTaskDependencies(task_ids=list(ids), task_id_ranges=found)


def satisfying(code: int) -> models.ExitConditions:
    """Has an exit code satisfy dependencies."""
    options = models.ExitOptions(dependency_action="satisfy")
    return models.ExitConditions(exit_codes=[models.ExitCodeMapping(code=code, exit_options=options)])


@pytest.fixture
def job(batch: Account) -> Account:
    """The account, with a pool and a job for tasks with dependencies."""
    batch.make_pool(task_slots_per_node=4)
    batch.make_job(uses_task_dependencies=True)
    return batch


def is_still_active(batch: Account, task_id: str) -> bool:
    """Whether a task is passed over, seen by the fact that one added after it has run."""
    later = f"later-{uuid.uuid4()}"
    batch.add_task("true", later)
    batch.await_task(later)
    return batch.client.get_task("job", task_id).state == "active"


def test_tasks_run_in_the_order_of_their_dependencies(job: Account) -> None:
    log = "$AZ_BATCH_NODE_SHARED_DIR/log"
    for name, parents in (("d", ("b", "c")), ("c", ("a",)), ("b", ("A",)), ("a", ())):
        job.add_task(f"sleep 0.1; echo {name} >> {log}; cat {log}", name, depends_on=after(*parents))
    job.await_task("d")
    order = job.stdout("d").split()
    assert (order[0], set(order[1:3]), order[3]) == ("a", {"b", "c"}, "d")
    shown = job.client.get_task("job", "d").depends_on
    assert shown is not None
    assert shown.task_ids == ["b", "c"]


def test_a_range_means_the_ids_that_are_numbers_and_the_first_of_equal_ones(job: Account) -> None:
    job.add_task("true", "end", depends_on=after(ranges=((3, 5),)))
    for name in ("3", "004", "4flamingoes", "6"):
        job.add_task("true", name)
    job.await_task("004")
    assert is_still_active(job, "end")
    # That number is there already: a second task of it satisfies nothing.
    job.add_task("true", "4")
    job.await_task("4")
    assert is_still_active(job, "end")
    job.add_task("true", "05")
    assert job.await_task("end").execution_info is not None


def test_what_is_satisfied_before_a_task_is_added_need_not_be_waited_for(job: Account) -> None:
    for name in ("1", "2", "x"):
        job.add_task("true", name)
        job.await_task(name)
    job.add_task("true", "end", depends_on=after("x", ranges=((1, 2),)))
    job.await_task("end")


def test_many_tasks_may_wait_for_one_range(job: Account) -> None:
    tasks = [models.BatchTaskCreateOptions(id=str(number), command_line="true") for number in range(20)]
    tasks += [
        models.BatchTaskCreateOptions(id=f"end{number}", command_line="true", depends_on=after(ranges=((0, 19),)))
        for number in range(5)
    ]
    job.client.create_tasks("job", tasks)
    for number in range(5):
        end = job.await_task(f"end{number}").execution_info
        assert end is not None
        parents = [task.execution_info for task in job.client.list_tasks("job") if str(task.id).isdigit()]
        assert all(parent and parent.end_time <= end.start_time for parent in parents)  # type: ignore[operator]


def test_a_failed_parent_blocks_unless_its_exit_condition_says_otherwise(job: Account) -> None:
    job.add_task("exit 3", "bad")
    job.add_task("exit 3", "good", exit_conditions=satisfying(3))
    job.add_task("true", "blocked", depends_on=after("bad"))
    job.add_task("true", "free", depends_on=after("good"))
    job.await_task("bad")
    job.await_task("free")
    assert is_still_active(job, "blocked")
    assert job.client.get_job_task_counts("job").task_counts.active == 1


def test_a_blocked_task_runs_once_its_parent_was_reactivated_and_succeeds(job: Account) -> None:
    mark = "$AZ_BATCH_NODE_SHARED_DIR/mark"
    job.add_task(f"test -e {mark} || {{ touch {mark}; exit 1; }}", "parent")
    job.add_task("true", "child", depends_on=after("parent"))
    job.await_task("parent")
    assert is_still_active(job, "child")
    job.client.reactivate_task("job", "parent")
    job.await_task("child")


def test_retries_are_used_up_before_an_exit_condition_counts(job: Account) -> None:
    limits = models.BatchTaskConstraints(max_task_retry_count=2)
    job.add_task("exit 3", "parent", constraints=limits, exit_conditions=satisfying(3))
    job.add_task("true", "child", depends_on=after("parent"))
    job.await_task("child")
    parent = job.client.get_task("job", "parent").execution_info
    assert parent is not None
    assert (parent.retry_count, parent.exit_code) == (2, 3)


def test_a_parent_that_was_deleted_leaves_satisfied_what_it_satisfied_and_blocks_what_it_did_not(job: Account) -> None:
    job.add_task("true", "done")
    job.add_task("true", "child", depends_on=after("done", "late"))
    job.await_task("done")
    job.client.delete_task("job", "done")
    job.add_task("sleep 60", "late")
    job.client.delete_task("job", "late")
    assert is_still_active(job, "child")
    job.add_task("true", "late")
    job.await_task("child")


def test_a_task_that_waits_for_itself_stays_active(job: Account) -> None:
    job.add_task("true", "self", depends_on=after("self"))
    assert is_still_active(job, "self")


def test_a_blocked_task_can_be_ended_and_made_active_again_but_not_run(job: Account) -> None:
    job.add_task("true", "child", depends_on=after("parent"))
    job.client.terminate_task("job", "child")
    assert job.client.get_task("job", "child").state == "completed"
    job.client.reactivate_task("job", "child")
    assert is_still_active(job, "child")
    job.add_task("true", "parent")
    job.await_task("child")


def test_a_job_with_blocked_tasks_does_not_complete(job: Account) -> None:
    job.add_task("exit 1", "parent")
    job.add_task("true", "child", depends_on=after("parent"))
    job.client.update_job("job", models.BatchJobUpdateOptions(all_tasks_complete_mode="terminatejob"))
    job.await_task("parent")
    assert is_still_active(job, "child")
    assert job.client.get_job("job").state == "active"
    job.client.terminate_task("job", "child")
    info = job.await_job().execution_info
    assert info is not None
    assert info.termination_reason == "AllTasksComplete"


def test_dependencies_need_a_job_that_has_them(batch: Account) -> None:
    batch.make_job()
    batch.add_task("true", "free", depends_on=after())
    for wanted in (after("x"), after(ranges=((1, 2),))):
        with pytest.raises(HttpResponseError) as caught:
            batch.add_task("true", depends_on=wanted)
        assert error_code(caught.value) == "UnsupportedProperty"


@pytest.mark.parametrize(
    ("wanted", "code", "name"),
    [
        (after(*(f"{n:064}" for n in range(1001))), "TaskDependencyListTooLong", None),
        (after(ranges=tuple((n, n) for n in range(10_000, 16_000))), "TaskDependencyRangesTooLong", None),
        (after("a b"), "InvalidPropertyValue", "dependsOn.taskIds.0"),
        (after(ranges=((1, 2), (3, 2))), "InvalidPropertyValue", "dependsOn.taskIdRanges.1"),
        (after(ranges=((1, 2**31),)), "InvalidRequestBody", "dependsOn.taskIdRanges.0.end"),
    ],
)
def test_dependencies_that_cannot_be_are_refused(
    batch: Account, wanted: models.BatchTaskDependencies, code: str, name: str | None
) -> None:
    batch.make_job(uses_task_dependencies=True)
    with pytest.raises(HttpResponseError) as caught:
        batch.add_task("true", depends_on=wanted)
    assert error_code(caught.value) == code
    assert error_values(caught.value).get("PropertyName") == name


def test_dependencies_survive_kill_9_and_are_satisfied_once(tmp_path: Path) -> None:
    with running(tmp_path, killed=True) as batch:
        batch.make_pool()
        batch.make_job(uses_task_dependencies=True)
        batch.add_task("true", "1")
        batch.add_task("true", "child", depends_on=after("gone", ranges=((1, 3),)))
        batch.await_task("1")
        batch.add_task("sleep 60", "2")
        batch.await_task("2", state="running")
    with running(tmp_path) as batch:
        batch.client.terminate_task("job", "2")
        batch.client.delete_task("job", "2")
        for name in ("01", "gone", "3"):
            batch.add_task("true", name)
            batch.await_task(name)
        assert is_still_active(batch, "child")
        batch.client.create_task("job", models.BatchTaskCreateOptions(id="002", command_line=shell("true")))
        batch.await_task("child")


def test_a_graph_of_tasks_goes_on_in_its_order_after_kill_9(tmp_path: Path) -> None:
    numbers = range(60)
    parents = {number: {number // 2, number - 1 - number % 5} & set(range(number)) for number in numbers}
    tasks = [
        models.BatchTaskCreateOptions(
            id=str(number),
            command_line="true",
            depends_on=after(*map(str, wanted)) if number % 2 else after(ranges=tuple((each, each) for each in wanted)),
        )
        for number, wanted in parents.items()
    ]
    with running(tmp_path, killed=True) as batch:
        batch.make_pool(task_slots_per_node=4)
        batch.make_job(uses_task_dependencies=True)
        batch.client.create_tasks("job", tasks)
        batch.wait_until(lambda: batch.client.get_job_task_counts("job").task_counts.completed >= 10)
    with running(tmp_path) as batch:
        batch.wait_until(lambda: batch.client.get_job_task_counts("job").task_counts.succeeded == len(numbers))
        infos = {int(str(task.id)): task.execution_info for task in batch.client.list_tasks("job")}
    for number, wanted in parents.items():
        started = infos[number].start_time  # type: ignore[union-attr]
        assert all(infos[each].end_time <= started for each in wanted)  # type: ignore[union-attr, operator]
