"""Leases: what a run makes ends by itself unless a run that lives puts the end off, again and again.

A pool of ours has a formula with an end in it, after which it has no node; a job of ours has a time limit that is moved
on. So a run that is killed, or has lost its network, costs at most its nodes for the length of the lease and the
interval at which Batch evaluates formulas.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from azure.batch import BatchClient, models
from azure.core.exceptions import ResourceExistsError

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.tasks.beside import beside
from prefect_azure_batch.tasks.errors import ServiceFailure, translated
from prefect_azure_batch.tasks.formulas import job_limit, pool_formula
from prefect_azure_batch.tasks.run_record import HOLD_SECONDS, Hold, RunRecord

RENEWALS = 3
"""How often in its length a lease is renewed."""
_LONGEST_PAUSE = 30.0
# A pool takes no formula while it is being resized, and none sooner than 30 s after the last one.
_LATER = {"PoolBeingResized", "TooManyEnableAutoScaleRequests"}
# Whoever waits for its tasks is told; of a run that has died it may be gone for long.
_GONE = {"JobNotFound", "PoolNotFound"}

_logger = logging.getLogger(__name__)


@dataclass
class _Due:
    """Something to renew: what it is, how, how often, and when next."""

    what: str
    renew: Callable[[], None]
    period: float
    moment: float
    told: bool = False


class Lease:
    """Puts off the end of a run's job, and of its pool if that is its own; and says that the run lives."""

    def __init__(
        self,
        client: BatchClient,
        record: RunRecord,
        hold: Hold | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Makes a lease.

        Args:
            client: the Batch client.
            record: what the run has made, or is about to make. Of a pool of somebody else's nothing is touched.
            hold: the record in storage; None for none.
            clock: seconds on a clock that only goes forward.
        """
        self._client, self._job, self._pool, self._clock = client, record.job, record.pool, clock
        now, length = clock(), record.job.lease
        self._begun = now - (datetime.now(UTC) - record.begun).total_seconds()
        self._run_begun = record.begun
        self._all: list[_Due] = []
        if hold is not None:
            self._add(f"record of run {record.job.run_id!r}", hold.renew, HOLD_SECONDS, now)
        if length is not None:
            self._add(f"lease of job {self._job.job_id!r}", self._renew_job, length.total_seconds(), now)
        if self._pool is not None and self._pool.lease is not None:
            seconds = self._pool.lease.total_seconds()
            self._add(f"lease of pool {self._pool.pool_id!r}", self._renew_pool, seconds, now)

    def _add(self, what: str, renew: Callable[[], None], length: float, now: float) -> None:
        self._all.append(_Due(what, renew, length / RENEWALS, now + length / RENEWALS))

    def hurry(self) -> None:
        """Makes all due at once, as for a run that nobody has kept for a while."""
        for due in self._all:
            due.moment = self._clock()

    def renew(self) -> None:
        """Renews what is due; what could not be renewed is due again soon."""
        now = self._clock()
        for due in self._all:
            if now < due.moment:
                continue
            due.moment = self._clock() + min(_LONGEST_PAUSE, due.period)
            try:
                with translated(f"renew the {due.what}"):
                    due.renew()
                due.moment, due.told = self._clock() + due.period, False
            except ServiceFailure as error:
                if error.code not in _LATER | _GONE and not due.told:
                    due.told = True
                    _logger.warning("%s It is tried again.", error)

    def _renew_pool(self) -> None:
        assert self._pool is not None
        assert self._pool.lease is not None
        formula = pool_formula(self._pool, self._run_begun, datetime.now(UTC) + self._pool.lease)
        # Without an interval the times of the evaluations stay as they are.
        options = models.BatchPoolEnableAutoScaleOptions(auto_scale_formula=formula)
        self._client.enable_pool_auto_scale(self._pool.pool_id, options)

    def _renew_job(self) -> None:
        limit = job_limit(self._job, timedelta(seconds=self._clock() - self._begun))
        constraints = models.BatchJobConstraints(max_wall_clock_time=limit, max_task_retry_count=self._job.task_retries)
        try:
            self._client.update_job(self._job.job_id, models.BatchJobUpdateOptions(constraints=constraints))
        except ResourceExistsError:
            return  # it has ended, or is ending

    def pause(self) -> float:
        """Seconds until something is due."""
        return max(0.0, min((due.moment for due in self._all), default=_LONGEST_PAUSE) - self._clock())


@contextmanager
def leased(
    account: AzureBatchAccount, record: RunRecord, hold: Hold | None = None, *, at_once: bool = False
) -> Iterator[None]:
    """Keeps a run's job, and its pool if that is its own, from ending while the context lasts.

    Args:
        account: the Batch account.
        record: what the run has made, or is about to make.
        hold: the record in storage; None for none.
        at_once: renew all at the beginning, as for a run that nobody has kept for a while.
    """
    lease = Lease(account.get_client(), record, hold)
    if at_once:
        lease.hurry()

    def keep(left: threading.Event) -> None:
        while not left.wait(lease.pause()):
            lease.renew()

    with beside(keep, f"lease-{record.job.job_id}"):
        yield
