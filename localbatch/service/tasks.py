"""Tasks, as clients change them."""

from collections.abc import Callable
from datetime import datetime

from localbatch.bodies.reading import read
from localbatch.bodies.tasks import TaskBody, TaskGroup, TaskReplacement
from localbatch.engine.context import moved
from localbatch.engine.engine import Engine
from localbatch.engine.orders import preparation_of, release_of
from localbatch.engine.outcomes import SUCCESS, fresh_execution
from localbatch.rules.commands import check_task_constraints
from localbatch.rules.not_emulated import TASK, refuse_properties, refuse_property
from localbatch.rules.states import TASK as TASK_STATES
from localbatch.rules.states import refusal
from localbatch.rules.tasks import MOST_TASKS, check_for_job, check_task
from localbatch.service.pools import check_packages
from localbatch.store.commands import replaced_task_constraints
from localbatch.store.jobs import JobRecord
from localbatch.store.tasks import TaskRecord, task_document
from localbatch.wire import shapes
from localbatch.wire.errors import ServiceError, invalid_property
from localbatch.wire.formats import JsonObject
from localbatch.wire.shapes import conform

Check = Callable[[datetime], None]


class Tasks:
    """The tasks of all jobs.

    Args:
        engine: what runs them.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine, self._clock, self._store = engine, engine.context.clock, engine.context.store
        self._deleting: set[int] = set()

    def get(self, job: JobRecord, task_id: str) -> TaskRecord:
        """Returns a task.

        Raises:
            ServiceError: ``TaskNotFound``.
        """
        task = self._store.find_task(job.seq, task_id)
        if task is None or task.seq in self._deleting:
            raise ServiceError("TaskNotFound")
        return task

    def add(self, job: JobRecord, document: JsonObject) -> TaskRecord:
        """Adds a task to a job.

        Raises:
            ServiceError: the job or the body is refused, or a task of that id exists.
        """
        _refuse("addtasks", job)
        with self._store.transaction():
            task = self._add(job, document)
        self._engine.context.wake_for(job)
        return task

    def add_all(
        self, job: JobRecord, document: JsonObject, *, older: bool = False
    ) -> list[tuple[str, TaskRecord | ServiceError]]:
        """Adds tasks to a job at once; those that are refused do not hold up the others.

        Args:
            job: the job.
            document: the body of the request.
            older: whether the request is of a version before 2025-06-01.

        Returns:
            For each task its id as given, and its record or why it was refused.

        Raises:
            ServiceError: the job or the whole body is refused.
        """
        _refuse("addtasks", job)
        group = read(TaskGroup, document).value
        if len(group) > MOST_TASKS:
            raise invalid_property("value", len(group), f"At most {MOST_TASKS} tasks can be added by one request.")
        results: list[tuple[str, TaskRecord | ServiceError]] = []
        items = document["value"]
        assert isinstance(items, list)
        with self._store.transaction():
            for item in items:
                assert isinstance(item, dict)
                results.append((str(item.get("id", "")), self._try_add(job, item, older)))
        self._engine.context.wake_for(job)
        return results

    def _try_add(self, job: JobRecord, document: JsonObject, older: bool) -> TaskRecord | ServiceError:
        try:
            return self._add(job, conform(document, shapes.TASK, older=older))
        except ServiceError as error:
            return error

    def _add(self, job: JobRecord, document: JsonObject) -> TaskRecord:
        refuse_properties(document, TASK)
        body = read(TaskBody, document)
        check_task(body)
        if body.multi_instance_settings is not None and body.container_settings is not None:
            raise refuse_property("containerSettings")
        check_for_job(body, job.body)
        check_packages(self._store, job.account, body.application_package_references)
        preparation = preparation_of(job)
        if preparation is not None and preparation.id.lower() == body.id.lower():
            raise ServiceError("TaskIdSameAsJobPreparationTask")
        release = release_of(job)
        if release is not None and release.id.lower() == body.id.lower():
            raise ServiceError("TaskIdSameAsJobReleaseTask")
        if self._store.find_task(job.seq, body.id) is not None:
            raise ServiceError("TaskExists")
        unmet = self._store.dependencies.unmet(job.seq, body.depends_on) if body.depends_on else []
        now = self._clock.now()
        record = TaskRecord(
            seq=0,
            job=job.seq,
            id=body.id,
            body=task_document(body, job.body),
            required_slots=body.required_slots,
            affinity=body.affinity_info.affinity_id if body.affinity_info else None,
            instances=body.multi_instance_settings.number_of_instances if body.multi_instance_settings else 0,
            created=now,
            modified=now,
            state=TASK_STATES.initial,
            state_changed=now,
            blockers=len(unmet),
        )
        task = self._store.tasks.add(record)
        self._store.dependencies.add(job.seq, task.seq, unmet)
        return task

    def replace(self, job: JobRecord, task_id: str, document: JsonObject, check: Check) -> TaskRecord:
        """Replaces a task's constraints; what is left out gets its default.

        Raises:
            ServiceError: the task or the body is refused.
        """
        task = self._checked(job, task_id, check)
        _refuse_task("update", task)
        _refuse("update", job)
        body = read(TaskReplacement, document)
        check_task_constraints(body.constraints)
        changed = task.body | {"constraints": replaced_task_constraints(body.constraints)}
        return self._store.tasks.change(task, body=changed, modified=self._clock.now())

    def terminate(self, job: JobRecord, task_id: str, check: Check) -> TaskRecord:
        """Ends a task at once.

        Raises:
            ServiceError: the task is refused.
        """
        task = self._checked(job, task_id, check)
        _refuse_task("terminate", task)
        with self._store.transaction():
            task = self._engine.runs.end(self._store.tasks.change(task, modified=self._clock.now()))
        self._leave(job)
        return task

    def reactivate(self, job: JobRecord, task_id: str, check: Check) -> TaskRecord:
        """Has a failed task wait for a node again, with all its retries.

        Raises:
            ServiceError: the task or its job is refused.
        """
        task = self._checked(job, task_id, check)
        _refuse("reactivatetask", job)
        _refuse_task("reactivate", task)
        if task.result == SUCCESS:
            raise ServiceError("TaskSucceeded")
        now = self._clock.now()
        changes = moved(TASK_STATES, task, "active", now) | fresh_execution()
        task = self._store.tasks.change(task, **changes, retries=0, retried=None, modified=now)
        self._engine.context.wake_for(job)
        return task

    async def delete(self, job: JobRecord, task_id: str, check: Check) -> None:
        """Ends a task, and removes it with its files.

        Raises:
            ServiceError: the task is refused.
        """
        task = self._checked(job, task_id, check)
        if task.state != "completed":
            task = self._engine.runs.end_unnoticed(task)
        self._deleting.add(task.seq)  # nobody may make it active again while its processes end
        try:
            await self._engine.runs.discard([task.seq])
            await self._engine.runs.clear_files(job, task)
            self._store.forget_subtasks(task.seq)
            self._store.tasks.remove(task.seq)
        finally:
            self._deleting.discard(task.seq)
        self._leave(job)

    def _leave(self, job: JobRecord) -> None:
        """Sees to a job that waits for one task less, and to a node that may have been kept for that one."""
        self._engine.jobs.check_complete(job.seq)
        self._engine.context.wake_for(job)

    def _checked(self, job: JobRecord, task_id: str, check: Check) -> TaskRecord:
        task = self.get(job, task_id)
        check(task.modified)
        return task


def _refuse(operation: str, job: JobRecord) -> None:
    code = refusal("job", operation, job.state)
    if code is not None:
        raise ServiceError(code)


def _refuse_task(operation: str, task: TaskRecord) -> None:
    code = refusal("task", operation, task.state)
    if code is not None:
        raise ServiceError(code)
