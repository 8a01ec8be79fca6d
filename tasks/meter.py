"""What the pools of a run have had of nodes, measured while it lives, and whether that is more than it may cost.

A pool is asked for its number of nodes now and then, whatever the number of tasks. Between two looks it has had no
fewer than the fewer of both and no more than the more; within that the bill takes what the nodes tell, if the pool has
kept all of them, and else the mean. Nodes count from the moment the pool has them, ready or not: then they are paid.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from azure.batch import models
from azure.core.exceptions import ResourceNotFoundError

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.tasks.beside import beside
from prefect_azure_batch.tasks.cost import Bill, NodeHours, PoolUse, Terms, bill, in_dollars
from prefect_azure_batch.tasks.errors import BatchFlowError, BudgetSpent, translated
from prefect_azure_batch.tasks.intervals import GROWTH, LONGEST_INTERVAL
from prefect_azure_batch.tasks.job import OVER_BUDGET, cancel_job
from prefect_azure_batch.tasks.node_lives import NODE_PROPERTIES, NodeLives
from prefect_azure_batch.tasks.prices import Prices, known_prices
from prefect_azure_batch.tasks.run_record import RunRecord

_FIRST_PAUSE = 1.0
_HOUR = 3600.0
_PROPERTIES = [
    "id,creationTime,vmSize,taskSlotsPerNode,currentDedicatedNodes,currentLowPriorityNodes,allocationState,"
    "allocationStateTransitionTime"
]
# Nodes are listed no sooner again, and not while nothing is to be learned of them.
_LISTING_PAUSE, _PAUSE_FOR_EACH = 15.0, 0.02

_logger = logging.getLogger(__name__)


@dataclass
class _Watched:
    """A pool: what it has had up to a moment, and its nodes then; None if nobody has looked yet."""

    moment: float
    nodes: NodeHours | None
    least: NodeHours = field(default_factory=NodeHours)
    most: NodeHours = field(default_factory=NodeHours)
    vm_size: str = ""

    @property
    def hours(self) -> NodeHours:
        """What it has most likely had."""
        return (self.least + self.most) * 0.5


class Meter:
    """What the pools of one run have had so far; several threads may look at them.

    Args:
        region: of the account; None if nobody knows.
        prices: what nodes cost.
        budget: USD that the run may cost; None for any price.
        clock: seconds on a clock that only goes forward.

    Attributes:
        lives: what has become of each node.
    """

    def __init__(
        self,
        region: str | None = None,
        prices: Prices | None = None,
        budget: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._region, self._prices, self._budget, self._clock = region, prices or Prices(), budget, clock
        self._pools: dict[str, _Watched] = {}
        self._lock = threading.Lock()
        self._slots, self._is_foreign, self._is_spent = 1, False, False
        self.lives = NodeLives()

    @property
    def budget(self) -> float | None:
        """USD that the run may cost; None for any price."""
        return self._budget

    def begin(self, pool_id: str, *, is_new: bool) -> None:
        """Watches a pool from now on: one that is about to be made, or one of a run that was taken over."""
        with self._lock:
            self._pools[pool_id] = _Watched(self._clock(), NodeHours() if is_new else None)
        self.lives.begin(pool_id, datetime.now(UTC), is_new=is_new)

    def watches(self, pool_id: str) -> bool:
        """Whether the pool is one of the run's own."""
        return pool_id in self._pools

    def note(self, pool_id: str, nodes: NodeHours, vm_size: str | None = None) -> None:
        """Takes how many nodes a pool has now.

        Args:
            pool_id: a pool that is watched.
            nodes: dedicated and spot ones.
            vm_size: of them; None if the pool is not there.
        """
        with self._lock:
            pool, now = self._pools[pool_id], self._clock()
            before, passed = pool.nodes or nodes, (now - pool.moment) / _HOUR if pool.nodes else 0
            pool.least += before.least(nodes) * passed
            pool.most += before.most(nodes) * passed
            pool.moment, pool.nodes, pool.vm_size = now, nodes, vm_size or pool.vm_size

    def use_slots(self, slots: int, *, is_foreign: bool) -> None:
        """Takes how many slots the nodes have that tasks run on, and whether these are somebody else's."""
        self._slots, self._is_foreign = slots, is_foreign

    @property
    def slots(self) -> int:
        """Slots of the nodes that tasks run on."""
        return self._slots

    def uses(self) -> list[PoolUse]:
        """What each pool has had up to the last look at it."""
        with self._lock:
            seen = [(name, pool) for name, pool in self._pools.items() if pool.vm_size]
            return [
                PoolUse(pool.vm_size.lower(), self._hours(name, pool), self._prices.find(self._region, pool.vm_size))
                for name, pool in seen
            ]

    def _hours(self, name: str, pool: _Watched) -> NodeHours:
        """As the nodes tell, but within what was seen: their clocks are not this machine's."""
        told = self.lives.seconds(name)
        if told is None:
            return pool.hours
        return (NodeHours(*told) * (1 / _HOUR)).most(pool.least).least(pool.most)

    def seconds_left(self) -> float | None:
        """How long all that is there now may go on within the budget; None for ever, or if nobody knows the price."""
        now = None if self._budget is None else self._spent_and_rate()
        if self._budget is None or now is None:
            return None
        spent, rate = now
        if spent >= self._budget:
            return 0.0
        return (self._budget - spent) / rate * _HOUR if rate else None

    @property
    def spent(self) -> float | None:
        """USD that the run's own pools have cost so far; None if it has none, or nobody knows the price."""
        now = self._spent_and_rate()
        return now[0] if now and any(pool.vm_size for pool in self._pools.copy().values()) else None

    def _spent_and_rate(self) -> tuple[float, float] | None:
        """USD so far, and by the hour from now on; None if nobody knows a price."""
        spent = rate = 0.0
        with self._lock:
            for pool in self._pools.values():
                price, nodes = self._prices.find(self._region, pool.vm_size), pool.nodes or NodeHours()
                so_far = pool.hours.price(price)
                an_hour = nodes.price(price)
                if so_far is None or an_hour is None:
                    return None
                spent += so_far + an_hour * (self._clock() - pool.moment) / _HOUR
                rate += an_hour
        return spent, rate

    @property
    def is_spent(self) -> bool:
        """Whether the run has cost all that it may."""
        self._is_spent = self._is_spent or self.seconds_left() == 0
        return self._is_spent

    def require_left(self) -> None:
        """Ends what would go on though the budget is spent.

        Raises:
            BudgetSpent: says so.
        """
        if self.is_spent:
            raise BudgetSpent(f"The run was ended, for it has cost the {in_dollars(self._budget)} of its --budget.")

    def bill(self, task_seconds: float, slots: int | None = None) -> Bill:
        """What the run has cost.

        Args:
            task_seconds: that its tasks took, all together.
            slots: of each task; None for whole nodes.
        """
        share = 1.0 if slots is None else min(1.0, slots / self._slots)
        return bill(
            self.uses(),
            self._region,
            task_seconds / _HOUR * share,
            is_foreign=self._is_foreign,
            budget=self._budget,
            over_budget=self._is_spent,
        )


def make_meter(account: AzureBatchAccount, terms: Terms) -> Meter:
    """A meter for a run on an account.

    Args:
        account: the Batch account.
        terms: what the run may cost, and where.

    Raises:
        BadInput: the table of prices cannot be read.
    """
    return Meter(terms.region or account.region, known_prices(), terms.budget)


@contextmanager
def metered(account: AzureBatchAccount, record: RunRecord, meter: Meter, *, is_new: bool) -> Iterator[None]:
    """Measures a run's pool while the context lasts, and ends its job when the run has cost all that it may.

    Args:
        account: the Batch account.
        record: what the run has made, or is about to make.
        meter: takes what is measured.
        is_new: the pool is about to be made.
    """
    if record.pool:
        meter.begin(record.pool.pool_id, is_new=is_new)
    keeper = _Keeper(account, record, meter)

    def keep(left: threading.Event) -> None:
        while not left.wait(keeper.pause()):
            keeper.look()

    try:
        with beside(keep, f"meter-{record.job.job_id}"):
            yield
    finally:
        keeper.look_once_more()


class _Keeper:
    """Looks at the pool of one job for a meter."""

    def __init__(self, account: AzureBatchAccount, record: RunRecord, meter: Meter) -> None:
        self._account, self._client, self._meter = account, account.get_client(), meter
        self._job_id, self._pool_id = record.job.job_id, record.job.pool_id
        self._is_own = record.pool is not None
        self._pause, self._is_told, self._is_ended = 0.0, False, False
        self._listed: tuple[float, NodeHours] | None = None

    def pause(self) -> float:
        """Seconds until the next look: soon at first, and when the budget will be spent."""
        pause, self._pause = self._pause, min(max(_FIRST_PAUSE, self._pause * GROWTH), LONGEST_INTERVAL)
        rest = self._meter.seconds_left()
        return min(pause, rest) if rest else pause

    def look(self) -> None:
        """Looks at the pool, and ends the job if the budget is spent; what did not work is tried again."""
        try:
            self._measure()
            if self._meter.is_spent and not self._is_ended:
                self._is_ended = cancel_job(self._account, self._job_id, OVER_BUDGET)
                if self._is_ended:
                    budget = in_dollars(self._meter.budget)
                    _logger.warning("The run has cost its --budget of %s: job %s is ended.", budget, self._job_id)
            self._is_told = False
        except BatchFlowError as error:
            if not self._is_told:
                _logger.warning("%s It is tried again; what the run costs is not known until then.", error)
            self._is_told = True

    def look_once_more(self) -> None:
        """Looks at the pool for the last time, before it is deleted."""
        try:
            self._measure(is_last=True)
        except BatchFlowError as error:
            _logger.warning("%s What the run has cost since the last look is not in its bill.", error)

    def _measure(self, *, is_last: bool = False) -> None:
        is_watched = self._meter.watches(self._pool_id)
        if not self._is_own and is_watched:
            return  # it goes on with the pool of a run that was taken over, at which another looks
        with translated(f"count the nodes of pool {self._pool_id!r}"):
            try:
                pool = self._client.get_pool(self._pool_id, select=_PROPERTIES)
            except ResourceNotFoundError:
                if is_watched:
                    self._meter.note(self._pool_id, NodeHours())
                return
        self._meter.use_slots(pool.task_slots_per_node or 1, is_foreign=not self._is_own)
        if is_watched:
            spot = (pool.current_low_priority_nodes or 0) - self._preempted(pool)
            nodes = NodeHours(pool.current_dedicated_nodes or 0, max(0, spot))
            self._meter.note(self._pool_id, nodes, pool.vm_size)
            if is_last or self._is_worth_listing(nodes):
                self._list_nodes(pool, nodes)

    def _is_worth_listing(self, nodes: NodeHours) -> bool:
        """Whether nodes have come or gone since they were listed, or are on their way, and that is a while ago."""
        if self._listed is None:
            return nodes.total > 0
        moment, then = self._listed
        if time.monotonic() - moment < max(_LISTING_PAUSE, nodes.total * _PAUSE_FOR_EACH):
            return False
        return nodes != then or not self._meter.lives.are_settled(self._pool_id)

    def _list_nodes(self, pool: models.BatchPool, nodes: NodeHours) -> None:
        self._listed = time.monotonic(), nodes
        try:
            with translated(f"list the nodes of pool {self._pool_id!r}"):
                found = list(self._client.list_nodes(self._pool_id, select=NODE_PROPERTIES))
        except BatchFlowError as error:
            _logger.warning("%s The report does not show what has become of them.", error)
            return
        self._meter.lives.note(pool, found, datetime.now(UTC))

    def _preempted(self, pool: models.BatchPool) -> int:
        """Spot nodes that were taken away: the pool still counts them, and nobody pays for them."""
        if not pool.current_low_priority_nodes:
            return 0
        with translated(f"count the nodes of pool {self._pool_id!r} by state"):
            counts = self._client.list_pool_node_counts(filter=f"poolId eq '{self._pool_id}'")
            return sum(each.low_priority.preempted for each in counts if each.low_priority)
