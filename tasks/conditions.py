"""Why tasks wait: a table of conditions of their job, their pool and its nodes, the most telling one first."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from azure.batch import models

from prefect_azure_batch.tasks.diagnosis import (
    DEAD_NODE_STATES,
    current_nodes,
    follows_load,
    is_leased,
    is_steady,
    target_nodes,
)

_SOON, _LATER = timedelta(seconds=20), timedelta(seconds=90)
_ABSENT = {"unknown", "offline", "preempted", "deallocating", "deallocated", "leavingpool"}


@dataclass(frozen=True)
class Scene:
    """A job whose tasks wait, its pool, and the nodes of that."""

    job: models.BatchJob
    pool: models.BatchPool
    nodes: Sequence[models.BatchNode]

    @property
    def states(self) -> list[str]:
        """States of the nodes, in lower case."""
        return [str.lower(node.state or "") for node in self.nodes]

    def all_in(self, states: set[str]) -> bool:
        """Whether there are nodes, and all are in one of these states."""
        return bool(self.nodes) and all(state in states for state in self.states)


@dataclass(frozen=True)
class Condition:
    """Why tasks wait.

    Attributes:
        holds: whether it is so.
        summary: what is so; may hold ``{pool}``, ``{job}``, ``{nodes}``, ``{current}`` and ``{target}``.
        advice: what to do about it.
        is_hopeless: waiting does not help.
        stops_running: it matters also to tasks that the service takes to be running.
        patience: how long it must hold before it is told.
    """

    holds: Callable[[Scene], bool]
    summary: str
    advice: str
    is_hopeless: bool = False
    stops_running: bool = False
    patience: timedelta = _SOON

    def describe(self, scene: Scene) -> str:
        """One line for a person."""
        pool, states = scene.pool, Counter(scene.states)
        text = self.summary.format(
            pool=pool.id,
            job=scene.job.id,
            nodes=", ".join(f"{number} {state}" for state, number in sorted(states.items())),
            current=current_nodes(pool),
            target=target_nodes(pool),
        )
        return f"{text}: {self.advice}"


def _is_empty(scene: Scene) -> bool:
    pool = scene.pool
    return is_steady(pool) and not scene.nodes and target_nodes(pool) == 0 and not follows_load(pool)


def _is_closed(scene: Scene) -> bool:
    return bool(scene.nodes) and all(str.lower(node.scheduling_state or "") == "disabled" for node in scene.nodes)


CONDITIONS = (
    Condition(
        lambda scene: str.lower(scene.job.state or "") in ("disabled", "disabling"),
        "The job {job!r} is disabled",
        "somebody has done that; enable it, or end this run.",
    ),
    Condition(
        lambda scene: _is_empty(scene) and not is_leased(scene.pool),
        "The pool {pool!r} has no node, and no formula that gives it one",
        "resize it, or leave --pool out to have one made.",
        is_hopeless=True,
    ),
    Condition(
        lambda scene: _is_empty(scene) and is_leased(scene.pool),
        "The pool {pool!r} has no node, for its lease was over",
        "it is being renewed; the nodes come with the next evaluation of its formula.",
    ),
    Condition(
        lambda scene: scene.all_in({"unknown"}),
        "Batch hears nothing of the nodes of pool {pool!r} ({nodes})",
        "it tries to reach them; reboot them, or resize the pool.",
        stops_running=True,
    ),
    Condition(
        _is_closed,
        "Scheduling is disabled on all nodes of pool {pool!r} ({nodes})",
        "enable it, or resize the pool.",
    ),
    Condition(
        lambda scene: scene.all_in(DEAD_NODE_STATES | _ABSENT),
        "No node of pool {pool!r} takes a task ({nodes})",
        "reboot or start them, or resize the pool.",
        stops_running=True,
    ),
    Condition(
        lambda scene: not is_steady(scene.pool) and not scene.nodes,
        "The pool {pool!r} waits for its nodes: it has {current} of {target}",
        "Azure is allocating them; if it takes long, another --vm-size or region may have more.",
        patience=_LATER,
    ),
    Condition(
        lambda scene: bool(scene.nodes) and not any(state in ("idle", "running") for state in scene.states),
        "The nodes of pool {pool!r} are not ready yet ({nodes})",
        "they start.",
        patience=_LATER,
    ),
)


def find_condition(scene: Scene, *, running: bool = False) -> Condition | None:
    """The most telling condition that holds; None if nothing keeps tasks from starting.

    Args:
        scene: what there is.
        running: tasks are taken to be running: what keeps others from starting does not matter.
    """
    found = (condition for condition in CONDITIONS if condition.stops_running or not running)
    return next((condition for condition in found if condition.holds(scene)), None)


class Watch:
    """Tells a condition once it has held for as long as it must."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Makes a watch that has seen nothing.

        Args:
            clock: seconds on a clock that only goes forward.
        """
        self._clock = clock
        self._seen: Condition | None = None
        self._since, self._told = 0.0, False

    def look(self, scene: Scene | None, *, running: bool = False) -> tuple[Condition, str] | None:
        """The condition that is to be told now, with its text; None if there is none, or it was told before.

        Args:
            scene: what there is; None if all is well.
            running: tasks are taken to be running.
        """
        condition = find_condition(scene, running=running) if scene is not None else None
        if condition is not self._seen:
            self._seen, self._since, self._told = condition, self._clock(), False
        if scene is None or condition is None or self._told:
            return None
        if self._clock() - self._since < condition.patience.total_seconds():
            return None
        self._told = True
        return condition, condition.describe(scene)
