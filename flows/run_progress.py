"""What a run has got to: its stages tell it; tasks, nodes and money are taken from those who look at them anyway.

Nobody is asked here: the poller of the job has counts and nodes, the meter has what the nodes have cost.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from prefect_azure_batch.flows.pace import Pace
from prefect_azure_batch.flows.progress_state import (
    AWAITING,
    CLEANING,
    COLLECTING,
    PHASES,
    RUNNING,
    SENDING,
    Phase,
    Snapshot,
)
from prefect_azure_batch.tasks.meter import Meter
from prefect_azure_batch.tasks.node_states import NodeStates
from prefect_azure_batch.tasks.records import Counts


class TaskCounter(Protocol):
    """Knows the tasks of a job, and the nodes that they run on, as a ``JobPoller`` does."""

    @property
    def counts(self) -> Counts:
        """Tasks by state."""
        ...

    @property
    def nodes(self) -> NodeStates | None:
        """Nodes by state; None if nobody has looked."""
        ...


class RunProgress:
    """What a run has got to; its stages tell it, on any thread.

    Args:
        meter: knows what the run's nodes have cost.
        clock: seconds on a clock that only goes forward.
    """

    def __init__(self, meter: Meter, clock: Callable[[], float] = time.monotonic) -> None:
        self._meter, self._clock, self._lock = meter, clock, threading.RLock()
        self._phases = {name: Phase(name) for name in PHASES}
        self._poller: TaskCounter | None = None
        self._nodes: NodeStates | None = None
        self._total, self._uploaded, self._pace = 0, 0, Pace()
        self._collected: Callable[[], int] = lambda: 0

    def begin(self, name: str, total: int | None = None, note: str = "") -> None:
        """A phase begins, unless it has begun already.

        Args:
            name: of the phase.
            total: how much there is to do in it; None if nobody knows.
            note: what else there is to say of it.
        """
        with self._lock:
            phase = self._phases[name]
            begun = self._clock() if phase.begun is None else phase.begun
            known = phase.total if total is None else total
            self._phases[name] = replace(phase, begun=begun, total=known, note=note or phase.note)

    def clean_up(self) -> None:
        """All that the run was for is over; what it has made is deleted."""
        with self._lock:
            self.look()
            for phase in tuple(self._phases.values()):
                self.end(phase.name)
            self.begin(CLEANING)

    def advance(self, name: str, number: int = 1) -> None:
        """So much more of a phase is done."""
        with self._lock:
            self._phases[name] = replace(self._phases[name], done=self._phases[name].done + number)

    def upload(self, number: int) -> None:
        """So many more inputs are in storage."""
        with self._lock:
            self._uploaded += number

    def end(self, name: str, note: str = "") -> None:
        """A phase ends, if it goes on."""
        with self._lock:
            phase = self._phases[name]
            if phase.is_active:
                self._phases[name] = replace(phase, ended=self._clock(), note=note or phase.note)

    def see_nodes(self, nodes: NodeStates) -> None:
        """Takes the nodes of the pool, seen by whoever waits for them."""
        self._nodes = nodes

    def watch(self, poller: TaskCounter, total: int) -> None:
        """Follows the tasks of a job from now on.

        Args:
            poller: of the job.
            total: tasks that it is to have.
        """
        with self._lock:
            self._poller, self._total = poller, total

    def collects(self, number: Callable[[], int], total: int) -> None:
        """Follows the results.

        Args:
            number: gives how many there are.
            total: how many there will be.
        """
        with self._lock:
            self._collected = number
            self._set(COLLECTING, total=total)

    def finish(self, *, broken: bool) -> None:
        """All is over.

        Args:
            broken: by an error; then what went on is broken, too.
        """
        with self._lock:
            self.look()
            for phase in tuple(self._phases.values()):
                if phase.is_active:
                    self._set(phase.name, ended=self._clock(), broken=broken)

    def look(self) -> Snapshot:
        """All that is known now."""
        with self._lock:
            poller = self._poller
            counts = poller.counts if poller else Counts()
            nodes = (poller.nodes if poller else None) or self._nodes
            self._follow_tasks(counts, nodes)
            self._follow_results()
            now = self._clock()
            if counts.running or counts.completed:
                self._pace.note(now, counts.completed)
            return Snapshot(
                now,
                tuple(self._phases.values()),
                counts,
                self._total,
                nodes,
                self._pace.rate(now, counts.completed),
                self._meter.spent,
                self._meter.budget,
            )

    def _follow_tasks(self, counts: Counts, nodes: NodeStates | None) -> None:
        """What the tasks of the job, and the nodes that they wait for, say of the phases."""
        if self._poller is None:
            self._follow_nodes(nodes)
            return
        sending, added = self._phases[SENDING], counts.active + counts.running + counts.completed
        if sending.is_active:
            waits = self._uploaded - added
            self._set(SENDING, done=added, note=f"{self._uploaded:,} uploaded" if waits > 0 else "")
            if sending.total is not None and self._phases[SENDING].done >= sending.total:
                self.end(SENDING)
        if not counts.running and not counts.completed:
            self._follow_nodes(nodes)
            return
        self._end_awaiting(nodes)
        self.begin(RUNNING, self._total)
        self._set(RUNNING, done=counts.completed)
        if counts.completed >= self._total:
            self.end(RUNNING)

    def _follow_nodes(self, nodes: NodeStates | None) -> None:
        if nodes is not None and self._phases[AWAITING].is_active:
            self._set(AWAITING, done=nodes.ready, total=nodes.target or None)

    def _end_awaiting(self, nodes: NodeStates | None) -> None:
        """Tasks run: nodes have come, whatever was the case when somebody looked last."""
        if self._phases[AWAITING].is_active:
            ready = nodes.ready if nodes else 0
            self._set(AWAITING, done=ready, total=self._phases[AWAITING].total if ready else None)
            self.end(AWAITING)

    def _follow_results(self) -> None:
        collecting, done = self._phases[COLLECTING], self._collected()
        if done and collecting.ended is None:
            self.begin(COLLECTING)
            self._set(COLLECTING, done=done)
            if collecting.total is not None and done >= collecting.total:
                self.end(COLLECTING)

    def _set(self, name: str, **changes: object) -> None:
        self._phases[name] = replace(self._phases[name], **changes)  # type: ignore[arg-type]
