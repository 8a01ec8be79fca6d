"""What pools have used, in core hours for each half hour: pure.

As on Azure an interval can be asked for two hours after its end. Source: the operation "Pool - List Usage Metrics" of
the Batch REST reference, API version 2025-06-01, and its official example, which gives the length of the intervals.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from localbatch.wire.errors import invalid_query_parameter
from localbatch.wire.formats import JsonObject, format_time, parse_time

INTERVAL = timedelta(minutes=30)
DELAY = timedelta(hours=2)
_HOUR = timedelta(hours=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Lifetime:
    """How long a node was allocated; with no cores, how long a pool existed."""

    pool_id: str
    vm_size: str
    cores: int
    started: datetime
    ended: datetime


@dataclass
class _Usage:
    """Core hours by the number of the interval: those of parts of one, and changes of what is used all through it."""

    parts: dict[int, float] = field(default_factory=dict)
    steps: dict[int, int] = field(default_factory=dict)


def requested_intervals(start: str | None, end: str | None, now: datetime) -> range:
    """Reads the range a client asks for, and returns the numbers of its intervals.

    Args:
        start: the query parameter ``startTime``; without it the last interval begins the range.
        end: the query parameter ``endtime``; without it the last interval ends the range.
        now: the time.

    Raises:
        ServiceError: ``InvalidQueryParameterValue``: no time, too late, or out of order.
    """
    closed = _number(now - DELAY)
    first = closed - 1 if start is None else _number(_moment("startTime", start, now - DELAY - INTERVAL))
    last = closed if end is None else -(-(_moment("endtime", end, now - DELAY) - _EPOCH) // INTERVAL)
    if end is not None and last <= first:
        raise invalid_query_parameter("endtime", end, "It must be later than startTime.")
    return range(first, min(last, closed))


def _moment(name: str, text: str, latest: datetime) -> datetime:
    try:
        moment = parse_time(text)
    except ValueError as error:
        raise invalid_query_parameter(name, text, str(error)) from error
    if moment > latest:
        reason = f"It must be at least {'two and a half' if name == 'startTime' else 'two'} hours before now."
        raise invalid_query_parameter(name, text, reason)
    return moment


def _number(moment: datetime) -> int:
    return (moment - _EPOCH) // INTERVAL


def interval_start(number: int) -> datetime:
    """Returns the moment at which an interval begins."""
    return _EPOCH + number * INTERVAL


def usage_metrics(lifetimes: Iterable[Lifetime], intervals: range) -> list[JsonObject]:
    """Adds up what pools have used.

    Args:
        lifetimes: of nodes and pools.
        intervals: numbers of the intervals.

    Returns:
        One entry for each interval and each pool that existed in it, in the words of the wire and in order of time.
    """
    begin, end = interval_start(intervals.start), interval_start(intervals.stop)
    touched = [each for each in lifetimes if each.ended > begin and each.started < end]
    # Nobody looks at the centuries in which there was nothing.
    first = min((_number(each.started) for each in touched), default=intervals.stop)
    intervals = range(max(first, intervals.start), intervals.stop)
    pools: dict[tuple[str, str], _Usage] = {}
    for each in touched:
        _add(pools.setdefault((each.pool_id, each.vm_size), _Usage()), each, intervals)
    entries = [(number, *pool, hours) for pool, usage in pools.items() for number, hours in _sum(usage, intervals)]
    return [_view(*entry) for entry in sorted(entries)]


def _add(usage: _Usage, lifetime: Lifetime, intervals: range) -> None:
    started = max(lifetime.started, interval_start(intervals.start))
    ended = min(lifetime.ended, interval_start(intervals.stop))
    first, last = _number(started), _number(ended)
    if first == last:
        _add_part(usage, first, lifetime.cores, ended - started)
        return
    _add_part(usage, first, lifetime.cores, interval_start(first + 1) - started)
    if ended > interval_start(last):
        _add_part(usage, last, lifetime.cores, ended - interval_start(last))
    # A lifetime counts for as many cores in all intervals in between, however many these are.
    for number in range(first + 1, last) if lifetime.cores == 0 else ():
        usage.parts.setdefault(number, 0.0)
    usage.steps[first + 1] = usage.steps.get(first + 1, 0) + lifetime.cores
    usage.steps[last] = usage.steps.get(last, 0) - lifetime.cores


def _add_part(usage: _Usage, number: int, cores: int, time: timedelta) -> None:
    usage.parts[number] = usage.parts.get(number, 0.0) + cores * (time / _HOUR)


def _sum(usage: _Usage, intervals: range) -> Iterable[tuple[int, float]]:
    cores = 0
    for number in intervals:
        cores += usage.steps.get(number, 0)
        if cores or number in usage.parts:
            yield number, usage.parts.get(number, 0.0) + cores * (INTERVAL / _HOUR)


def _view(number: int, pool_id: str, vm_size: str, hours: float) -> JsonObject:
    return {
        "startTime": format_time(interval_start(number)),
        "endTime": format_time(interval_start(number + 1)),
        "poolId": pool_id,
        "vmSize": vm_size,
        "totalCoreHours": round(hours, 6),
    }
