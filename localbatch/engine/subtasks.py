"""The subtasks of multi-instance tasks, as the service remembers them."""

from collections.abc import Sequence

from localbatch.driver.interface import Outcome
from localbatch.engine.context import Context, moved
from localbatch.engine.fleet import Node
from localbatch.engine.outcomes import completion
from localbatch.rules.states import SUBTASK
from localbatch.store.tasks import SubtaskRecord, TaskRecord


class Subtasks:
    """Writes down what becomes of the subtasks of each run.

    Args:
        context: the engine's surroundings.
    """

    def __init__(self, context: Context) -> None:
        self._context = context

    def begin(self, task: TaskRecord, nodes: Sequence[Node]) -> None:
        """Makes the subtasks of a run that begins; those of the run before are forgotten.

        Args:
            task: the task.
            nodes: its nodes without the primary's; none for a task that is not multi-instance.
        """
        store, now = self._context.store, self._context.clock.now()
        if task.instances:
            store.forget_subtasks(task.seq)
        for number, node in enumerate(nodes, 1):
            pool_id = node.place.pool_id
            store.subtasks.add(
                SubtaskRecord(0, task.job, task.seq, number, pool_id, node.id, now, state=SUBTASK.initial)
            )

    def note(self, task: int, number: int, outcome: Outcome | None) -> None:
        """Takes note that a subtask has started, or with an outcome that it has ended.

        Args:
            task: ``seq`` of the task.
            number: number of the subtask.
            outcome: how it ended.
        """
        record = self._context.store.find_subtask(task, number)
        if record is None or record.state == "completed":
            return  # the task was deleted meanwhile
        now = self._context.clock.now()
        changes = moved(SUBTASK, record, "running" if outcome is None else "completed", now)
        changes |= {"started": now} if outcome is None else completion(outcome)
        self._context.store.subtasks.change(record, **changes)
