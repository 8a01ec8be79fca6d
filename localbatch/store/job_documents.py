"""Jobs as they are remembered and shown: what the client gave, with the defaults the service fills in.

Source: recorded answers of the service, the official examples and the docstrings of ``azure.batch.models`` for API
version 2025-06-01.
"""

from localbatch.bodies.jobs import JobManagerTask, JobPreparationTask, JobReleaseTask, JobSpecification
from localbatch.rules.validation import write
from localbatch.store.documents import FOREVER, default_user, task_constraints
from localbatch.wire.formats import JsonObject, JsonValue, format_duration


def job_document(body: JobSpecification) -> JsonObject:
    """Makes the document of a new job, without its id."""
    document = write(body)
    document.pop("id", None)
    document |= {
        "priority": body.priority,
        "maxParallelTasks": body.max_parallel_tasks,
        "onAllTasksComplete": body.on_all_tasks_complete.lower(),
        "onTaskFailure": body.on_task_failure.lower(),
        "constraints": job_constraints(document.get("constraints")),
    }
    document.setdefault("usesTaskDependencies", False)
    document.setdefault("allowTaskPreemption", False)
    automatic = body.pool_info.auto_pool_specification
    if automatic is not None:
        document["poolInfo"] = {"autoPoolSpecification": {**write(automatic), "keepAlive": automatic.keep_alive}}
    return document | _own_tasks(body)


def _own_tasks(body: JobSpecification) -> JsonObject:
    tasks: JsonObject = {}
    if body.job_manager_task is not None:
        tasks["jobManagerTask"] = _manager_document(body.job_manager_task, body.constraints.max_task_retry_count)
    if body.job_preparation_task is not None:
        tasks["jobPreparationTask"] = _preparation_document(body.job_preparation_task)
    if body.job_release_task is not None:
        tasks["jobReleaseTask"] = _release_document(body.job_release_task)
    return tasks


def _manager_document(body: JobManagerTask, retries: int) -> JsonObject:
    return {
        "userIdentity": default_user(),
        **write(body),
        "constraints": task_constraints(body.constraints, retries),
        "requiredSlots": body.required_slots,
        "killJobOnCompletion": body.kill_job_on_completion,
        "runExclusive": body.run_exclusive,
        "allowLowPriorityNode": body.allow_low_priority_node,
    }


def _preparation_document(body: JobPreparationTask) -> JsonObject:
    return {
        "userIdentity": default_user(),
        **write(body),
        "id": body.id,
        "constraints": task_constraints(body.constraints, 0),
        "waitForSuccess": body.wait_for_success,
        "rerunOnNodeRebootAfterSuccess": body.rerun_on_node_reboot_after_success,
    }


def _release_document(body: JobReleaseTask) -> JsonObject:
    return {
        "userIdentity": default_user(),
        **write(body),
        "id": body.id,
        "maxWallClockTime": format_duration(body.max_wall_clock_time),
        "retentionTime": format_duration(body.retention_time),
    }


def job_constraints(given: JsonValue) -> JsonObject:
    """Fills in a job's constraints."""
    return {"maxWallClockTime": FOREVER, "maxTaskRetryCount": 0, **(given if isinstance(given, dict) else {})}
