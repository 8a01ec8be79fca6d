"""The end of a task, and what follows from it for its job and for the tasks that wait for it."""

from collections.abc import Callable
from typing import Any

from localbatch.bodies.tasks import ExitConditions
from localbatch.engine.context import Context, moved
from localbatch.engine.outcomes import expiry
from localbatch.rules.exit_conditions import ACTS_ON_FAILURE, NONE, consequences
from localbatch.rules.states import TASK
from localbatch.store.commands import seconds_of
from localbatch.store.tasks import TaskRecord

_SOON_SECONDS = 120


class TaskEnds:
    """Completes tasks.

    Args:
        context: the engine's surroundings.
        on_action: called with the ``seq`` of a job and what the end of one of its tasks asks to be done to it.
    """

    def __init__(self, context: Context, on_action: Callable[[int, str], None]) -> None:
        self._context, self._on_action = context, on_action

    def complete(self, task: TaskRecord, changes: dict[str, Any]) -> TaskRecord:
        """Completes a task with all that follows from it. The caller has a transaction open.

        Args:
            task: the task, whose retries are used up.
            changes: the fields that tell how it ended.
        """
        conditions = task.body.get("exitConditions")
        wanted = None if conditions is None else ExitConditions.model_validate(conditions)
        failure = changes["failure"]
        after = consequences(wanted, changes["exit_code"], failure["code"] if failure else None)
        task = self.close(task, changes | {"satisfied": after.satisfies})
        job = self._context.store.jobs.get(task.job)
        if job is None:
            return task
        waited_for = after.satisfies and job.body.get("usesTaskDependencies") is True
        if waited_for and self._context.store.dependencies.satisfy(task.job, task.id):
            self._context.wake_for(job)
        if after.job_action != NONE and job.body.get("onTaskFailure") == ACTS_ON_FAILURE:
            self._on_action(task.job, after.job_action)
        return task

    def close(self, task: TaskRecord, changes: dict[str, Any]) -> TaskRecord:
        """Completes a task and nothing else."""
        now = self._context.clock.now()
        constraints = task.body["constraints"]
        retention = seconds_of(constraints, "retentionTime") if isinstance(constraints, dict) else None
        # A task that never ran has no files.
        expires = expiry(now, retention) if task.node_id else None
        if expires is not None and retention is not None and retention < _SOON_SECONDS:
            self._context.expiring.set()
        return self._context.store.tasks.change(task, **moved(TASK, task, "completed", now), **changes, expires=expires)
