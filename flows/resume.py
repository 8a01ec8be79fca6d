"""What a run takes up of others: runs of the same work that died without an end, or that go on."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.blocks.pool_description import PoolDescription
from prefect_azure_batch.flows.runs import keep_run
from prefect_azure_batch.tasks.earlier import FoundRun
from prefect_azure_batch.tasks.meter import Meter
from prefect_azure_batch.tasks.pool import is_usable
from prefect_azure_batch.tasks.records import Run
from prefect_azure_batch.tasks.renewal import renew_start_task
from prefect_azure_batch.tasks.run_record import HOLD_SECONDS, take_over

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TakenUp:
    """Another run whose tasks are waited for.

    Attributes:
        found: the run and its tasks.
        is_ours: it had died, and is kept by this run now.
    """

    found: FoundRun
    is_ours: bool

    @property
    def run(self) -> Run:
        """For the stages that wait for the tasks and collect their outputs."""
        return self.found.run


@contextmanager
def taken_up(
    account: AzureBatchAccount, others: tuple[FoundRun, ...], meter: Meter, *, patient: bool = False
) -> Iterator[list[TakenUp]]:
    """Takes over the runs that have died, and deletes at the end what they have made; the others are left alone.

    Args:
        account: the Batch account and its storage.
        others: runs of the same work that have not ended.
        meter: takes what the nodes of those that have died cost from now on.
        patient: those that have none of the inputs may have more to do, as a reduce, and are waited for to die, too.

    Yields:
        All that are waited for, or have a pool to go on with.
    """
    with ExitStack() as kept:
        taken = []
        for found in others:
            # One that has nothing of what is wanted is worth no waiting for a sign of its death.
            hold = take_over(account.storage, found.record, HOLD_SECONDS + 2 if found.tasks or patient else 0)
            if hold is not None:
                kept.enter_context(keep_run(account, found.record, hold, meter, keeps_files=True, at_once=True))
            if hold is not None or found.tasks:
                taken.append(TakenUp(found, is_ours=hold is not None))
                _tell(taken[-1])
        yield taken


def _tell(taken: TakenUp) -> None:
    state = "has died: it is taken up" if taken.is_ours else "goes on: it is waited for"
    job, begun = taken.found.record.job, taken.found.record.begun
    _logger.warning(
        "Run %s of the same work %s, with %s; its job and its links last until %s UTC.",
        taken.run.run_id,
        state,
        f"{taken.found.tasks} of the inputs" if taken.found.tasks else "its pool and job",
        f"{begun + job.time_limit:%Y-%m-%d %H:%M}",
    )


def pool_to_go_on_with(
    account: AzureBatchAccount,
    taken: list[TakenUp],
    wanted: PoolDescription,
    time_limit: timedelta,
    instances: int | None = None,
) -> PoolDescription:
    """The pool of a run that was taken over, for what is left to do; what is wanted, if there is none that will do.

    Args:
        account: the Batch account and its storage.
        taken: what was taken up.
        wanted: what the pool is asked to be, or which.
        time_limit: how long the run may take that goes on.
        instances: nodes that a multi-instance task takes at once; None for a map.

    Raises:
        ServiceFailure: Azure refused or failed a request.
    """
    if wanted.existing:
        return wanted
    for pool in [other.found.record.pool for other in taken if other.is_ours]:
        if pool and is_usable(account, pool.pool_id, instances, wanted.node_identity):
            renew_start_task(account, pool.pool_id, time_limit)
            return PoolDescription(existing=pool.pool_id, storage_identity=wanted.node_identity)
    return wanted
