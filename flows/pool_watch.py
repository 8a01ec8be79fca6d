"""What becomes of the pool that a run has made, told to Prefect as events."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from azure.batch import models

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.flows.events import NODES_IDLE, NODES_PREEMPTED, RESIZE_FAILED, emit, of_run
from prefect_azure_batch.flows.idle_nodes import IdleNodes
from prefect_azure_batch.tasks.beside import beside
from prefect_azure_batch.tasks.diagnosis import current_nodes, describe_resize, read_pool, target_nodes
from prefect_azure_batch.tasks.errors import BatchFlowError, translated
from prefect_azure_batch.tasks.node_states import NodeStates, count_nodes
from prefect_azure_batch.tasks.run_record import RunRecord

_INTERVAL = timedelta(minutes=1)

_logger = logging.getLogger(__name__)


class News:
    """Tells what of a pool's troubles is new: more nodes taken away than before, other errors of a resize."""

    def __init__(self) -> None:
        self._preempted, self._errors = 0, set[str]()

    def preempted(self, number: int) -> bool:
        """Whether so many preempted nodes are more than at the look before."""
        before, self._preempted = self._preempted, number
        return number > before

    def errors(self, errors: list[models.ResizeError] | None) -> bool:
        """Whether a resize has failed otherwise than the one before; a pool with a lease tries again and again."""
        before, self._errors = self._errors, {error.code or "" for error in errors or []}
        return bool(self._errors - before)


@contextmanager
def telling_of_pool(
    account: AzureBatchAccount, record: RunRecord, idle: IdleNodes | None = None, interval: timedelta = _INTERVAL
) -> Iterator[None]:
    """Tells Prefect what becomes of the pool that a run has made, until the context is left.

    Args:
        account: the Batch account.
        record: what the run has made, or is about to make.
        idle: decides when idle nodes are worth telling of.
        interval: from one look to the next, each of which is two requests.
    """
    if record.pool is None:
        yield  # others may have a use for nodes that are idle here, and are told of their troubles
        return
    client, pool_id, run = account.get_client(), record.pool.pool_id, of_run(record.job.run_id)
    idle_nodes, news = idle or IdleNodes(), News()

    def look() -> None:
        with translated(f"look at pool {pool_id!r}"):
            pool, nodes = read_pool(client, pool_id), count_nodes(client, pool_id)
        _tell(run, pool, nodes, news)
        if fewest := idle_nodes.look(nodes.idle):
            emit(NODES_IDLE, run, {"pool": pool_id, "idle": fewest, "nodes": nodes.total})

    def watch(left: threading.Event) -> None:
        while not left.wait(interval.total_seconds()):
            try:
                look()
            except BatchFlowError as error:
                _logger.debug("%s", error)  # others ask for more, and tell

    with beside(watch, f"watch-{pool_id}"):
        yield


def _tell(run: dict[str, str], pool: models.BatchPool, nodes: NodeStates, news: News) -> None:
    preempted = nodes.numbers.get("preempted", 0)
    if news.preempted(preempted):
        emit(NODES_PREEMPTED, run, {"pool": pool.id, "preempted": preempted, "nodes": nodes.total})
    if news.errors(pool.resize_errors):
        error = describe_resize(pool.resize_errors or [])
        about = {"pool": pool.id, "error": error, "nodes": current_nodes(pool), "wanted": target_nodes(pool)}
        emit(RESIZE_FAILED, run, about)
