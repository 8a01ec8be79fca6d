"""Which of several jobs gets the room of a pool."""

from typing import Any

from azure.batch import models

from tests.support.account import Account

OLDEST_FIRST = models.BatchTaskSchedulingPolicy(node_fill_type="spread", job_default_order="creationtime")


def fill(batch: Account, job_id: str, count: int, **options: Any) -> None:
    """Creates a job with so many tasks that don't end."""
    batch.make_job(job_id, **options)
    for number in range(count):
        batch.add_task("sleep 600", f"task{number}", job_id)


def running_of(batch: Account, job_id: str) -> int:
    return batch.client.get_job_task_counts(job_id).task_counts.running


def test_jobs_of_one_priority_share_the_room(batch: Account) -> None:
    for job_id in ("one", "two"):
        fill(batch, job_id, 4)
    batch.make_pool(nodes=1, task_slots_per_node=4)
    batch.wait_until(lambda: running_of(batch, "one") + running_of(batch, "two") == 4)
    assert (running_of(batch, "one"), running_of(batch, "two")) == (2, 2)
    fill(batch, "three", 1)
    batch.client.terminate_task("one", "task0")
    batch.await_task("task0", "three", state="running")


def test_the_oldest_comes_first_where_the_pool_says_so(batch: Account) -> None:
    for job_id in ("one", "two"):
        fill(batch, job_id, 3)
    batch.make_pool(nodes=1, task_slots_per_node=4, task_scheduling_policy=OLDEST_FIRST)
    batch.wait_until(lambda: running_of(batch, "one") + running_of(batch, "two") == 4)
    assert (running_of(batch, "one"), running_of(batch, "two")) == (3, 1)
    policy = batch.client.get_pool("pool").task_scheduling_policy
    assert policy is not None
    assert policy.job_default_order == "creationtime"


def test_an_order_that_does_not_exist_is_refused(batch: Account) -> None:
    body = {
        "id": "pool",
        "vmSize": "standard_d2s_v3",
        "virtualMachineConfiguration": {
            "imageReference": {"publisher": "canonical", "offer": "ubuntu-24_04-lts", "sku": "server"},
            "nodeAgentSKUId": "batch.node.ubuntu 24.04",
        },
        "taskSchedulingPolicy": {"nodeFillType": "spread", "jobDefaultOrder": "random"},
    }
    response = batch.send("POST", "/pools", json=body)
    assert response.status_code == 400
    assert response.json()["values"][0]["value"] == "taskSchedulingPolicy.jobDefaultOrder"


def test_tasks_of_a_job_that_allows_it_make_room_for_a_more_important_one(batch: Account) -> None:
    batch.make_pool(nodes=1, task_slots_per_node=2)
    fill(batch, "low", 2, allow_task_preemption=True)
    batch.wait_until(lambda: running_of(batch, "low") == 2)
    fill(batch, "high", 1, priority=5)
    batch.await_task("task0", "high", state="running")
    batch.wait_until(lambda: running_of(batch, "low") == 1)
    task = batch.await_task("task1", "low", state="active")
    assert task.execution_info is not None
    assert (task.execution_info.requeue_count, task.execution_info.retry_count) == (1, 0)
    batch.client.terminate_task("high", "task0")
    batch.await_task("task1", "low", state="running")


def test_a_task_that_made_room_goes_where_room_is_left(batch: Account) -> None:
    batch.make_pool(nodes=1, task_slots_per_node=3)
    batch.make_job("low", allow_task_preemption=True)
    batch.make_job("high", priority=5)
    for task_id, slots in (("large", 2), ("small", 1)):
        batch.add_task("sleep 600", task_id, "low", required_slots=slots)
        batch.await_task(task_id, "low", state="running")
    batch.add_task("sleep 600", job_id="high", required_slots=2)
    batch.await_task(job_id="high", state="running")
    small = batch.await_task("small", "low", state="running")
    assert small.execution_info is not None
    assert small.execution_info.requeue_count == 1
    assert batch.client.get_task("low", "large").state == "active"


def test_tasks_of_other_jobs_stay(batch: Account) -> None:
    batch.make_pool(nodes=1, task_slots_per_node=2)
    fill(batch, "low", 1)
    fill(batch, "equal", 1, priority=5, allow_task_preemption=True)
    batch.wait_until(lambda: running_of(batch, "low") + running_of(batch, "equal") == 2)
    fill(batch, "high", 1, priority=5)
    assert batch.client.get_task("high", "task0").state == "active"
    change = models.BatchJobUpdateOptions(allow_task_preemption=True)
    batch.client.update_job("low", change)
    batch.await_task("task0", "high", state="running")
    assert running_of(batch, "equal") == 1
    assert batch.client.get_job("low").allow_task_preemption is True
