"""How many nodes core quotas leave room for."""

import pytest

from localbatch.rules.quotas import Quotas, fitting_nodes, reached
from localbatch.rules.vm_sizes import VmSize, find_size
from localbatch.wire.formats import JsonObject

FAMILY = "standardDSv3Family"


def size(name: str = "standard_d4s_v3") -> VmSize:
    found = find_size(name)
    assert found is not None
    return found


def code(error: JsonObject | None) -> object:
    return None if error is None else error["code"]


@pytest.mark.parametrize(
    ("quota", "present", "full"), [(None, 10**6, False), (0, 0, True), (2, 1, False), (2, 2, True)]
)
def test_a_quota_is_reached_when_as_many_are_present(quota: int | None, present: int, full: bool) -> None:
    assert reached(quota, present) is full


@pytest.mark.parametrize(
    ("quotas", "dedicated", "used", "expected"),
    [
        (Quotas(), True, {}, (3, None)),
        (Quotas(dedicated_cores=12), True, {}, (3, None)),
        (Quotas(dedicated_cores=11), True, {}, (2, "AccountCoreQuotaReached")),
        (Quotas(dedicated_cores=11), False, {}, (3, None)),
        (Quotas(dedicated_cores=12), True, {"standardFSv2Family": 6}, (1, "AccountCoreQuotaReached")),
        (Quotas(dedicated_cores=4), True, {FAMILY: 8}, (0, "AccountCoreQuotaReached")),
        (Quotas(low_priority_cores=4), False, {}, (1, "AccountLowPriorityCoreQuotaReached")),
        (Quotas(low_priority_cores=4), True, {}, (3, None)),
        (Quotas(family_cores={"STANDARDDSv3family": 8}), True, {FAMILY: 4}, (1, "AccountVMSeriesCoreQuotaReached")),
        (Quotas(family_cores={FAMILY: 4}), False, {}, (3, None)),
        (Quotas(family_cores={"standardFSv2Family": 0}), True, {}, (3, None)),
        (Quotas(dedicated_cores=4, family_cores={FAMILY: 8}), True, {}, (1, "AccountCoreQuotaReached")),
    ],
)
def test_a_pool_gets_the_nodes_that_fit(
    quotas: Quotas, dedicated: bool, used: dict[str, int], expected: tuple[int, str | None]
) -> None:
    allowed, error = fitting_nodes(quotas, size(), dedicated, 3, used)
    assert (allowed, code(error)) == expected
