"""Quotas of an account, as options of the service set them."""

from collections.abc import Iterator

import pytest
from azure.batch import models
from azure.core.exceptions import ResourceExistsError

from localbatch.launcher import LocalAzure, LocalAzureError
from localbatch.wire.connection import Endpoints
from tests.support.account import IMAGE, Account, error_code, open_account
from tests.support.management import make_client

OPTIONS = (
    *("--pool-quota=2", "--job-quota=2", "--dedicated-core-quota=8", "--low-priority-core-quota=4"),
    "--family-core-quota=standardDSv3Family=4",
)


@pytest.fixture(scope="module")
def limited() -> Iterator[Endpoints]:
    with LocalAzure(storage=False, driver="simulated", options=OPTIONS, attach=False) as azure:
        yield azure.endpoints


@pytest.fixture
def batch(limited: Endpoints) -> Iterator[Account]:
    with open_account(limited) as account:
        yield account


def resize_codes(batch: Account, pool_id: str = "pool") -> list[str | None]:
    """What the errors of a pool's last resize are, once it is over."""
    batch.wait_until(lambda: batch.client.get_pool(pool_id).allocation_state == "steady")
    return [error.code for error in batch.client.get_pool(pool_id).resize_errors or []]


def test_a_pool_beyond_the_quota_is_refused_until_another_is_gone(batch: Account) -> None:
    for name in ("one", "two"):
        batch.make_pool(name, nodes=0)
    with pytest.raises(ResourceExistsError) as caught:
        batch.make_pool("three", nodes=0)
    assert (caught.value.status_code, error_code(caught.value)) == (409, "PoolQuotaReached")
    with pytest.raises(ResourceExistsError) as caught:
        batch.make_pool("two", nodes=0)
    assert error_code(caught.value) == "PoolExists"
    batch.send("DELETE", "/pools/one")
    batch.await_gone(lambda: batch.client.get_pool("one"))
    batch.make_pool("three", nodes=0)


def test_job_schedules_count_with_the_jobs_and_wait_for_room(batch: Account) -> None:
    batch.make_job("one")
    specification = models.BatchJobSpecification(pool_info=models.BatchPoolInfo(pool_id="pool"))
    timing = models.BatchJobScheduleConfiguration()

    def make_schedule(schedule_id: str) -> None:
        batch.client.create_job_schedule(
            models.BatchJobScheduleCreateOptions(id=schedule_id, schedule=timing, job_specification=specification)
        )

    make_schedule("schedule")
    with pytest.raises(ResourceExistsError) as caught:
        make_schedule("other")
    assert error_code(caught.value) == "ActiveJobAndScheduleQuotaReached"
    assert batch.client.get_job_schedule("schedule").execution_info.recent_job is None
    batch.send("POST", "/jobs/one/terminate")
    batch.wait_until(lambda: batch.client.get_job_schedule("schedule").execution_info.recent_job is not None)


def test_a_job_beyond_the_quota_is_refused_until_another_is_completed(batch: Account) -> None:
    for name in ("one", "two"):
        batch.make_job(name)
    with pytest.raises(ResourceExistsError) as caught:
        batch.make_job("three")
    assert (caught.value.status_code, error_code(caught.value)) == (409, "ActiveJobAndScheduleQuotaReached")
    batch.send("POST", "/jobs/one/terminate")
    batch.await_job("one")
    batch.make_job("three")


def test_a_pool_gets_the_dedicated_nodes_that_fit_and_says_why(batch: Account) -> None:
    batch.make_pool("first", nodes=3)
    assert resize_codes(batch, "first") == ["AccountVMSeriesCoreQuotaReached"]
    assert len(batch.await_nodes(count=2, pool_id="first")) == 2

    pool = models.BatchPoolCreateOptions(
        id="second",
        vm_size="standard_f2s_v2",
        virtual_machine_configuration=batch.client.get_pool("first").virtual_machine_configuration,
        target_dedicated_nodes=3,
    )
    batch.client.create_pool(pool)
    assert resize_codes(batch, "second") == ["AccountCoreQuotaReached"]
    found = batch.client.get_pool("second")
    assert (found.current_dedicated_nodes, found.target_dedicated_nodes) == (2, 3)


def test_spot_nodes_have_a_quota_of_their_own(batch: Account) -> None:
    batch.make_pool(nodes=1, target_low_priority_nodes=3)
    assert resize_codes(batch) == ["AccountLowPriorityCoreQuotaReached"]
    found = batch.client.get_pool("pool")
    assert (found.current_dedicated_nodes, found.current_low_priority_nodes) == (1, 2)


def test_a_resize_within_the_quota_ends_the_errors(batch: Account) -> None:
    batch.make_pool(nodes=3)
    assert resize_codes(batch) == ["AccountVMSeriesCoreQuotaReached"]
    assert batch.send("POST", "/pools/pool/resize", json={"targetDedicatedNodes": 1}).status_code == 202
    assert resize_codes(batch) == []


def test_an_account_tells_its_quotas(limited: Endpoints) -> None:
    with make_client(limited) as client:
        account = client.batch_account.get("any", limited.batch_account)
    assert (account.pool_quota, account.active_job_and_job_schedule_quota) == (2, 2)
    assert (account.dedicated_core_quota, account.low_priority_core_quota) == (8, 4)
    assert account.dedicated_core_quota_per_vm_family_enforced
    families = account.dedicated_core_quota_per_vm_family or []
    assert [(family.name, family.core_quota) for family in families] == [("standardDSv3Family", 4)]


@pytest.mark.parametrize("option", ["--pool-quota=-1", "--family-core-quota=DSv3=1", "--job-quota=many"])
def test_a_quota_that_is_none_is_told(option: str) -> None:
    with pytest.raises(LocalAzureError, match=r"--(pool|family-core|job)-quota"):
        LocalAzure(storage=False, options=(option,), attach=False)


def test_a_job_whose_own_pool_is_beyond_the_quota_is_completed_and_says_so(batch: Account) -> None:
    for name in ("one", "two"):
        batch.make_pool(name, nodes=0)
    specification = models.BatchPoolSpecification(vm_size="standard_d2s_v3", virtual_machine_configuration=IMAGE)
    automatic = models.BatchAutoPoolSpecification(pool_lifetime_option="job", pool=specification)
    info = models.BatchPoolInfo(auto_pool_specification=automatic)
    batch.client.create_job(models.BatchJobCreateOptions(id="job", pool_info=info))
    execution = batch.await_job().execution_info
    assert execution is not None
    assert execution.scheduling_error is not None
    assert execution.scheduling_error.code == "AutoPoolCreationFailedWithQuotaReached"
