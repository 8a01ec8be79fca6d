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
from datetime import UTC, datetime, timedelta

from azure.batch import BatchClient, models
from azure.core.exceptions import ResourceExistsError

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.tasks.errors import ServiceFailure, translated
from prefect_azure_batch.tasks.records import JobPlan, PoolPlan

EVALUATION_INTERVAL = timedelta(minutes=5)
"""How often Batch evaluates a pool's formula: the shortest interval that it takes."""

_RENEWALS = 3
_LONGEST_PAUSE = 30.0
# A pool takes no formula while it is being resized, and none sooner than 30 s after the last one.
_LATER = {"PoolBeingResized", "TooManyEnableAutoScaleRequests"}

_logger = logging.getLogger(__name__)


def lease_formula(nodes: int, end: datetime, *, spot: bool = False) -> str:
    """A formula that gives a pool so many nodes until a moment, and none from then on.

    Args:
        nodes: the pool's size until then.
        end: the moment, with its time zone.
        spot: whether they are spot nodes.
    """
    kind = "LowPriority" if spot else "Dedicated"
    other = "Dedicated" if spot else "LowPriority"
    return (
        f'end = time("{end.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}");\n'
        f"$Target{kind}Nodes = time() < end ? {nodes} : 0;\n"
        f"$Target{other}Nodes = 0;\n"
        "$NodeDeallocationOption = requeue;\n"
    )


def job_limit(plan: JobPlan, age: timedelta = timedelta()) -> timedelta:
    """Longest life of a job from its creation: to the end of a lease that begins now, but no longer than the run's.

    Args:
        plan: the job.
        age: how long ago the job was created.
    """
    return plan.time_limit if plan.lease is None else min(plan.time_limit, age + plan.lease)


class Lease:
    """Puts off the end of a run's job, and of its pool if that is its own."""

    def __init__(
        self,
        client: BatchClient,
        job: JobPlan,
        pool: PoolPlan | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Makes a lease that begins now.

        Args:
            client: the Batch client.
            job: the job as it is being made; it has a lease.
            pool: the pool as it is being made; None for a pool of somebody else's, which is not touched.
            clock: seconds on a clock that only goes forward.
        """
        assert job.lease is not None
        self._client, self._job, self._pool, self._clock = client, job, pool, clock
        self._length = job.lease
        self._begun = clock()
        self._due = dict.fromkeys(("pool", "job"), self._begun + self._step)
        self._told: set[str] = set()

    @property
    def _step(self) -> float:
        return self._length.total_seconds() / _RENEWALS

    def renew(self) -> None:
        """Renews what is due; what could not be renewed is due again soon."""
        now = self._clock()
        for what, renew in (("pool", self._renew_pool), ("job", self._renew_job)):
            if now < self._due[what]:
                continue
            try:
                with translated(f"renew the lease of {what} {self._id(what)!r}"):
                    renew()
                self._due[what] = self._clock() + self._step
                self._told.discard(what)
            except ServiceFailure as error:
                self._due[what] = self._clock() + min(_LONGEST_PAUSE, self._step)
                if error.code not in _LATER and what not in self._told:
                    self._told.add(what)
                    _logger.warning("%s It is tried again.", error)

    def _id(self, what: str) -> str:
        return self._job.pool_id if what == "pool" else self._job.job_id

    def _renew_pool(self) -> None:
        if self._pool is None:
            return
        formula = lease_formula(self._pool.nodes, datetime.now(UTC) + self._length, spot=self._pool.spot)
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
        return max(0.0, min(self._due.values()) - self._clock())


@contextmanager
def leased(account: AzureBatchAccount, job: JobPlan, pool: PoolPlan | None) -> Iterator[None]:
    """Keeps a run's job, and its pool if that is its own, from ending while the context lasts.

    Args:
        account: the Batch account.
        job: the job, which exists or is about to be made; without a lease nothing is done.
        pool: the pool; None for a pool of somebody else's, which is not touched.
    """
    if job.lease is None:
        yield
        return
    lease, ended = Lease(account.get_client(), job, pool), threading.Event()

    def keep() -> None:
        while not ended.wait(lease.pause()):
            lease.renew()

    thread = threading.Thread(target=keep, name=f"lease-{job.job_id}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
