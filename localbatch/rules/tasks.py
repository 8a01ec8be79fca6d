"""What the parts of tasks must look like, beyond their types: pure.

Source of the limits: the Batch REST reference, API version 2025-06-01.
"""

from localbatch.bodies.models import TaskBody
from localbatch.bodies.tasks import ExitConditions, TaskDependencies
from localbatch.rules.checks import check_id, check_word
from localbatch.rules.dependencies import LEAST, MOST
from localbatch.rules.exit_conditions import ACTS_ON_FAILURE, DEPENDENCY_ACTIONS, JOB_ACTIONS
from localbatch.wire.errors import ServiceError, invalid_property
from localbatch.wire.formats import JsonObject

_LONGEST_LIST = 64_000


def check_for_job(body: TaskBody, job: JsonObject) -> None:
    """Refuses what a task asks for and its job is not made for.

    Args:
        body: the task.
        job: the document of its job.

    Raises:
        ServiceError: the reason.
    """
    if body.depends_on is not None:
        check_dependencies(body.depends_on, job_has_dependencies=job.get("usesTaskDependencies") is True)
    if body.exit_conditions is not None:
        check_exit_conditions(body.exit_conditions, job_acts=job.get("onTaskFailure") == ACTS_ON_FAILURE)


def check_dependencies(wanted: TaskDependencies, *, job_has_dependencies: bool) -> None:
    """Refuses dependencies that can't be, or that the job is not made for.

    Args:
        wanted: what a task is to wait for; tasks of these ids need not exist.
        job_has_dependencies: ``usesTaskDependencies`` of the job.

    Raises:
        ServiceError: the reason.
    """
    if not job_has_dependencies:
        raise ServiceError("TaskDependenciesNotSpecifiedOnJob")
    if sum(map(len, wanted.task_ids)) > _LONGEST_LIST:
        raise ServiceError("TaskDependencyListTooLong")
    for number, task_id in enumerate(wanted.task_ids):
        check_id(task_id, f"dependsOn.taskIds.{number}")
    if sum(len(f"{each.start}-{each.end},") for each in wanted.task_id_ranges) > _LONGEST_LIST:
        raise ServiceError("TaskDependencyRangesTooLong")
    for number, each in enumerate(wanted.task_id_ranges):
        _check_interval(f"dependsOn.taskIdRanges.{number}", each.start, each.end)


def check_exit_conditions(conditions: ExitConditions, *, job_acts: bool) -> None:
    """Refuses exit conditions that can't be, or that ask for something the job never does.

    Args:
        conditions: the exit conditions of a task.
        job_acts: ``onTaskFailure`` of the job is ``performexitoptionsjobaction``.

    Raises:
        ServiceError: ``InvalidPropertyValue``.
    """
    for number, each in enumerate(conditions.exit_code_ranges):
        _check_interval(f"exitConditions.exitCodeRanges.{number}", each.start, each.end)
    for name, options in conditions.options():
        check_word(f"exitConditions.{name}.dependencyAction", options.dependency_action, DEPENDENCY_ACTIONS)
        check_word(f"exitConditions.{name}.jobAction", options.job_action, JOB_ACTIONS)
        if options.job_action is not None and not job_acts:
            reason = "The job's onTaskFailure is noaction, so that no action on the job can be asked for."
            raise invalid_property(f"exitConditions.{name}.jobAction", options.job_action, reason)


def _check_interval(name: str, start: int, end: int) -> None:
    for part, value in (("start", start), ("end", end)):
        if not LEAST <= value <= MOST:
            raise invalid_property(f"{name}.{part}", value, "It must be a number of 32 bits.")
    if start > end:
        raise invalid_property(name, f"{start} to {end}", "It must not end before it starts.")
