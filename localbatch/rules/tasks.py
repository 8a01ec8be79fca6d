"""What the parts of tasks must look like, beyond their types: pure.

Source of the limits: the Batch REST reference, API version 2025-06-01.
"""

from localbatch.bodies.commands import OutputFile
from localbatch.bodies.tasks import ExitConditions, MultiInstanceSettings, TaskBody, TaskDependencies
from localbatch.rules.checks import check_choice, check_id, check_name, check_word
from localbatch.rules.commands import (
    check_command,
    check_resource,
    check_task_constraints,
)
from localbatch.rules.dependencies import LEAST, MOST
from localbatch.rules.exit_conditions import ACTS_ON_FAILURE, DEPENDENCY_ACTIONS, JOB_ACTIONS
from localbatch.rules.pools import MOST_NODES, check_slots
from localbatch.wire.errors import ServiceError, invalid_property
from localbatch.wire.formats import JsonObject

_LONGEST_LIST = 64_000
_NO_DEPENDENCIES = "The usesTaskDependencies of the job is false."
MOST_TASKS = 100
_UPLOAD_CONDITIONS = ("tasksuccess", "taskfailure", "taskcompletion")


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
    if not job_has_dependencies and (wanted.task_ids or wanted.task_id_ranges):
        # Users have seen this of the service (azure-sdk-for-python#27859 and #42399), which documents another code.
        raise ServiceError("UnsupportedProperty", values=(("PropertyName", "dependsOn"), ("Reason", _NO_DEPENDENCIES)))
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


def check_task(body: TaskBody) -> None:
    """Refuses a task that can't be."""
    check_id(body.id)
    check_name(body)
    check_command("", body)
    check_slots("requiredSlots", body.required_slots)
    check_task_constraints(body.constraints)
    for number, output in enumerate(body.output_files):
        _check_output(f"outputFiles.{number}", output)
    if body.multi_instance_settings is not None:
        _check_instances("multiInstanceSettings", body.multi_instance_settings)
        if body.required_slots != 1:
            reason = "It must be 1 for a multi-instance task."
            raise invalid_property("requiredSlots", body.required_slots, reason)


def _check_instances(name: str, settings: MultiInstanceSettings) -> None:
    instances = settings.number_of_instances
    if not 1 <= instances <= MOST_NODES:
        raise invalid_property(f"{name}.numberOfInstances", instances, f"It must lie between 1 and {MOST_NODES}.")
    if not settings.coordination_command_line.strip():
        line = settings.coordination_command_line
        raise invalid_property(f"{name}.coordinationCommandLine", line, "It must not be empty.")
    for number, file in enumerate(settings.common_resource_files):
        check_resource(f"{name}.commonResourceFiles.{number}", file)


def _check_output(name: str, output: OutputFile) -> None:
    if output.destination.container is None:
        raise ServiceError("MissingRequiredProperty", values=(("PropertyName", f"{name}.destination.container"),))
    if not output.file_pattern:
        raise invalid_property(f"{name}.filePattern", "", "It must not be empty.")
    condition = output.upload_options.upload_condition
    check_choice(f"{name}.uploadOptions.uploadCondition", condition, _UPLOAD_CONDITIONS)
