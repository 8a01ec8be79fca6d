"""Pools that grow and shrink by their formulas, with the tasks."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from azure.batch import models

from localbatch.launcher import LocalAzure
from localbatch.wire.connection import Endpoints
from tests.support.account import Account, open_account
from tests.support.autoscaling import disable, enable, evaluate, make_pool, results, retry, run_of, sizes

PERIOD = 0.2
BY_TASKS = (
    "$TargetDedicatedNodes = min(2, max(0, $PendingTasks.GetSample(1))); $NodeDeallocationOption = taskcompletion;"
)


@pytest.fixture(scope="module")
def fast_service() -> Iterator[Endpoints]:
    """A service that evaluates formulas and takes samples five times a second."""
    options = (f"--autoscale-seconds={PERIOD}",)
    with LocalAzure(storage=False, attach=False, options=options) as azure:
        yield azure.endpoints


@pytest.fixture
def fast(fast_service: Endpoints) -> Iterator[Account]:
    with open_account(fast_service) as account:
        yield account


def test_nodes_come_with_the_tasks_and_go_after_them(fast: Account) -> None:
    make_pool(fast, BY_TASKS)
    fast.make_job()
    assert sizes(fast) == (0, 0, "steady")
    for number in range(3):
        fast.add_task("sleep 1", f"t{number}")
    fast.wait_until(lambda: sizes(fast)[0] == 2)
    for number in range(3):
        info = fast.await_task(f"t{number}").execution_info
        assert info is not None
        assert (info.exit_code, info.requeue_count) == (0, 0)
    fast.wait_until(lambda: sizes(fast) == (0, 0, "steady"))
    run = run_of(fast)
    assert run.results == "$TargetDedicatedNodes=0;$TargetLowPriorityNodes=0;$NodeDeallocationOption=taskcompletion"


def test_a_task_goes_on_or_is_requeued_as_the_formula_says_when_its_node_leaves(fast: Account) -> None:
    make_pool(fast, "$TargetDedicatedNodes = 1")
    fast.make_job()
    fast.add_task("sleep 1")
    fast.await_task(state="running")
    retry(fast, "$TargetDedicatedNodes = 0; $NodeDeallocationOption = taskcompletion")
    info = fast.await_task().execution_info
    assert info is not None
    assert info.requeue_count == 0
    fast.wait_until(lambda: sizes(fast) == (0, 0, "steady"))
    retry(fast, "$TargetDedicatedNodes = 1")
    fast.add_task("sleep 600", "second")
    fast.await_task("second", state="running")
    fast.wait_until(lambda: sizes(fast)[2] == "steady")
    retry(fast, "$TargetDedicatedNodes = 0; $NodeDeallocationOption = terminate")
    info = fast.await_task("second").execution_info
    assert info is not None
    assert info.failure_info is not None
    assert info.failure_info.code == "TaskEnded"


def test_a_node_that_was_to_leave_stays_if_the_formula_wants_it_back(fast: Account, tmp_path: Path) -> None:
    formula = "failed = max(0, $FailedTasks.GetSample(1)); $TargetDedicatedNodes = failed == 1 ? 0 : 1;"
    make_pool(fast, f"{formula} $NodeDeallocationOption = taskcompletion")
    (node,) = fast.await_nodes()
    fast.make_job()
    fast.add_task(f"until test -e {tmp_path}/go; do sleep 0.1; done")
    fast.await_task(state="running")
    fast.make_job("control")
    disable(fast, "control")
    for number in (1, 2):
        fast.add_task("true", f"t{number}", "control")
    fast.client.terminate_task("control", "t1")
    fast.wait_until(lambda: sizes(fast) == (1, 0, "resizing"))
    fast.client.terminate_task("control", "t2")
    fast.wait_until(lambda: sizes(fast) == (1, 0, "steady"))
    (tmp_path / "go").touch()
    info = fast.await_task().execution_info
    assert info is not None
    assert (info.exit_code, info.requeue_count) == (0, 0)
    assert [each.id for each in fast.client.list_nodes("pool")] == [node.id]


def test_what_is_running_and_waiting_is_sampled(fast: Account) -> None:
    make_pool(fast, "$TargetDedicatedNodes = 1; $TargetLowPriorityNodes = 0")
    fast.await_nodes()
    fast.make_job(uses_task_dependencies=True)
    fast.make_job("disabled")
    fast.add_task("true", "good")
    fast.add_task("exit 3", "bad")
    fast.await_task("good")
    fast.await_task("bad")
    fast.add_task("sleep 600", "running")
    fast.await_task("running", state="running")
    fast.add_task("true", "active")
    depends = models.BatchTaskDependencies(task_ids=["active"])
    fast.add_task("true", "dependent", depends_on=depends)
    together = models.MultiInstanceSettings(number_of_instances=3, coordination_command_line="true")
    fast.add_task("true", "together", multi_instance_settings=together)
    disable(fast, "disabled")
    fast.add_task("true", "waiting", "disabled")
    names = ("Active", "Running", "Pending", "Succeeded", "Failed")
    formula = ";".join(f"{name[0]} = ${name}Tasks" for name in names)
    nodes = "n=$CurrentDedicatedNodes.GetSample(1);o=$SampleNodeCount;p=$PreemptedNodeCount;q=$CurrentLowPriorityNodes"
    expected = "requeue;A=4;F=1;P=5;R=1;S=1;n=[1];o=1;p=0;q=0"
    fast.wait_until(lambda: str(evaluate(fast, f"{formula};{nodes}").results).endswith(expected))


def test_this_machine_is_sampled_for_pools_that_have_nodes(fast: Account) -> None:
    make_pool(fast, "$TargetDedicatedNodes = 1")
    fast.await_nodes()
    formula = """
        cpu = $CPUPercent >= 0 && $CPUPercent <= 1;
        memory = $MemoryBytes > 1;
        disk = $DiskBytes > 0;
        network = $NetworkInBytes >= 0 && $NetworkOutBytes >= 0;
        seconds = $WallClockSeconds > 0;
        period = $CPUPercent.GetSamplePeriod() < TimeInterval_Second;
        history = time() - $PendingTasks.HistoryBeginTime() < TimeInterval_Hour;
    """
    expected = "requeue;cpu=1;disk=1;history=1;memory=1;network=1;period=1;seconds=1"
    fast.wait_until(lambda: str(evaluate(fast, formula).results).endswith(expected))
    retry(fast, "$TargetDedicatedNodes = 0")
    fast.await_nodes(count=0)
    counts = "a = $CPUPercent.Count(); b = $PendingTasks.Count()"
    first = results(evaluate(fast, counts))
    fast.wait_until(lambda: results(evaluate(fast, counts))["b"] > first["b"] + 1)
    assert results(evaluate(fast, counts))["a"] <= first["a"] + 1


def test_the_formula_is_evaluated_again_and_again(fast: Account) -> None:
    make_pool(fast, "$TargetDedicatedNodes = 0; x = rand()")
    first = run_of(fast)
    fast.wait_until(lambda: run_of(fast).timestamp > first.timestamp)
    assert run_of(fast).results != first.results


def test_a_formula_that_fails_leaves_the_pool_as_it_is(fast: Account) -> None:
    make_pool(fast, "$TargetDedicatedNodes = 1")
    fast.await_nodes()
    retry(fast, "$TargetDedicatedNodes = 0; x = nothing")
    first = run_of(fast)
    assert first.error is not None
    fast.wait_until(lambda: run_of(fast).timestamp > first.timestamp)
    assert sizes(fast) == (1, 0, "steady")


def test_a_pool_that_lost_nodes_gets_them_back(fast: Account) -> None:
    make_pool(fast, "$TargetDedicatedNodes = 2")
    former = fast.await_nodes(count=2)
    ids = [node.id for node in former if node.id]
    fast.client.begin_remove_nodes("pool", models.BatchNodeRemoveOptions(node_ids=ids), polling_interval=0)
    fast.wait_until(lambda: {node.id for node in fast.client.list_nodes("pool")}.isdisjoint(ids))
    fast.await_nodes(count=2)


def test_automatic_scaling_is_enabled_and_disabled(fast: Account) -> None:
    fast.make_pool(nodes=0)
    fast.await_nodes(count=0)
    etag = fast.client.get_pool("pool").etag
    enable(fast, "$TargetDedicatedNodes = 1", timedelta(minutes=6))
    pool = fast.client.get_pool("pool")
    assert (pool.enable_auto_scale, pool.auto_scale_evaluation_interval) == (True, timedelta(minutes=6))
    assert pool.etag != etag
    fast.await_nodes()
    assert fast.client.disable_pool_auto_scale("pool") is None
    pool = fast.client.get_pool("pool")
    assert (pool.enable_auto_scale, pool.auto_scale_formula, pool.auto_scale_run) == (False, None, None)
    assert (pool.target_dedicated_nodes, pool.allocation_state) == (1, "steady")
    fast.client.disable_pool_auto_scale("pool")
    fast.client.begin_resize_pool("pool", models.BatchPoolResizeOptions(target_dedicated_nodes=0), polling_interval=0)
    fast.await_nodes(count=0)


def test_formula_and_interval_are_changed_one_by_one(fast: Account) -> None:
    make_pool(fast, "$TargetDedicatedNodes = 0", auto_scale_evaluation_interval=timedelta(minutes=6))
    enable(fast, interval=timedelta(minutes=7))
    pool = fast.client.get_pool("pool")
    assert (pool.auto_scale_formula, pool.auto_scale_evaluation_interval) == (
        "$TargetDedicatedNodes = 0",
        timedelta(minutes=7),
    )
    retry(fast, "x = 1")
    pool = fast.client.get_pool("pool")
    assert (pool.auto_scale_formula, pool.auto_scale_evaluation_interval) == ("x = 1", timedelta(minutes=7))


def test_a_resize_error_stays_while_evaluations_change_nothing() -> None:
    options = (f"--autoscale-seconds={PERIOD}",)
    with (
        LocalAzure(storage=False, attach=False, options=options, driver="simulated") as azure,
        open_account(azure.endpoints) as batch,
    ):
        azure.fail_allocation("pool", code="AccountCoreQuotaReached", account=batch.name)
        make_pool(batch, "$TargetDedicatedNodes = 1 - min(1, max(0, $ActiveTasks.Count()));")
        batch.wait_until(lambda: bool(batch.client.get_pool("pool").resize_errors))
        # The formula asks for no nodes from the first sample on, and that is what the pool has.
        batch.wait_until(lambda: batch.client.get_pool("pool").target_dedicated_nodes == 0)
        evaluated = run_of(batch).timestamp
        batch.wait_until(lambda: run_of(batch).timestamp > evaluated)
        assert [error.code for error in batch.client.get_pool("pool").resize_errors or []] == [
            "AccountCoreQuotaReached"
        ]
        retry(batch, "$TargetDedicatedNodes = 1;")
        batch.await_nodes()
        assert batch.client.get_pool("pool").resize_errors is None
