"""What jobs must look like, beyond the types of their properties: pure.

Source of the limits: the Batch REST reference, API version 2025-06-01.
"""

import re
from datetime import timedelta

from localbatch.bodies.jobs import (
    AutoPoolSpecification,
    JobBody,
    JobConstraints,
    JobManagerTask,
    JobPreparationTask,
    JobReleaseTask,
    JobSpecification,
    PoolInfo,
)
from localbatch.bodies.reading import within, write
from localbatch.rules.checks import check_choice, check_id, check_metadata, check_name
from localbatch.rules.commands import check_command, check_retries, check_settings, check_task_constraints
from localbatch.rules.not_emulated import POOL, refuse_properties
from localbatch.rules.pools import check_pool_specification
from localbatch.rules.tasks import check_task
from localbatch.wire.confidential import without_secrets
from localbatch.wire.errors import ServiceError, invalid_property
from localbatch.wire.formats import JsonObject, format_duration

_LARGEST_INTEGER = 2**31 - 1
_LONGEST_RELEASE = timedelta(minutes=15)
_PREFIX = re.compile(r"[A-Za-z0-9_-]{0,20}")


def check_job(body: JobBody) -> None:
    """Refuses a job that can't be."""
    check_id(body.id)
    check_job_specification(body)
    automatic = body.pool_info.auto_pool_specification
    if automatic is not None and automatic.lives_with_schedule:
        name, reason = "poolInfo.autoPoolSpecification.poolLifetimeOption", "Only a job schedule can have such a pool."
        raise invalid_property(name, automatic.pool_lifetime_option, reason)


def check_job_specification(body: JobSpecification) -> None:
    """Refuses what can't be a job, whatever its id: of itself or by a schedule."""
    check_name(body)
    check_job_settings(body.priority, body.max_parallel_tasks, body.on_all_tasks_complete)
    check_choice("onTaskFailure", body.on_task_failure, ("noaction", "performexitoptionsjobaction"))
    check_job_constraints(body.constraints)
    check_metadata(body.metadata)
    check_settings("commonEnvironmentSettings", body.common_environment_settings)
    check_pool_info(body.pool_info)
    if body.job_manager_task is not None:
        _check_manager(body.job_manager_task, body)
    if body.job_preparation_task is not None:
        _check_preparation(body.job_preparation_task)
    if body.job_release_task is not None:
        _check_release(body.job_release_task, body.job_preparation_task)


def check_job_settings(priority: int, max_parallel: int, on_all_complete: str) -> None:
    """Refuses values that a job's scheduling can't have."""
    if not -1000 <= priority <= 1000:
        raise invalid_property("priority", priority, "It must lie between -1000 and 1000.")
    if max_parallel != -1 and not 1 <= max_parallel <= _LARGEST_INTEGER:
        raise invalid_property("maxParallelTasks", max_parallel, "It must be -1 or greater than 0.")
    check_choice("onAllTasksComplete", on_all_complete, ("noaction", "terminatejob"))


def check_job_constraints(constraints: JobConstraints) -> None:
    """Refuses a time limit that is over before the job begins, and a number of retries that is none."""
    check_retries("constraints.maxTaskRetryCount", constraints.max_task_retry_count)
    limit = constraints.max_wall_clock_time
    if limit is not None and limit <= timedelta():
        raise invalid_property("constraints.maxWallClockTime", format_duration(limit), "It must be more than nothing.")


def check_pool_info(info: PoolInfo) -> None:
    """Refuses a job that runs on no pool, or on two."""
    automatic = info.auto_pool_specification
    check_one_pool(info)
    if info.pool_id is not None:
        check_id(info.pool_id, "poolInfo.poolId")
    if automatic is not None:
        with within("poolInfo.autoPoolSpecification"):
            _check_auto_pool(automatic)


def check_one_pool(info: PoolInfo) -> None:
    """Refuses to name no pool, or two."""
    automatic = info.auto_pool_specification
    if info.pool_id is None and automatic is None:
        raise ServiceError("MissingRequiredProperty", values=(("PropertyName", "poolInfo.poolId"),))
    if info.pool_id is not None and automatic is not None:
        reason = "Exactly one of poolId and autoPoolSpecification must be given."
        raise invalid_property("poolInfo", info.pool_id, reason)


def _check_auto_pool(body: AutoPoolSpecification) -> None:
    check_choice("poolLifetimeOption", body.pool_lifetime_option, ("job", "jobschedule"))
    if not _PREFIX.fullmatch(body.auto_pool_id_prefix):
        reason = "A prefix has at most 20 characters: letters, digits, hyphens and underscores."
        raise invalid_property("autoPoolIdPrefix", body.auto_pool_id_prefix, reason)
    if body.pool is None:
        raise ServiceError("MissingRequiredProperty", values=(("PropertyName", "pool"),))
    with within("pool"):
        refuse_properties(write(body.pool), POOL)
        check_pool_specification(body.pool)


def _check_manager(body: JobManagerTask, job: JobSpecification) -> None:
    with within("jobManagerTask"):
        check_task(body.task)
    preparation, release = job.job_preparation_task, job.job_release_task
    if preparation is not None and preparation.id.lower() == body.id.lower():
        raise ServiceError("TaskIdSameAsJobPreparationTask")
    if release is not None and release.id.lower() == body.id.lower():
        raise ServiceError("TaskIdSameAsJobReleaseTask")


def _check_preparation(body: JobPreparationTask) -> None:
    check_id(body.id, "jobPreparationTask.id")
    check_command("jobPreparationTask", body)
    check_task_constraints(body.constraints, "jobPreparationTask.constraints")


def _check_release(body: JobReleaseTask, preparation: JobPreparationTask | None) -> None:
    if preparation is None:
        reason = "A job with a release task needs a preparation task."
        raise invalid_property("jobReleaseTask", body.id, reason)
    if body.id.lower() == preparation.id.lower():
        raise ServiceError("TaskIdSameAsJobPreparationTask")
    check_id(body.id, "jobReleaseTask.id")
    check_command("jobReleaseTask", body)
    if not timedelta() < body.max_wall_clock_time <= _LONGEST_RELEASE:
        name, reason = "jobReleaseTask.maxWallClockTime", "It must be more than nothing and at most 15 minutes."
        raise invalid_property(name, format_duration(body.max_wall_clock_time), reason)


def changed_auto_pool(present: AutoPoolSpecification, given: AutoPoolSpecification) -> JsonObject:
    """Refuses to change more of a job's own pool than whether it is kept alive.

    Args:
        present: the pool as it was asked for.
        given: the same; what is left out stays as it is.

    Returns:
        What is to be remembered.
    """
    name = "poolInfo.autoPoolSpecification"
    former, changes = write(present), write(given)
    # Clients send back what they were shown, which holds no secrets.
    shown = without_secrets(former)
    for property, value in without_secrets(changes).items():
        if property != "keepAlive" and str(value).lower() != str(shown.get(property)).lower():
            raise invalid_property(f"{name}.{property}", value, "Only keepAlive can be changed.")
    if present.lives_with_schedule and given.keep_alive != present.keep_alive:
        reason = "It can be changed only where poolLifetimeOption is job."
        raise invalid_property(f"{name}.keepAlive", given.keep_alive, reason)
    return former | {"keepAlive": changes.get("keepAlive", present.keep_alive)}
