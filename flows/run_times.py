"""When and where the tasks of a run ran: what pictures of it are drawn from. Pure."""

import statistics
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from prefect_azure_batch.flows.results import TaskResult

MOST_SPANS = 10_000
"""So many tasks at most are drawn one by one; of more there is only how busy nodes were."""

BINS = 200
"""Of the time that a run took."""


@dataclass(frozen=True)
class Span:
    """One task on one lane of a node.

    Attributes:
        begin, end: seconds from the begin of the first task.
        lane: of its node, from 0: as many as tasks ran at a time.
    """

    label: str
    begin: float
    end: float
    lane: int
    failed: bool


@dataclass
class NodeTimes:
    """What one node did.

    Attributes:
        spans: its tasks by their begin, if they are drawn one by one.
        busy: seconds of tasks in each bin of the run.
        tasks: number of them.
    """

    node_id: str
    spans: list[Span] = field(default_factory=list)
    busy: "array[float]" = field(default_factory=lambda: array("d", bytes(8 * BINS)))
    tasks: int = 0
    ends: list[float] = field(default_factory=list)

    def take_lane(self, begin: float, end: float) -> int:
        """The first lane that is free then."""
        free = (lane for lane, until in enumerate(self.ends) if until <= begin)
        lane = next(free, len(self.ends))
        self.ends[lane : lane + 1] = [end]
        return lane


@dataclass(frozen=True)
class RunTimes:
    """What the tasks of a run took.

    Attributes:
        begin: when the first one began; None if none did.
        seconds: from there to the end of the last one.
        durations: seconds of each task.
        ended: tasks that ended in each bin of the run.
        nodes: in the order in which they got their first tasks.
    """

    begin: datetime | None
    seconds: float
    durations: "array[float]"
    ended: "array[int]"
    nodes: list[NodeTimes]

    @property
    def median(self) -> float:
        """Seconds of a usual task."""
        return statistics.median(self.durations) if self.durations else 0.0

    @property
    def total(self) -> float:
        """Seconds of all tasks together."""
        return sum(self.durations)


def times_of(tasks: Iterable[TaskResult], number: int) -> RunTimes:
    """Finds out when and where tasks ran.

    Args:
        tasks: results; they are gone through twice.
        number: of them.
    """
    begin, end = _bounds(tasks)
    if begin is None or end is None:
        return RunTimes(None, 0.0, array("d"), array("q", [0]) * BINS, [])
    seconds = max((end - begin).total_seconds(), 1e-3)
    nodes, durations, ended = dict[str, NodeTimes](), array("d"), array("q", [0]) * BINS
    ran = (task for task in tasks if task.state != "skipped" and task.started and task.ended)
    for task in ran if number > MOST_SPANS else sorted(ran, key=lambda task: task.started or datetime.max):
        first, last = ((moment - begin).total_seconds() for moment in (task.started, task.ended) if moment)
        durations.append(last - first)
        ended[_bin(last, seconds)] += 1
        node = nodes.setdefault(task.node_id or "", NodeTimes(task.node_id or ""))
        node.tasks += 1
        _fill(node.busy, first, last, seconds / BINS)
        if number <= MOST_SPANS:
            lane = node.take_lane(first, last)
            node.spans.append(Span(task.input, first, last, lane, task.state == "failed"))
    return RunTimes(begin, seconds, durations, ended, list(nodes.values()))


def _bounds(tasks: Iterable[TaskResult]) -> tuple[datetime | None, datetime | None]:
    begin = end = None
    for task in tasks:
        if task.state != "skipped" and task.started and task.ended:
            started, stopped = task.started.astimezone(UTC), task.ended.astimezone(UTC)
            begin = started if begin is None else min(begin, started)
            end = stopped if end is None else max(end, stopped)
    return begin, end


def _bin(moment: float, seconds: float) -> int:
    return min(int(moment / seconds * BINS), BINS - 1)


def _fill(busy: "array[float]", first: float, last: float, width: float) -> None:
    """Adds the seconds of a task to the bins that it touches."""
    for number in range(max(0, int(first / width)), min(int(last / width), BINS - 1) + 1):
        busy[number] += max(0.0, min(last, (number + 1) * width) - max(first, number * width))
