"""Hours of pools, leases and waiting in seconds: simulated nodes, and a service whose clock runs 600 times as fast.

What a flow times by itself goes by real time, whatever the service does; so moments that a flow puts into a formula are
given here as the service's.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from time import monotonic

import pytest
from azure.batch import models

from benchmarks.counting import counted
from localbatch.autoscale.formula import evaluate
from localbatch.autoscale.samples import Series
from localbatch.launcher import LocalAzure
from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.blocks.pool_description import PoolDescription
from prefect_azure_batch.flows.account import local_account
from prefect_azure_batch.tasks.diagnosis import RUN_METADATA
from prefect_azure_batch.tasks.formulas import pool_formula
from prefect_azure_batch.tasks.job import create_job, run_of
from prefect_azure_batch.tasks.records import JobPlan, PoolPlan
from prefect_azure_batch.tasks.upkeep import Leftover, find_leftovers
from prefect_azure_batch.tasks.wait import job_poller
from tests.support.account import Account, open_account
from tests.support.autoscaling import make_pool
from tests.support.processes import wait_until

SPEED = 600
SIMULATION = f"""
seed: 1
speed: {SPEED}
allocation: 60
start: {{uniform: [60, 120]}}
duration: 600
preemptions: 2
"""
MINUTE = timedelta(minutes=1)
LEASE = timedelta(minutes=30)
PATIENCE = 60.0
LATEST_SAMPLE = SPEED  # seconds of the service, which are one of this machine
CLOCK = "clock"


@pytest.fixture(scope="module")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAzure]:
    file = tmp_path_factory.mktemp("simulation") / "simulation.yaml"
    file.write_text(SIMULATION)
    with LocalAzure(driver="simulated", attach=False, options=(f"--simulation={file}",)) as azure:
        yield azure


@pytest.fixture(scope="module")
def account(azure: LocalAzure) -> AzureBatchAccount:
    return local_account(azure)


@pytest.fixture(scope="module")
def batch(azure: LocalAzure) -> Iterator[Account]:
    with open_account(azure.endpoints, azure.endpoints.batch_account) as batch:
        make_pool(batch, "$TargetDedicatedNodes = 0", CLOCK)
        yield batch


def service_time(batch: Account) -> datetime:
    """What time it is for the service, which tells it with the value of a formula."""
    options = models.BatchPoolEvaluateAutoScaleOptions(auto_scale_formula="$TargetDedicatedNodes = 0")
    return batch.client.evaluate_pool_auto_scale(CLOCK, options).timestamp


def add_tasks(batch: Account, job: str, numbers: Iterable[int]) -> None:
    tasks = [models.BatchTaskCreateOptions(id=f"t{number}", command_line="true") for number in numbers]
    batch.client.create_tasks(job, tasks)


def targets(run: models.AutoScaleRun) -> int:
    """How many nodes a formula asked for."""
    return sum(int(found) for found in re.findall(r"\$Target(?:Dedicated|LowPriority)Nodes=(\d+)", str(run.results)))


class Seen:
    """A pool that follows its load, as it was seen."""

    def __init__(self, batch: Account, pool_id: str) -> None:
        self._batch, self._pool_id = batch, pool_id
        self.asked: dict[datetime, int] = {}
        self.most = self.now = 0

    def look(self) -> None:
        pool = self._batch.client.get_pool(self._pool_id)
        self.now = (pool.current_dedicated_nodes or 0) + (pool.current_low_priority_nodes or 0)
        self.most = max(self.most, self.now)
        if pool.auto_scale_run is not None and pool.auto_scale_run.error is None:
            self.asked[pool.auto_scale_run.timestamp] = targets(pool.auto_scale_run)


def asked_offline(formula: str, tasks: list[tuple[datetime, datetime]], at: datetime) -> set[int]:
    """What a formula would ask for, by when tasks came and ended; a busy machine takes samples late."""
    found = set()
    for age in range(0, LATEST_SAMPLE + 1, 20):
        last = at - timedelta(seconds=age)
        moments = [last - timedelta(seconds=30 * number) for number in range(20)]
        pending = [sum(came <= moment < ended for came, ended in tasks) for moment in reversed(moments)]
        outcome = evaluate(formula, samples={"$PendingTasks": Series.ending("$PendingTasks", last, pending)}, now=at)
        found.add(outcome.dedicated + outcome.low_priority)
    return found


def test_a_pool_grows_and_drains_by_its_scenario_as_its_formula_does_offline(batch: Account) -> None:
    asked = {"nodes": 4, "spot_nodes": 8, "slots": 4, "autoscale": {"scenario": "pending"}}
    plan = PoolPlan("scaled", PoolDescription.model_validate(asked), tasks=8)
    begun = service_time(batch)
    formula = pool_formula(plan, begun, None)
    make_pool(batch, formula, "scaled", auto_scale_evaluation_interval=5 * MINUTE, task_slots_per_node=4)
    batch.make_job("scaled", "scaled")
    add_tasks(batch, "scaled", range(8))
    seen = Seen(batch, "scaled")

    def is_over() -> bool:
        seen.look()
        if batch.client.get_job_task_counts("scaled").task_counts.completed == 8:
            add_tasks(batch, "scaled", range(8, 192))  # the first ones are done: now comes the rush
        return batch.client.get_job_task_counts("scaled").task_counts.completed == 192 and seen.now == 0

    wait_until(is_over, PATIENCE)
    assert seen.most == 12
    ended = [(task.creation_time, task.execution_info) for task in batch.client.list_tasks("scaled")]
    tasks = [(came, info.end_time) for came, info in ended if info and info.end_time]
    assert len(tasks) == 192
    assert sum(info.requeue_count for _, info in ended if info) > 0  # spot nodes were preempted meanwhile
    assert max(end for _, end in tasks) - begun > 40 * MINUTE
    assert len(seen.asked) > 10
    for at, live in seen.asked.items():
        offline = asked_offline(formula, tasks, at)
        assert min(offline) - 1 <= live <= max(offline) + 1, (at - begun, live, offline)


def test_a_lease_that_runs_out_ends_pool_and_job_and_upkeep_sees_it(batch: Account, account: AzureBatchAccount) -> None:
    def leftovers() -> dict[str, Leftover]:
        found = find_leftovers(account, lambda _: None, service_time(batch))
        return {left.kind: left for left in found if left.run_id == "leased"}

    plan = PoolPlan("leased", PoolDescription(nodes=3, slots=1), run_id="leased")
    begun = service_time(batch)
    formula = pool_formula(plan, begun, begun + LEASE)
    mark = [models.BatchMetadataItem(name=RUN_METADATA, value="leased")]
    make_pool(batch, formula, "leased", auto_scale_evaluation_interval=5 * MINUTE, metadata=mark)
    job = JobPlan("leased", "leased", "leased", lease=LEASE)
    create_job(account, job)
    add_tasks(batch, "leased", range(100))
    wait_until(lambda: len(list(batch.client.list_nodes("leased"))) == 3, PATIENCE)
    assert [(left.is_over, left.why) for left in leftovers().values()] == [
        (False, "its lease goes on"),
        (False, "its lease goes on"),
    ]
    wait_until(lambda: batch.client.get_job("leased").state == "completed", PATIENCE)
    wait_until(lambda: not list(batch.client.list_nodes("leased")), PATIENCE)
    info = batch.client.get_job("leased").execution_info
    assert info is not None
    assert info.termination_reason == "MaxWallClockTimeExpiry"
    assert info.end_time is not None
    assert LEASE <= info.end_time - info.start_time < LEASE + 15 * MINUTE
    left = leftovers()
    assert {kind: (each.is_over, each.why) for kind, each in left.items()} == {
        "pool": (True, "its lease is over"),
        "job": (True, "its lease is over"),
    }
    assert left["pool"].nodes == 0


def test_waiting_costs_few_requests_however_long_it_takes(
    batch: Account, account: AzureBatchAccount, azure: LocalAzure
) -> None:
    batch.make_pool("waited", 20, task_slots_per_node=8)
    plan = JobPlan("waited", "waited", "waited")
    create_job(account, plan)
    ids = [f"t{number}" for number in range(1000)]
    add_tasks(batch, "waited", range(1000))
    with counted(azure.endpoints, blobs=False) as (endpoints, requests, _):
        relayed = account.model_copy(update={"endpoint": endpoints.batch_endpoint})
        begun = monotonic()
        with job_poller(relayed, run_of(plan)) as poller:
            ends = poller.wait(ids)
        seconds = monotonic() - begun
    assert {end.exit_code for end in ends} == {0}
    assert requests.total() <= 60, f"{requests} in {seconds:.1f} s"
