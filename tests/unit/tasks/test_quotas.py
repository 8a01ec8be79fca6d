"""What an account has room for."""

import pytest
from azure.mgmt.batch.models import BatchAccount

from prefect_azure_batch.blocks.pool_description import PoolDescription
from prefect_azure_batch.tasks.quotas import Cores, Quotas, SizeCores, Used, compare, quotas_of
from prefect_azure_batch.tasks.records import PoolPlan

SIZE = SizeCores("standard_d4s_v3", "standarddsv3family", 4)
ROOM = Quotas(dedicated_cores=100, spot_cores=40, pools=10, jobs=10)
NOTHING = Used(0, 0)


def states(quotas: Quotas, used: Used, size: SizeCores | None = SIZE, **asked: int) -> list[tuple[str, str]]:
    pool = PoolPlan("p", PoolDescription.model_validate(asked))
    return [(each.state, each.text) for each in compare(quotas, used, pool, size) if each.state != "fine"]


def test_what_fits_is_fine() -> None:
    assert states(ROOM, Used(9, 9, {"standarddsv3family": Cores(60, 30)}), nodes=10, spot_nodes=2) == []


def test_more_cores_than_the_account_may_ever_have_are_refused() -> None:
    ((state, text),) = states(ROOM, NOTHING, nodes=26)
    assert state == "refused"
    assert text.startswith("104 dedicated cores more: 0 of 100 are taken: ask for fewer nodes")


def test_cores_that_others_have_now_are_only_doubtful() -> None:
    assert [state for state, _ in states(ROOM, Used(1, 1, {"other": Cores(90, 40)}), nodes=5)] == ["doubtful"]


def test_spot_cores_are_counted_apart() -> None:
    ((state, text),) = states(ROOM, NOTHING, nodes=1, spot_nodes=11)
    assert (state, "spot_nodes" in text) == ("refused", True)


def test_a_family_has_a_quota_of_its_own() -> None:
    quotas = Quotas(100, 40, 10, 10, {"standarddsv3family": 8})
    ((state, text),) = states(quotas, NOTHING, nodes=3)
    assert (state, "cores of standarddsv3family" in text) == ("refused", True)


@pytest.mark.parametrize(("used", "what"), [(Used(10, 0), "pools"), (Used(0, 10), "active jobs")])
def test_pools_and_jobs_have_quotas(used: Used, what: str) -> None:
    ((state, text),) = states(ROOM, used, nodes=1)
    assert (state, text) == (
        "refused",
        f"1 {what} more: 10 of 10 are taken: delete some, or ask Azure for a higher quota.",
    )


def test_the_cores_of_a_size_that_nobody_knows_are_unknown() -> None:
    assert [state for state, _ in states(ROOM, NOTHING, size=None, nodes=1)] == ["unknown"]


def test_cores_that_the_subscription_counts_are_unknown() -> None:
    account = BatchAccount(
        {
            "location": "westeurope",
            "properties": {
                "poolAllocationMode": "UserSubscription",
                "poolQuota": 10,
                "activeJobAndJobScheduleQuota": 10,
                "dedicatedCoreQuotaPerVMFamilyEnforced": False,
            },
        }
    )
    ((state, text),) = states(quotas_of(account), NOTHING, nodes=1)
    assert (state, text.startswith("cores: the subscription")) == ("unknown", True)


def test_a_pool_that_is_there_needs_room_for_a_job_alone() -> None:
    assert [each.state for each in compare(ROOM, Used(10, 0), None, None)] == ["fine"]
