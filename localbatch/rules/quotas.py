"""Quotas of a Batch account: what may be had of each kind. Pure.

A quota that is not given is not enforced: Azure's defaults differ from subscription to subscription, and would only
surprise on one's own machine.
Source: "Batch service quotas and limits" and the codes of resize errors in the Batch REST reference; the wording of
the messages is a guess where no record of it was found.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from localbatch.rules.vm_sizes import VmSize
from localbatch.wire.formats import JsonObject

UNLIMITED = 2**31 - 1
"""Stands for a quota that is not enforced, where a number must be told."""


@dataclass(frozen=True)
class Quotas:
    """The quotas of every account; None is no limit.

    Attributes:
        pools: number of pools.
        active_jobs: number of jobs and job schedules that are not completed.
        dedicated_cores: cores of dedicated nodes, over all pools.
        low_priority_cores: cores of spot nodes, over all pools.
        family_cores: cores of dedicated nodes by VM family; families that are not named have no limit of their own.
    """

    pools: int | None = None
    active_jobs: int | None = None
    dedicated_cores: int | None = None
    low_priority_cores: int | None = None
    family_cores: Mapping[str, int] = field(default_factory=dict)

    def family_quota(self, family: str) -> int | None:
        """Returns the quota of a VM family, in whatever case it is named."""
        return next((cores for name, cores in self.family_cores.items() if name.lower() == family.lower()), None)


def reached(quota: int | None, present: int) -> bool:
    """Tells whether one more of something would be too many."""
    return quota is not None and present >= quota


def fitting_nodes(
    quotas: Quotas, size: VmSize, dedicated: bool, wanted: int, used: Mapping[str, int]
) -> tuple[int, JsonObject | None]:
    """Tells how many nodes the core quotas leave room for.

    Args:
        quotas: the account's quotas.
        size: VM size of the nodes.
        dedicated: whether they are dedicated or spot nodes.
        wanted: how many are asked for.
        used: cores of nodes of that kind which the account has, by VM family.

    Returns:
        The number, and if it is less than asked for the error of the resize, in the words of the wire.
    """
    limits = [_limit(quotas.dedicated_cores if dedicated else quotas.low_priority_cores, sum(used.values()), size)]
    if dedicated:
        limits.append(_limit(quotas.family_quota(size.family), used.get(size.family, 0), size))
    allowed = min([wanted, *limits])
    if allowed == wanted:
        return wanted, None
    return allowed, _overall_error(dedicated) if limits[0] == allowed else _family_error(size.family)


def _limit(quota: int | None, used: int, size: VmSize) -> int:
    return UNLIMITED if quota is None else max(0, quota - used) // size.cores


def _overall_error(dedicated: bool) -> JsonObject:
    if dedicated:
        return _error("AccountCoreQuotaReached", "The specified account has reached core quota")
    return _error("AccountLowPriorityCoreQuotaReached", "The specified account has reached low priority core quota")


def _family_error(family: str) -> JsonObject:
    message = f"The specified account has reached VM series core quota for {family}"
    return _error("AccountVMSeriesCoreQuotaReached", message)


def _error(code: str, message: str) -> JsonObject:
    return {"code": code, "message": message}
