"""What is known of a run while it goes: its phases, tasks, nodes, pace and money; and the same in words. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from prefect_azure_batch.flows.pace import rate_in_words
from prefect_azure_batch.flows.report_pictures import clock
from prefect_azure_batch.tasks.cost import in_dollars
from prefect_azure_batch.tasks.node_states import NodeStates
from prefect_azure_batch.tasks.records import Counts

FINDING, SENDING, AWAITING, RUNNING, COLLECTING, CLEANING = (
    "Finding inputs",
    "Sending",
    "Waiting for nodes",
    "Running",
    "Collecting",
    "Cleaning up",
)
PHASES = (FINDING, SENDING, AWAITING, RUNNING, COLLECTING, CLEANING)
"""In the order in which they begin; they overlap."""


@dataclass(frozen=True)
class Phase:
    """What a run does for a while.

    Attributes:
        name: what it does.
        begun: seconds on the clock of the run; None if it has not begun.
        ended: likewise.
        broken: the run has ended in it, by an error.
        done: how much of it is done.
        total: how much there is to do; None if nobody knows.
        note: what else there is to say of it.
    """

    name: str
    begun: float | None = None
    ended: float | None = None
    broken: bool = False
    done: int = 0
    total: int | None = None
    note: str = ""

    @property
    def is_active(self) -> bool:
        """Whether it goes on."""
        return self.begun is not None and self.ended is None

    def seconds(self, now: float) -> float:
        """How long it has taken so far."""
        return 0.0 if self.begun is None else (now if self.ended is None else self.ended) - self.begun

    @property
    def counts(self) -> str:
        """How much is done of how much, if that is known."""
        if self.total is None:
            return f"{self.done:,}" if self.done else ""
        return f"{self.done:,} of {self.total:,}"


@dataclass(frozen=True)
class Snapshot:
    """What is known of a run at one moment.

    Attributes:
        now: seconds on the clock of the run.
        phases: all of them, in order.
        counts: tasks that are in the job, by state.
        total: tasks that the run has to do; 0 as long as nobody knows.
        nodes: of its pool; None if nobody has looked.
        rate: tasks that end in a second; None if nobody can tell.
        spent: USD that its nodes have cost so far; None if nobody knows.
        budget: USD that they may cost; None for any price.
    """

    now: float
    phases: tuple[Phase, ...]
    counts: Counts = field(default_factory=Counts)
    total: int = 0
    nodes: NodeStates | None = None
    rate: float | None = None
    spent: float | None = None
    budget: float | None = None

    @property
    def waiting(self) -> int:
        """Tasks that have not begun, those that nobody has added yet included."""
        return max(0, self.total - self.counts.completed - self.counts.running)

    @property
    def percent(self) -> float:
        """Tasks that have ended, of all; results that are here, where other runs have done all."""
        results = next(phase for phase in self.phases if phase.name == COLLECTING)
        done, total = (self.counts.completed, self.total) if self.total else (results.done, results.total or 1)
        return 100.0 * min(done, total) / total

    @property
    def left(self) -> float | None:
        """Seconds until all tasks have ended; None if nobody can tell, or none is waited for."""
        rest = self.total - self.counts.completed
        return rest / self.rate if self.rate and rest > 0 and not self.is_cleaning else None

    @property
    def active(self) -> list[Phase]:
        """The phases that go on."""
        return [phase for phase in self.phases if phase.is_active]

    @property
    def is_cleaning(self) -> bool:
        """Whether nothing is waited for any more."""
        return any(phase.name == CLEANING and phase.begun is not None for phase in self.phases)


def tasks_in_words(seen: Snapshot) -> str:
    """How many tasks have ended, run and wait, or what is done as long as there are none."""
    if not seen.total:
        return "; ".join(map(_doing, seen.active or [phase for phase in seen.phases if phase.done])) or "It begins"
    counts = seen.counts
    failed = f" ({counts.failed:,} failed)" if counts.failed else ""
    ended = f"{counts.completed:,} of {seen.total:,} tasks have ended{failed}"
    return f"{ended}, {counts.running:,} run, {seen.waiting:,} wait"


def _doing(phase: Phase) -> str:
    return f"{phase.name}, {phase.counts}" if phase.counts else phase.name


def pace_in_words(seen: Snapshot, now: datetime | None = None) -> str:
    """How fast tasks end, how long the rest takes and when that will be; empty if nobody can tell.

    Args:
        seen: what is known.
        now: the time in the zone of whoever reads this; None for no time of the end.
    """
    if seen.rate is None or seen.left is None:
        return ""
    until = f", until about {moment(now, seen.left)}" if now else ""
    return f"{rate_in_words(seen.rate)}, about {clock(seen.left)} left{until}"


def moment(now: datetime, seconds: float) -> str:
    """The time in so many seconds, with its day if that is another.

    Args:
        now: the time, with its zone.
        seconds: from then on.
    """
    then = now + timedelta(seconds=seconds)
    text = f"{then:%H:%M}" if then.date() == now.date() else f"{then:%a %d %b %H:%M}"
    return f"{text} UTC" if then.tzinfo is UTC else text


def money_in_words(seen: Snapshot) -> str:
    """What the nodes have cost so far; empty if nobody knows."""
    if seen.spent is None:
        return ""
    of = f" of {in_dollars(seen.budget)}" if seen.budget is not None else ""
    return f"{in_dollars(seen.spent)}{of} so far"


def _facts(seen: Snapshot, now: datetime) -> Iterator[str]:
    yield tasks_in_words(seen)
    if seen.nodes is not None and not seen.is_cleaning:
        yield f"nodes: {seen.nodes}"
    yield pace_in_words(seen, now)
    yield money_in_words(seen)


def in_a_line(seen: Snapshot, now: datetime) -> str:
    """All that is known, for a log."""
    return "; ".join(fact for fact in _facts(seen, now) if fact)


def in_markdown(seen: Snapshot, now: datetime) -> str:
    """All that is known, for the Prefect UI: an item of a list for each."""
    return "\n".join(f"- {fact[0].upper()}{fact[1:]}" for fact in _facts(seen, now) if fact)
