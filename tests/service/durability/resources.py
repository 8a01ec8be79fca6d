"""Pools, jobs and tasks as a client knows them, and what calls make of them."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from tests.service.durability.belief import Belief

Document: TypeAlias = dict[str, Any]

REASON = "enough"
FAILURE = 3
RETRIES = 1


@dataclass(frozen=True)
class Resource:
    """One state in which a resource can be.

    Attributes:
        fate: ``absent``, ``there``, or what was done to it last: a job is ``disabled``, ``terminated`` or ``deleted``,
            a task ``ended`` or ``deleted``, a pool ``deleted``.
        value: what was written into it last: the priority of a job, the metadata of a pool.
        nodes: how many nodes a pool is to have.
        auto: a job ends with its tasks.
    """

    fate: str = "absent"
    value: int = 0
    nodes: int = 0
    auto: bool = False


Step: TypeAlias = Callable[[Resource], set[Resource | None]]


@dataclass
class Task:
    """What is known of a task beside its state.

    Attributes:
        fails: it ends with an exit code of its own, each time it is tried.
        linked: another waits for it, or it for another: it is left alone.
        end: how it has ended, once that was seen.
    """

    belief: Belief[Resource]
    fails: bool = False
    linked: bool = False
    end: Document | None = None


@dataclass
class Job:
    """What is known of a job beside its state.

    Attributes:
        careful: it has a preparation and a release task.
        owner: it has a pool of its own.
        cut: its tasks may have been ended with it, or before it.
    """

    belief: Belief[Resource]
    careful: bool = False
    owner: bool = False
    cut: bool = False
    tasks: dict[str, Task] = field(default_factory=dict)


def may_be(belief: Belief[Resource], *fates: str) -> bool:
    """Whether a resource may have one of these fates."""
    return any(state.fate in fates for state in belief.states)


def created(**values: Any) -> Step:
    """The call makes the resource, unless there is one."""
    return lambda state: {replace(state, fate="there", **values)} if state.fate == "absent" else {None}


def changed(*fates: str, refusable: bool = False, **values: Any) -> Step:
    """The call changes a resource that has one of these fates.

    Args:
        fates: with any other it is refused.
        refusable: it may be refused for other reasons, such as a state that only lasts for a while.
        values: the new ones.
    """

    def step(state: Resource) -> set[Resource | None]:
        if state.fate not in fates:
            return {None}
        # A job that ends with its tasks may have done so by now.
        return {replace(state, **values), *((None,) if refusable or state.auto else ())}

    return step


def pool_fits(document: Document | None) -> Callable[[Resource], bool]:
    """Tells which states a pool can be in that is shown like this, or not at all."""

    def fits(state: Resource) -> bool:
        if document is None or document["state"] == "deleting":
            return state.fate == "deleted" or (document is None and state.fate == "absent")
        value = int(document["metadata"][0]["value"])
        return state == Resource("there", value, document["targetDedicatedNodes"])

    return fits


_JOB_STATES = {
    "there": {"active", "enabling"},
    "disabled": {"disabling", "disabled"},
    "terminated": {"terminating", "completed"},
}


def job_fits(document: Document | None) -> Callable[[Resource], bool]:
    """Tells which states a job can be in that is shown like this, or not at all."""

    def fits(state: Resource) -> bool:
        if document is None or document["state"] == "deleting":
            return state.fate == "deleted" or (document is None and state.fate == "absent")
        ends_with_tasks = document["onAllTasksComplete"] == "terminatejob"
        if (state.value, state.auto) != (document["priority"], ends_with_tasks):
            return False
        # The reason is shown once the job has ended.
        reason = document["executionInfo"].get("terminateReason")
        if document["state"] in ("terminating", "completed") and state.fate == "there":
            return state.auto and reason in (None, "AllTasksComplete")
        return document["state"] in _JOB_STATES.get(state.fate, ()) and reason in (None, REASON)

    return fits


def task_fits(document: Document | None, task: Task, job: Job) -> Callable[[Resource], bool]:
    """Tells which states a task can be in that is shown like this, or not at all."""

    def fits(state: Resource) -> bool:
        if document is None:
            return state.fate in ("absent", "deleted")
        if document["state"] != "completed":
            return state.fate == "there"
        was_ended: bool = document["executionInfo"].get("failureInfo", {}).get("code") == "TaskEnded"
        if state.fate == "ended":
            return was_ended
        as_it_should: bool = document["executionInfo"].get("exitCode") == (FAILURE if task.fails else 0)
        return state.fate == "there" and (as_it_should or (was_ended and job.cut))

    return fits
