"""What the tests of flows share."""

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.flows.upkeep_flow import goes_on
from prefect_azure_batch.tasks.upkeep import find_leftovers
from tests.support.processes import wait_until


def left_behind(account: AzureBatchAccount) -> list[str]:
    """What runs have made and not deleted."""
    client, storage = account.get_client(), account.storage.get_client()
    left = [job.id or "" for job in client.list_jobs() if job.state != "deleting"]
    left += [pool.id or "" for pool in client.list_pools() if pool.state != "deleting"]
    left += [container.name for container in storage.list_containers()]
    return [name for name in left if name.startswith(("map-", "mpi-"))]


def wait_until_over(account: AzureBatchAccount, kind: str, run_id: str | None = None) -> None:
    """Waits until what killed runs have left would be deleted by upkeep, without a flow run for each look."""

    def is_over() -> bool:
        found = [left for left in find_leftovers(account, goes_on) if left.kind == kind]
        return {left.is_over for left in found if run_id in (None, left.run_id)} == {True}

    wait_until(is_over, 40, pause=0.5)
