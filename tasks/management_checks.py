"""Checks that need Azure Resource Manager, which a shared key cannot sign in to."""

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.blocks.credentials import BatchSharedKey
from prefect_azure_batch.tasks.advice import SHOW_QUOTAS
from prefect_azure_batch.tasks.check_subject import Subject
from prefect_azure_batch.tasks.checks import Broken, CheckFinding
from prefect_azure_batch.tasks.errors import translated
from prefect_azure_batch.tasks.findings import FINE, UNKNOWN
from prefect_azure_batch.tasks.pool import check_new_pool
from prefect_azure_batch.tasks.quotas import look_at_quotas
from prefect_azure_batch.tasks.records import PoolPlan

_ADVICE = "Look at them in the portal (the Batch account, Quotas), or by this, signed in as somebody who may read it."


def why_unmanaged(account: AzureBatchAccount) -> str | None:
    """Why Azure Resource Manager cannot be asked with a block; None if it can."""
    if isinstance(account.credential, BatchSharedKey):
        return "a shared key cannot sign in to Azure Resource Manager"
    if account.subscription_id is None or account.resource_group is None:
        return "the block has no subscription_id or no resource_group"
    return None


def check_management(subject: Subject) -> CheckFinding:
    """Reads the Batch account's own properties.

    Raises:
        BatchFlowError: that cannot be done.
    """
    account = subject.account
    if reason := why_unmanaged(account):
        advice = "Only identities and tags of pools, and publishing application packages, need it."
        return CheckFinding("management", "skipped", reason, advice)
    with translated(f"read the Batch account {account.account_name!r} in Azure Resource Manager"):
        client = account.get_management_client()
        properties = client.batch_account.get(account.resource_group or "", account.account_name)
    return CheckFinding("management", "ok", f"read the account's properties; it is in {properties.location}")


def check_quotas(subject: Subject) -> CheckFinding:
    """Compares what the account may have with what it has, and with a job and a pool of one node.

    Raises:
        BatchFlowError: there is no room for them.
    """
    if reason := why_unmanaged(subject.account):
        return CheckFinding("quotas", "skipped", f"they cannot be asked for: {reason}", _ADVICE, SHOW_QUOTAS)
    plan = PoolPlan(subject.run_id, subject.one_node)
    size = check_new_pool(subject.account, plan).vm_size or plan.description.vm_size
    found = list(look_at_quotas(subject.account, plan, size))
    if lacking := [each.text for each in found if each.state not in (FINE, UNKNOWN)]:
        raise Broken("; ".join(lacking), "QuotaReached")
    unknown = [each.text for each in found if each.state == UNKNOWN]
    if unknown:
        return CheckFinding("quotas", "skipped", "; ".join(unknown), _ADVICE, SHOW_QUOTAS)
    return CheckFinding("quotas", "ok", "; ".join(each.text for each in found))
