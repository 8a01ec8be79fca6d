"""Remembers how long nodes and pools were there, for the usage metrics."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from localbatch.engine.context import Context
from localbatch.rules.usage import Lifetime
from localbatch.rules.vm_sizes import find_size
from localbatch.store.lifetimes import LifetimeRecord
from localbatch.store.nodes import NodeRecord
from localbatch.store.pools import PoolRecord
from localbatch.store.table import to_sql

_MOST_LIFETIMES = 100_000


def note_node(context: Context, node: NodeRecord) -> None:
    """Takes note of a node that is gone or deallocated. The caller has a transaction open."""
    pool = context.store.pools.get(node.pool)
    if pool is not None and node.used_since is not None:
        _note(context, pool, _cores(pool), node.used_since, dedicated=node.dedicated)


def note_pool(context: Context, pool: PoolRecord) -> None:
    """Takes note of a pool that is gone, which counts as having existed even without nodes."""
    _note(context, pool, 0, pool.created)


def _note(context: Context, pool: PoolRecord, cores: int, started: datetime, *, dedicated: bool = False) -> None:
    lifetimes = context.store.lifetimes
    now = context.clock.now()
    added = lifetimes.add(LifetimeRecord(0, pool.account, pool.id, _size(pool), cores, started, now, dedicated))
    lifetimes.remove_where("seq <= ?", added.seq - _MOST_LIFETIMES, limit=-1)


def lifetimes_of(context: Context, account: str, since: datetime, now: datetime) -> Iterator[Lifetime]:
    """Returns how long an account's nodes and pools were there: those that are gone, then those that are not.

    Args:
        context: the engine's surroundings.
        account: the account.
        since: only what ended later.
        now: the time, at which those that are there are taken to end.
    """
    for each in context.store.lifetimes.where("account = ? AND ended > ?", account, to_sql(since)):
        yield Lifetime(each.pool_id, each.vm_size, each.cores, each.started, each.ended)
    for pool in context.store.pools.where("account = ?", account):
        yield Lifetime(pool.id, _size(pool), 0, pool.created, now)
        for started in _used_since(context, pool):
            yield Lifetime(pool.id, _size(pool), _cores(pool), started, now)


def dedicated_core_time(context: Context, pool: PoolRecord, now: datetime) -> timedelta:
    """Adds up how long a pool's dedicated nodes were there, times their cores.

    Args:
        context: the engine's surroundings.
        pool: the pool.
        now: the time, at which those that are there are taken to end.
    """
    condition = "account = ? AND ended >= ? AND pool_id = ? AND dedicated = 1"
    gone = context.store.lifetimes.where(condition, pool.account, to_sql(pool.created), pool.id)
    times = [(each.ended - each.started) * each.cores for each in gone]
    times += [(now - started) * _cores(pool) for started in _used_since(context, pool, spot=False)]
    return sum(times, timedelta())


def _used_since(context: Context, pool: PoolRecord, *, spot: bool = True) -> list[datetime]:
    """Returns since when the nodes of a pool have been used that are used now."""
    records = [node.record for node in context.fleet.nodes(pool.seq)]
    return [each.used_since for each in records if each.used_since is not None and (spot or each.dedicated)]


def _size(pool: PoolRecord) -> str:
    return str(pool.body["vmSize"])


def _cores(pool: PoolRecord) -> int:
    size = find_size(_size(pool))
    return 0 if size is None else size.cores
