"""What a pool that follows its load has decided on last, told when it changes."""

import logging

from azure.batch import models

from prefect_azure_batch.tasks.diagnosis import current_nodes, target_nodes

_logger = logging.getLogger(__name__)


class ScalingLog:
    """The last evaluation of a pool's formula, as far as it was told."""

    def __init__(self) -> None:
        self._told: tuple[object, ...] = ()

    def look(self, pool: models.BatchPool) -> None:
        """Tells what has changed since the last look."""
        run = pool.auto_scale_run
        if run is None:
            return
        error = f"{run.error.code}: {run.error.message}" if run.error else ""
        seen = (pool.target_dedicated_nodes, pool.target_low_priority_nodes, error)
        if seen == self._told:
            return
        self._told = seen
        if error:
            _logger.warning("The formula of pool %s failed, and its size stays as it is. %s", pool.id, error)
            return
        _logger.info(
            "Pool %s: its formula asks for %d nodes (%d dedicated, %d spot); it has %d.",
            *(pool.id, target_nodes(pool), pool.target_dedicated_nodes or 0, pool.target_low_priority_nodes or 0),
            current_nodes(pool),
        )
