"""What the tests of flows share."""

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount


def left_behind(account: AzureBatchAccount) -> list[str]:
    """What runs have made and not deleted."""
    client, storage = account.get_client(), account.storage.get_client()
    left = [job.id or "" for job in client.list_jobs() if job.state != "deleting"]
    left += [pool.id or "" for pool in client.list_pools() if pool.state != "deleting"]
    left += [container.name for container in storage.list_containers()]
    return [name for name in left if name.startswith(("map-", "mpi-"))]
