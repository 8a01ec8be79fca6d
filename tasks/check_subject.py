"""What checks of an account are made on."""

from dataclasses import dataclass

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.blocks.pool_description import PoolDescription

_NO_NODES = {"formula": "$TargetDedicatedNodes = 0; $TargetLowPriorityNodes = 0;"}
# A check is of one node at a time.
_SIZE = {"nodes", "spot_nodes", "autoscale"}


@dataclass(frozen=True)
class Subject:
    """An account, and what would be run there.

    Attributes:
        account: the block.
        run_id: names what the checks make, whose names begin so.
        pool: what a pool of the account's user shall be.
    """

    account: AzureBatchAccount
    run_id: str
    pool: PoolDescription = PoolDescription()  # noqa: RUF009 - frozen

    @property
    def one_node(self) -> PoolDescription:
        """A pool of that kind with one node: a spot node if it has no others."""
        spot = self.pool.dedicated_nodes == 0
        return self._resized({"nodes": 0, "spot_nodes": 1} if spot else {"nodes": 1})

    @property
    def no_node(self) -> PoolDescription:
        """A pool of that kind that gets no node, and so has no use for a start task."""
        return self._resized({"nodes": 1, "autoscale": _NO_NODES}, without={"start_task"})

    def _resized(self, size: dict[str, object], without: frozenset[str] | set[str] = frozenset()) -> PoolDescription:
        kept = self.pool.model_fields_set - _SIZE - without
        return PoolDescription.model_validate({name: getattr(self.pool, name) for name in kept} | size)
