"""What runs tell Prefect by events, on which automations can act.

An event is put into the queue of Prefect's own events and sent from there: no run waits for it, and none fails for want
of one. Prefect adds which flow run, deployment and work pool it came from.
"""

import math
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from prefect.events import emit_event
from prefect.exceptions import EventTooLarge

from prefect_azure_batch.blocks.hiding import without_hidden
from prefect_azure_batch.flows.plan import PlannedInputs
from prefect_azure_batch.flows.prefect_server import has_lasting_server
from prefect_azure_batch.flows.results import RunResult, TaskResult
from prefect_azure_batch.flows.telling import is_away
from prefect_azure_batch.tasks.upkeep import Leftover

RUN_PLANNED = "azure-batch.run.planned"
NODES_IDLE = "azure-batch.nodes.idle"
NODES_PREEMPTED = "azure-batch.nodes.preempted"
RESIZE_FAILED = "azure-batch.resize.failed"
TASK_FAILED = "azure-batch.task.failed"
TASKS_FAILED = "azure-batch.tasks.failed"
BUDGET_SPENT = "azure-batch.budget.spent"
RUN_DONE = "azure-batch.run.done"
LEFTOVERS_FOUND = "azure-batch.leftovers.found"

EVENTS = {
    RUN_PLANNED: "A run knows its inputs, and nothing is made yet.",
    NODES_IDLE: "Nodes that a run has made have run nothing for five minutes; at most every half hour.",
    NODES_PREEMPTED: "Spot nodes that a run has made were taken away; seen once a minute.",
    RESIZE_FAILED: "A pool that a run has made did not get its nodes; told again for other errors alone.",
    TASK_FAILED: "A task has failed; one for each of the first ten of a run.",
    TASKS_FAILED: "10, 100, 1,000 ... tasks of a run have failed.",
    BUDGET_SPENT: "A run was ended, for it has cost its budget.",
    RUN_DONE: "A run has a result, be it with failed tasks, and what it had made is deleted.",
    LEFTOVERS_FOUND: "Upkeep has found what runs that are over have left, or a run could not delete what it had made.",
}
"""All events, and when each is emitted."""

TOLD_ONE_BY_ONE = 10
_LONGEST_TEXT = 500
_MOST_NAMES = 20


def emit(event: str, resource: Mapping[str, str], payload: Mapping[str, Any], *related: Mapping[str, str]) -> None:
    """Emits an event, unless Prefect is known to be away, or ends with this process: then nothing can act on it.

    Args:
        event: its name, of ``EVENTS``.
        resource: what it is about: labels, of which one is ``prefect.resource.id``.
        payload: what there is to know. Secrets in its texts are hidden, and long texts cut.
        related: what else it is about; each with a ``prefect.resource.role``.
    """
    if is_away() or not has_lasting_server():
        return
    with suppress(EventTooLarge):  # all else that goes wrong Prefect logs and forgets
        emit_event(event, dict(resource), related=[dict(one) for one in related], payload=_shown(payload))


def of_run(run_id: str, **labels: str) -> dict[str, str]:
    """A run as the resource of an event.

    Args:
        run_id: the run.
        labels: what triggers can match, by name; underscores in names become hyphens.
    """
    further = {f"azure-batch.{name.replace('_', '-')}": value for name, value in labels.items()}
    return {"prefect.resource.id": f"azure-batch.run.{run_id}", "prefect.resource.name": run_id, **further}


def tell_planned(run_id: str, inputs: PlannedInputs) -> None:
    """Tells what a run is about to do."""
    emit(RUN_PLANNED, of_run(run_id), inputs.model_dump())


def tell_done(result: RunResult) -> None:
    """Tells how a run has ended, what it could not delete, and whether it was ended for its budget."""
    outcome = "failed" if result.counts.failed else "succeeded"
    cost = result.cost
    amount = {"price": cost.price, "currency": cost.currency, "budget": cost.budget}
    if cost.over_budget:
        emit(BUDGET_SPENT, of_run(result.run_id), amount)
    if result.leftovers:
        left = {"count": len(result.leftovers), "names": result.leftovers[:_MOST_NAMES]}
        emit(LEFTOVERS_FOUND, of_run(result.run_id), left)
    about = {"job": result.job_id, "pool": result.pool_id, "results": result.results}
    emit(RUN_DONE, of_run(result.run_id, outcome=outcome), {**result.counts.model_dump(), **about, "cost": amount})


class FailedTasks:
    """Tells of a run's failed tasks: of the first few one by one, then of their number whenever it is ten times more.

    Args:
        run_id: the run.
    """

    def __init__(self, run_id: str) -> None:
        self._run_id, self._count, self._lock = run_id, 0, threading.Lock()

    def see(self, task: TaskResult) -> None:
        """Tells of a task, if it has failed; may be called on any thread."""
        if task.state != "failed":
            return
        with self._lock:
            self._count += 1
            count = self._count
        if count <= TOLD_ONE_BY_ONE:
            related = {"prefect.resource.id": f"azure-batch.task.{task.task_id}", "prefect.resource.role": "batch-task"}
            about = task.model_dump(mode="json", include={"input", "task_id", "exit_code", "node_id", "error"})
            emit(TASK_FAILED, of_run(self._run_id), about, related)
        if is_round(count):
            emit(TASKS_FAILED, of_run(self._run_id), {"failed": count})


def is_round(count: int) -> bool:
    """Whether it is 10, 100, 1,000 and so on."""
    return count >= TOLD_ONE_BY_ONE and count == 10 ** round(math.log10(count))


def tell_leftovers(endpoint: str, found: list[Leftover], *, deleted: bool) -> None:
    """Tells what upkeep has found that no run needs any more.

    Args:
        endpoint: address of the Batch account.
        found: all that it has found.
        deleted: it has deleted that.
    """
    over = [left for left in found if left.is_over]
    if not over:
        return
    resource = {"prefect.resource.id": f"azure-batch.account.{endpoint.partition('://')[2].rstrip('/')}"}
    names = [f"{left.kind} {left.name}" for left in over[:_MOST_NAMES]]
    about = {"count": len(over), "names": names, "nodes": sum(left.nodes for left in over), "deleted": deleted}
    emit(LEFTOVERS_FOUND, resource, about)


def _shown(value: Any) -> Any:
    """What is told, without secrets and without long texts."""
    if isinstance(value, Mapping):
        return {name: _shown(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_shown(one) for one in value]
    return _cut(without_hidden(value)) if isinstance(value, str) else value


def _cut(text: str) -> str:
    """A long text's beginning and its end, where errors say what matters."""
    half = _LONGEST_TEXT // 2
    return text if len(text) <= _LONGEST_TEXT else f"{text[:half]} ... {text[-half:]}"
