"""Nodes of a run that are paid for and run nothing, told to Prefect as an event."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.flows.events import NODES_IDLE, emit, of_run
from prefect_azure_batch.tasks.beside import beside
from prefect_azure_batch.tasks.errors import BatchFlowError, translated
from prefect_azure_batch.tasks.node_states import count_nodes
from prefect_azure_batch.tasks.run_record import RunRecord

_INTERVAL = timedelta(minutes=1)
_IDLE_FOR = timedelta(minutes=5)
_SILENCE = timedelta(minutes=30)

_logger = logging.getLogger(__name__)


class IdleNodes:
    """Decides when idle nodes are worth telling of.

    Args:
        idle_for: how long as many nodes have to be idle.
        silence: from one time to the next.
        clock: seconds on a clock that only goes forward.
    """

    def __init__(
        self,
        idle_for: timedelta = _IDLE_FOR,
        silence: timedelta = _SILENCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._idle_for, self._silence, self._clock = idle_for.total_seconds(), silence.total_seconds(), clock
        self._looks: deque[tuple[float, int]] = deque()
        self._told: float | None = None

    def look(self, idle: int) -> int:
        """Takes how many nodes are idle now.

        Returns:
            How many have been so at every look for long enough, if it is time to tell of them; else 0.
        """
        now = self._clock()
        self._looks.append((now, idle))
        while len(self._looks) > 1 and self._looks[1][0] <= now - self._idle_for:
            self._looks.popleft()
        if now - self._looks[0][0] < self._idle_for or (self._told is not None and now - self._told < self._silence):
            return 0
        fewest = min(number for _, number in self._looks)
        self._told = now if fewest else self._told
        return fewest


@contextmanager
def telling_of_idle_nodes(
    account: AzureBatchAccount, record: RunRecord, idle: IdleNodes | None = None, interval: timedelta = _INTERVAL
) -> Iterator[None]:
    """Tells Prefect of idle nodes of the pool that a run has made, until the context is left.

    Args:
        account: the Batch account.
        record: what the run has made, or is about to make.
        idle: decides when.
        interval: from one look to the next, each of which is one request.
    """
    if record.pool is None:
        yield  # others may have a use for nodes that are idle here
        return
    pool_id, decides = record.pool.pool_id, idle or IdleNodes()

    def watch(left: threading.Event) -> None:
        while not left.wait(interval.total_seconds()):
            try:
                with translated(f"count the nodes of pool {pool_id!r}"):
                    nodes = count_nodes(account.get_client(), pool_id)
            except BatchFlowError as error:
                _logger.debug("%s", error)  # others ask for more, and tell
                continue
            if fewest := decides.look(nodes.idle):
                emit(NODES_IDLE, of_run(record.job.run_id), {"pool": pool_id, "idle": fewest, "nodes": nodes.total})

    with beside(watch, f"idle-nodes-{pool_id}"):
        yield
