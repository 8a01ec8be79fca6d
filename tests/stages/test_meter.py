"""The nodes of pools of a local Azure, measured while they live."""

import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest

from localbatch.launcher import LocalAzure
from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.blocks.pool_description import PoolDescription
from prefect_azure_batch.flows.account import local_account
from prefect_azure_batch.tasks.cleanup import delete_created
from prefect_azure_batch.tasks.errors import BudgetSpent
from prefect_azure_batch.tasks.job import create_job
from prefect_azure_batch.tasks.meter import Meter, metered
from prefect_azure_batch.tasks.nodes import wait_for_nodes
from prefect_azure_batch.tasks.pool import create_pool
from prefect_azure_batch.tasks.prices import Price, Prices
from prefect_azure_batch.tasks.records import Created, JobPlan, PoolPlan
from prefect_azure_batch.tasks.run_record import RunRecord
from tests.support.processes import wait_until

# A dollar a second.
PRICES = Prices([Price("here", "standard_d2s_v3", 3600, 3600, date(2026, 1, 31))])


@pytest.fixture
def account(local_azure: LocalAzure) -> AzureBatchAccount:
    """Of the local Azure, which alone can be told to take a node away."""
    return local_account(local_azure)


@pytest.fixture
def record(account: AzureBatchAccount) -> Iterator[RunRecord]:
    name = f"metered-{uuid.uuid4()}"
    pool = PoolPlan(name, PoolDescription(nodes=1, spot_nodes=2, slots=1), run_id=name)
    yield RunRecord(JobPlan(name, name, name), pool, datetime.now(UTC))
    delete_created(account, Created(name, name))


@pytest.fixture(scope="module")
def slow_azure() -> Iterator[LocalAzure]:
    """One whose nodes take their time to come, and stay preempted for as long before others take their places."""
    with LocalAzure(attach=False, options=("--allocation-seconds=6", "--start-seconds=8")) as azure:
        yield azure


@pytest.mark.slow
def test_spot_nodes_that_were_taken_away_are_not_counted(slow_azure: LocalAzure) -> None:
    name = f"metered-{uuid.uuid4()}"
    pool = PoolPlan(name, PoolDescription(nodes=1, spot_nodes=2, slots=1), run_id=name)
    account = local_account(slow_azure)
    client = account.get_client()
    create_pool(account, pool)
    assert len(wait_for_nodes(account, name, 3)) == 3
    spot = next(node.id or "" for node in client.list_nodes(name) if not node.is_dedicated)
    slow_azure.preempt_node(name, spot)
    assert client.get_pool(name).current_low_priority_nodes == 2
    meter = Meter("here", PRICES)
    with metered(account, RunRecord(JobPlan(name, name, name), pool, datetime.now(UTC)), meter, is_new=False):
        wait_until(lambda: bool(meter.bill(0).node_hours), 30)
    assert client.get_node(name, spot).state == "preempted"
    bill = meter.bill(0)
    assert bill.spot_node_hours == bill.node_hours
    assert bill.vm_size == "standard_d2s_v3"
    lives = {life.node_id: life for life in meter.lives.all()}
    assert len(lives) == 3
    assert (lives[spot].state, len(lives[spot].absences), lives[spot].ready) == ("preempted", 1, None)
    assert [life.is_dedicated for life in lives.values()].count(True) == 1
    assert all(life.ready for name, life in lives.items() if name != spot)


@pytest.mark.slow
def test_who_waits_for_nodes_is_told_that_the_budget_is_spent(slow_azure: LocalAzure) -> None:
    name, account = f"metered-{uuid.uuid4()}", local_account(slow_azure)
    pool, meter = PoolPlan(name, PoolDescription(nodes=1), run_id=name), Meter("here", PRICES, budget=1)
    with metered(account, RunRecord(JobPlan(name, name, name), pool, datetime.now(UTC)), meter, is_new=True):
        create_pool(account, pool)
        with pytest.raises(BudgetSpent, match=r"has cost the USD 1.00 of its --budget"):
            wait_for_nodes(account, name, 1, tell=lambda idle: meter.require_left())


def test_a_job_is_ended_when_the_budget_is_spent(account: AzureBatchAccount, record: RunRecord) -> None:
    meter, pool, client = Meter("here", PRICES, budget=6), record.pool, account.get_client()
    assert pool is not None
    with metered(account, record, meter, is_new=True):
        create_pool(account, pool)
        create_job(account, record.job)
        wait_until(lambda: client.get_job(record.job.job_id).state == "completed", 60)
        with pytest.raises(BudgetSpent):
            meter.require_left()
    info = client.get_job(record.job.job_id).execution_info
    assert info is not None
    assert info.termination_reason == "BudgetSpent"
    assert meter.bill(0).over_budget
    assert (meter.bill(0).price or 0) >= 6
