"""When and where the tasks of a run ran, and what their nodes did besides: what pictures of it are drawn from. Pure."""

import statistics
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from operator import attrgetter
from typing import Literal

from prefect_azure_batch.flows.results import MpiResult, RunResult, TaskResult
from prefect_azure_batch.tasks.node_lives import NodeLife

MOST_SPANS = 10_000
"""So many tasks at most are drawn one by one; of more there is only how busy nodes were."""

BINS = 200
"""Of the time that a run took."""

Kind = Literal["task", "again", "failed", "coordination"]
"""What a node works at: a task, one that has begun more than once, one that failed, the preparation of an MPI task."""


@dataclass(frozen=True)
class Work:
    """What a node works at for a while; ``waited`` is for how many seconds it had to wait, if anybody knows."""

    label: str
    node_id: str
    begin: datetime
    end: datetime
    kind: Kind
    waited: float | None = None


@dataclass(frozen=True)
class Span:
    """The same on one lane of a node.

    Attributes:
        begin, end: seconds from the begin of the run.
        lane: of its node, from 0: as many as tasks ran at a time.
    """

    label: str
    begin: float
    end: float
    lane: int
    kind: Kind


@dataclass(frozen=True)
class Shares:
    """What became of the seconds of nodes, each as long as it was paid.

    Attributes:
        busy: taken by tasks; where some of a node's slots are free, that part of it.
        starting: until the node took tasks.
        idle: the rest.
    """

    busy: float = 0.0
    starting: float = 0.0
    idle: float = 0.0

    @property
    def total(self) -> float:
        """Seconds of all."""
        return self.busy + self.starting + self.idle

    def __add__(self, other: "Shares") -> "Shares":
        """Of both."""
        return Shares(self.busy + other.busy, self.starting + other.starting, self.idle + other.idle)

    def __str__(self) -> str:
        """In words."""
        whole = self.total or 1.0
        return f"{self.busy / whole:.0%} busy, {self.starting / whole:.0%} starting, {self.idle / whole:.0%} idle"


@dataclass
class NodeTimes:
    """What one node did. Times are seconds from the begin of the run, and None if nobody knows them.

    Attributes:
        spans: its tasks by their begin, if they are drawn one by one.
        busy: seconds of tasks in each bin of the run.
        tasks: number of them.
        asked: when its pool began to get it.
        begin, end: how long the pool had it.
        ready: since when it took tasks.
        booted: when it had started; it took tasks soon after.
        start_task: begin and end of its start task.
        absences: for which it was preempted.
        is_spot: it can be.
        is_dead: it could take no task in the end.
    """

    node_id: str
    spans: list[Span] = field(default_factory=list)
    busy: "array[float]" = field(default_factory=lambda: array("d", bytes(8 * BINS)))
    tasks: int = 0
    ends: list[float] = field(default_factory=list)
    asked: float | None = None
    begin: float | None = None
    end: float | None = None
    ready: float | None = None
    booted: float | None = None
    start_task: tuple[float, float] | None = None
    absences: list[tuple[float, float]] = field(default_factory=list)
    is_spot: bool = False
    is_dead: bool = False

    def take_lane(self, begin: float, end: float) -> int:
        """The first lane that is free then."""
        free = (lane for lane, until in enumerate(self.ends) if until <= begin)
        lane = next(free, len(self.ends))
        self.ends[lane : lane + 1] = [end]
        return lane

    def shares(self, places: int) -> Shares | None:
        """What became of its time; None if nobody knows how long the pool had it.

        Args:
            places: how many tasks it runs at a time.
        """
        if self.begin is None or self.end is None:
            return None
        there = self.end - self.begin - sum(end - begin for begin, end in self.absences)
        starting = (self.end if self.ready is None else self.ready) - self.begin
        busy = sum(self.busy) / places
        return Shares(busy, starting, max(0.0, there - starting - busy))


@dataclass(frozen=True)
class RunTimes:
    """What the tasks of a run took, and its nodes.

    Attributes:
        begin: when it began; None if no task ran.
        seconds: from there to the end of the last task, and of the last node.
        task_seconds: from the begin of the first task to the end of the last one.
        durations: seconds of each task.
        waits: seconds that tasks waited for their start, of those of which that is known.
        ended: tasks that ended in each bin of the run.
        nodes: in the order in which they came, or got their first tasks.
        places: how many tasks a node runs at a time.
    """

    begin: datetime | None
    seconds: float
    task_seconds: float
    durations: "array[float]"
    waits: "array[float]"
    ended: "array[int]"
    nodes: list[NodeTimes]
    places: int = 1

    @property
    def median(self) -> float:
        """Seconds of a usual task."""
        return statistics.median(self.durations) if self.durations else 0.0

    @property
    def median_wait(self) -> float:
        """Seconds that a usual task waited."""
        return statistics.median(self.waits) if self.waits else 0.0

    @property
    def total(self) -> float:
        """Seconds of all tasks together."""
        return sum(self.durations)

    @property
    def shares(self) -> Shares | None:
        """What became of the time of all nodes; None if nobody knows how long the pool had them."""
        known = [shares for node in self.nodes if (shares := node.shares(self.places))]
        return sum(known, Shares()) if known else None


def times_of(result: RunResult, lives: Sequence[NodeLife] = (), places: int = 1) -> RunTimes:
    """Finds out when and where tasks ran.

    Args:
        result: of the run; its tasks are gone through twice.
        lives: what has become of its nodes, as far as that is known.
        places: how many tasks a node runs at a time.
    """
    bounds = _bounds(works_of(result))
    if bounds is None:
        return RunTimes(None, 0.0, 0.0, array("d"), array("d"), array("q", [0]) * BINS, [], places)
    first, last = bounds
    begin = min([first, *(life.asked or life.allocated for life in lives)])
    seconds = max((max([last, *(life.seen for life in lives)]) - begin).total_seconds(), 1e-3)
    drawer = _Drawer(begin, seconds, len(result.tasks) <= MOST_SPANS)
    for life in lives:
        drawer.add_node(life)
    drawer.add_works(works_of(result))
    return drawer.times((last - first).total_seconds(), places)


def works_of(result: RunResult) -> Iterator[Work]:
    """What nodes worked at in a run."""
    if isinstance(result, MpiResult):
        yield from _instances(result)
        return
    for task in result.tasks:
        if task.state != "skipped" and task.started and task.ended:
            kind, node = _kind(task), task.node_id or ""
            yield Work(task.input, node, _utc(task.started), _utc(task.ended), kind, task.queue_seconds)


def _kind(task: TaskResult) -> Kind:
    if task.state == "failed":
        return "failed"
    return "again" if task.retries or task.requeues else "task"


def _instances(result: MpiResult) -> Iterator[Work]:
    """Each node of an MPI task: what its coordination command took, and then its ranks, which end with the task."""
    for task in result.tasks:
        if task.state == "skipped" or not (task.started and task.ended):
            return
        kind, end = _kind(task), _utc(task.ended)
        nodes = [("primary", task.node_id, task.started)]
        nodes += [(f"subtask {each.id}", each.node_id, each.started or task.started) for each in result.subtasks]
        for name, node, started in nodes:
            begin = _utc(started)
            began = _utc(result.application_began) if result.application_began else begin
            began = min(max(began, begin), end)
            if began > begin:
                yield Work(f"{name}, coordination", node or "", begin, began, "coordination")
            waited = task.queue_seconds if name == "primary" else None
            yield Work(f"{name}, application", node or "", began, end, kind, waited)


def _bounds(works: Iterable[Work]) -> tuple[datetime, datetime] | None:
    begin = end = None
    for work in works:
        begin = work.begin if begin is None else min(begin, work.begin)
        end = work.end if end is None else max(end, work.end)
    return (begin, end) if begin and end else None


class _Drawer:
    """Puts works and nodes on one scale, from the begin of a run on."""

    def __init__(self, begin: datetime, seconds: float, one_by_one: bool) -> None:
        self._begin, self._seconds, self._one_by_one = begin, seconds, one_by_one
        self._nodes = dict[str, NodeTimes]()
        self._durations, self._waits, self._ended = array("d"), array("d"), array("q", [0]) * BINS

    def add_node(self, life: NodeLife) -> None:
        at = self._second
        start_task = life.start_task and (at(life.start_task[0]), at(life.start_task[1]))
        self._nodes[life.node_id] = NodeTimes(
            life.node_id,
            asked=at(life.asked) if life.asked else None,
            begin=at(life.allocated),
            end=at(life.seen),
            ready=max(at(life.ready), at(life.allocated)) if life.ready else None,
            booted=at(life.booted) if life.booted and life.has_served else None,
            start_task=start_task,
            absences=[(at(each.begin), at(each.end or life.seen)) for each in life.absences],
            is_spot=not life.is_dedicated,
            is_dead=life.is_dead,
        )

    def add_works(self, works: Iterable[Work]) -> None:
        for work in sorted(works, key=attrgetter("begin")) if self._one_by_one else works:
            self._add_work(work)

    def _add_work(self, work: Work) -> None:
        first, last = self._second(work.begin), self._second(work.end)
        node = self._nodes.setdefault(work.node_id, NodeTimes(work.node_id))
        _fill(node.busy, first, last, self._seconds / BINS)
        if node.begin is not None:  # it was there, whatever the clocks say
            node.begin, node.end = min(node.begin, first), max(node.end or last, last)
            node.ready = min(first if node.ready is None else node.ready, first)
        if self._one_by_one:
            lane = node.take_lane(first, last)
            node.spans.append(Span(work.label, first, last, lane, work.kind))
        if work.kind != "coordination":
            node.tasks += 1
            self._durations.append(last - first)
            self._ended[_bin(last, self._seconds)] += 1
        if work.waited is not None:
            self._waits.append(work.waited)

    def times(self, task_seconds: float, places: int) -> RunTimes:
        for node in self._nodes.values():
            _complete(node)
        return RunTimes(
            self._begin,
            self._seconds,
            task_seconds,
            self._durations,
            self._waits,
            self._ended,
            list(self._nodes.values()),
            places,
        )

    def _second(self, moment: datetime) -> float:
        return min(max(0.0, (moment - self._begin).total_seconds()), self._seconds)


def _complete(node: NodeTimes) -> None:
    """Adds what is known only when all tasks of a node are."""
    if node.ready is None:
        node.ready = node.booted
    # Nobody has seen when a machine was taken away, unless its tasks tell that it was there.
    last = max(node.ends, default=0.0)
    node.absences = [(min(max(begin, last), end) if end == node.end else begin, end) for begin, end in node.absences]


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


def _bin(moment: float, seconds: float) -> int:
    return min(int(moment / seconds * BINS), BINS - 1)


def _fill(busy: "array[float]", first: float, last: float, width: float) -> None:
    """Adds the seconds of a task to the bins that it touches."""
    for number in range(max(0, int(first / width)), min(int(last / width), BINS - 1) + 1):
        busy[number] += max(0.0, min(last, (number + 1) * width) - max(first, number * width))
