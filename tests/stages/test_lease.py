"""Leases: what a run made ends by itself when nobody renews it."""

import logging
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from azure.batch import models

from localbatch.launcher import LocalAzure
from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.blocks.pool_description import PoolDescription
from prefect_azure_batch.blocks.pool_parts import Autoscale
from prefect_azure_batch.flows.account import local_account
from prefect_azure_batch.tasks.cleanup import delete_created
from prefect_azure_batch.tasks.errors import PoolUnusable
from prefect_azure_batch.tasks.formulas import job_limit, pool_formula
from prefect_azure_batch.tasks.intervals import FAREWELL
from prefect_azure_batch.tasks.job import create_job, run_of
from prefect_azure_batch.tasks.lease import Lease, leased
from prefect_azure_batch.tasks.nodes import wait_for_nodes
from prefect_azure_batch.tasks.pool import create_pool
from prefect_azure_batch.tasks.records import Created, JobPlan, PoolPlan
from prefect_azure_batch.tasks.run_record import RunRecord, hold_run
from prefect_azure_batch.tasks.wait import job_poller
from tests.support.processes import wait_until

LENGTH = timedelta(seconds=4)


@pytest.fixture(scope="module")
def account() -> Iterator[AzureBatchAccount]:
    """A local Azure that evaluates formulas every second, in place of every five minutes."""
    with LocalAzure(attach=False, options=("--autoscale-seconds=1", "--dedicated-core-quota=20")) as azure:
        yield local_account(azure)


@pytest.fixture
def pool(account: AzureBatchAccount) -> Iterator[PoolPlan]:
    name = f"leased-{uuid.uuid4()}"
    yield PoolPlan(name, PoolDescription(nodes=2, slots=1), run_id=name, lease=LENGTH)
    delete_created(account, Created(name, name))


def job_of(pool: PoolPlan) -> JobPlan:
    return JobPlan(pool.pool_id, pool.pool_id, pool.run_id, lease=LENGTH)


def nodes(account: AzureBatchAccount, pool: PoolPlan) -> int:
    return len(list(account.get_client().list_nodes(pool.pool_id)))


def test_pool_and_job_end_when_nobody_renews_them(account: AzureBatchAccount, pool: PoolPlan) -> None:
    create_pool(account, pool)
    create_job(account, job_of(pool))
    assert len(wait_for_nodes(account, pool.pool_id, 2)) == 2
    wait_until(lambda: nodes(account, pool) == 0, 30)
    wait_until(lambda: account.get_client().get_job(pool.pool_id).state == "completed", 30)
    info = account.get_client().get_job(pool.pool_id).execution_info
    assert info is not None
    assert info.termination_reason == "MaxWallClockTimeExpiry"


def test_both_go_on_while_they_are_renewed_and_end_after_that(account: AzureBatchAccount, pool: PoolPlan) -> None:
    create_pool(account, pool)
    job, client, begun = job_of(pool), account.get_client(), datetime.now(UTC)
    with leased(account, RunRecord(job, pool, begun)):
        create_job(account, job)
        # Twice the length, so that neither would be left without a renewal.
        wait_until(lambda: datetime.now(UTC) > begun + 2 * LENGTH, 30)
        assert client.get_job(pool.pool_id).state == "active"
        formula = client.get_pool(pool.pool_id).auto_scale_formula or ""
        assert formula != pool_formula(pool, begun, begun + LENGTH)
    wait_until(lambda: nodes(account, pool) == 0, 60)
    wait_until(lambda: client.get_job(pool.pool_id).state == "completed", 30)


def test_a_pool_of_somebody_else_is_not_touched(account: AzureBatchAccount, pool: PoolPlan) -> None:
    client = account.get_client()
    create_pool(account, pool)
    before = client.get_pool(pool.pool_id)
    create_job(account, job_of(pool))
    lease = Lease(client, RunRecord(job_of(pool), None, datetime.now(UTC)))
    lease.hurry()
    lease.renew()
    assert client.get_pool(pool.pool_id).etag == before.etag


def test_a_leased_pool_that_gets_no_nodes_is_given_up(account: AzureBatchAccount) -> None:
    name = f"leased-{uuid.uuid4()}"
    plan = PoolPlan(name, PoolDescription(nodes=200, slots=1), run_id=name, lease=timedelta(minutes=5))
    try:
        create_pool(account, plan)
        with pytest.raises(PoolUnusable, match="AccountCoreQuotaReached"):
            wait_for_nodes(account, name, 200, timedelta(seconds=30))
    finally:
        delete_created(account, Created(pool_id=name))


def test_a_job_never_lives_longer_than_its_run_may() -> None:
    plan = JobPlan("j", "p", "r", time_limit=timedelta(hours=1), lease=timedelta(minutes=30))
    assert [job_limit(plan, timedelta(minutes=age)) for age in (0, 10, 45)] == [
        timedelta(minutes=30),
        timedelta(minutes=40),
        timedelta(hours=1),
    ]


def test_an_end_does_not_wait_for_a_service_that_says_nothing(account: AzureBatchAccount) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        silent = account.model_copy(update={"endpoint": f"http://127.0.0.1:{server.getsockname()[1]}"})
        job = JobPlan("silent", "p", "r", lease=LENGTH)
        with leased(silent, RunRecord(job, None, datetime.now(UTC)), at_once=True), job_poller(silent, run_of(job)):
            held = [server.accept()[0] for _ in ("the lease", "the poller")]  # both have asked
            begun = time.monotonic()
        assert time.monotonic() - begun < 3 * FAREWELL
        for connection in held:
            connection.close()
    wait_until(lambda: not any("silent" in thread.name for thread in threading.enumerate()), 30)


def test_a_renewal_that_fails_is_told_once_and_tried_again(
    account: AzureBatchAccount, pool: PoolPlan, caplog: pytest.LogCaptureFixture
) -> None:
    now, record = [0.0], RunRecord(job_of(pool), pool, datetime.now(UTC))
    hold = hold_run(account.storage, record)
    hold.end()
    lease = Lease(account.get_client(), record, hold, clock=lambda: now[0])
    for moment in (50.0, 100.0, 150.0):
        now[0] = moment
        lease.renew()
    # There is neither pool nor job: others tell of that.
    (told,) = [entry.getMessage() for entry in caplog.records if entry.name.endswith("lease")]
    assert told.startswith("Could not renew the record of run")
    assert told.endswith("It is tried again.")


def test_a_pool_that_follows_its_tasks_grows_with_them_and_its_decisions_are_logged(
    account: AzureBatchAccount, pool: PoolPlan, caplog: pytest.LogCaptureFixture
) -> None:
    asked = PoolDescription(nodes=3, autoscale=Autoscale(min_nodes=1))
    plan = replace(pool, description=asked, lease=timedelta(minutes=5), tasks=2)
    create_pool(account, plan)
    run = create_job(account, replace(job_of(plan), lease=None))
    wait_until(lambda: nodes(account, plan) == 2, 30)  # those that it begins with
    caplog.set_level(logging.INFO, "prefect_azure_batch.tasks.scaling")
    with job_poller(account, run):
        tasks = [models.BatchTaskCreateOptions(id=f"t{number}", command_line="sleep 60") for number in range(20)]
        account.get_client().create_tasks(run.job_id, tasks)
        wait_until(lambda: nodes(account, plan) == 3, 30)
        wait_until(lambda: "asks for 3 nodes (3 dedicated, 0 spot)" in caplog.text, 30)
    assert caplog.text.count("asks for 3 nodes") == 1
