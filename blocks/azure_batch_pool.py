"""A pool's description, saved once by the person who pays, chosen by name by those who run."""

from prefect.blocks.core import Block
from pydantic import Field

from prefect_azure_batch.blocks.pool_description import PoolDescription


class AzureBatchPool(Block):
    """What the pool of a run on Azure Batch shall be.

    Example:
        Save one, look at it, and run on it with ``--pool-block BLOCK_NAME``:
        ```python
        from prefect_azure_batch.blocks.azure_batch_pool import AzureBatchPool
        from prefect_azure_batch.blocks.pool_description import PoolDescription

        AzureBatchPool(pool=PoolDescription(spot_nodes=20, slots=4)).save("BLOCK_NAME")
        slots = AzureBatchPool.load("BLOCK_NAME").pool.slots
        ```
    """

    _block_type_name = "Azure Batch Pool"
    _logo_url = "https://cdn.sanity.io/images/3ugk85nk/production/54e3fa7e00197a4fbd1d82ed62494cb58d08c96a-250x250.png"  # type: ignore[assignment]
    _documentation_url = "https://learn.microsoft.com/azure/batch/nodes-and-pools"  # type: ignore[assignment]

    pool: PoolDescription = Field(title="Pool", description="Leave empty what you do not care for.")
