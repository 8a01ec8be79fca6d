"""Records as the wire shows them: pure functions from records to JSON.

``base`` is the service's address as the client named it, without a slash at the end; links are made from it. Shapes are
those of the official examples for API version 2025-06-01.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from urllib.parse import quote

from localbatch.store.applications import ApplicationRecord, PackageRecord
from localbatch.store.records import (
    JobRecord,
    JobScheduleRecord,
    PoolRecord,
    PreparationRecord,
    ReleaseRecord,
    SubtaskRecord,
    TaskCount,
    TaskRecord,
)
from localbatch.wire.confidential import without_secrets
from localbatch.wire.formats import JsonObject, JsonValue, format_duration, format_time, make_etag


def pool_url(base: str, pool_id: str) -> str:
    """Makes the link to a pool."""
    return f"{base}/pools/{pool_id}"


def node_url(base: str, pool_id: str, node_id: str) -> str:
    """Makes the link to a node."""
    return f"{base}/pools/{pool_id}/nodes/{node_id}"


def job_schedule_url(base: str, schedule_id: str) -> str:
    """Makes the link to a job schedule."""
    return f"{base}/jobschedules/{schedule_id}"


def job_url(base: str, job_id: str) -> str:
    """Makes the link to a job."""
    return f"{base}/jobs/{job_id}"


def task_url(base: str, job_id: str, task_id: str) -> str:
    """Makes the link to a task."""
    return f"{base}/jobs/{job_id}/tasks/{task_id}"


def file_url(owner: str, name: str) -> str:
    """Makes the link to a file of a node or a task, whose own link is given."""
    return f"{owner}/files/{quote(name, errors='surrogateescape')}"


def job_directory(job_id: str) -> str:
    """Tells where on a node all that belongs to a job lies; a job schedule's jobs lie side by side."""
    return f"workitems/{job_id.replace(':', '/')}"


def task_directory(job_id: str, task_id: str) -> str:
    """Tells where on a node a task has its directory."""
    return f"{job_directory(job_id)}/{task_id}" if ":" in job_id else f"{job_directory(job_id)}/job-1/{task_id}"


def affinity_id(node_id: str) -> str:
    """Makes the name by which a task asks for a node."""
    return f"TVM:{node_id}"


def pool_view(base: str, pool: PoolRecord, nodes: Mapping[tuple[bool, str], int]) -> JsonObject:
    """Shows a pool, with the nodes it has by kind and state."""
    view = _head(pool_url(base, pool.id), pool)
    view |= _times("state", pool.state, pool.state_changed)
    view |= _times("allocationState", pool.allocation, pool.allocation_changed)
    view |= {
        "currentDedicatedNodes": sum(count for (dedicated, _), count in nodes.items() if dedicated),
        "currentLowPriorityNodes": sum(count for (dedicated, _), count in nodes.items() if not dedicated),
        "targetDedicatedNodes": pool.target_dedicated,
        "targetLowPriorityNodes": pool.target_spot,
        "enableAutoScale": pool.formula is not None,
    }
    view |= _scaling(pool)
    if pool.resize_errors:
        view["resizeErrors"] = list[JsonValue](pool.resize_errors)
    return _with_body(view, without_secrets(pool.body))


def _scaling(pool: PoolRecord) -> JsonObject:
    if pool.formula is None:
        return {}
    interval = format_duration(timedelta(seconds=pool.evaluation_seconds))
    shown: JsonObject = {"autoScaleFormula": pool.formula, "autoScaleEvaluationInterval": interval}
    return shown | _given(autoScaleRun=pool.auto_scale_run)


def job_view(base: str, job: JobRecord) -> JsonObject:
    """Shows a job."""
    view = resource_view(job_url(base, job.id), job)
    execution: JsonObject = {"startTime": format_time(job.created), **_given(poolId=job.pool_id or None)}
    if job.ended is not None:
        execution |= _given(endTime=_time(job.ended), terminateReason=job.terminate_reason)
    view["executionInfo"] = execution | _given(schedulingError=job.scheduling_error)
    return _with_body(view, without_secrets(job.body))


def task_counts_view(counts: Mapping[str, TaskCount]) -> JsonObject:
    """Shows the tasks of a job by state, in tasks and in slots."""

    def total(kinds: Iterable[str], measure: str) -> int:
        return sum(getattr(counts.get(kind, TaskCount()), measure) for kind in kinds)

    def counters(measure: str) -> JsonObject:
        return {
            "active": total(["active"], measure),
            "running": total(["preparing", "running"], measure),
            "completed": total(["success", "failure"], measure),
            "succeeded": total(["success"], measure),
            "failed": total(["failure"], measure),
        }

    return {"taskCounts": counters("tasks"), "taskSlotCounts": counters("slots")}


def task_view(base: str, job_id: str, task: TaskRecord) -> JsonObject:
    """Shows a task."""
    view = resource_view(task_url(base, job_id, task.id), task)
    view["executionInfo"] = execution_view(task)
    if task.pool_id is not None and task.node_id is not None:
        view["nodeInfo"] = _node_info(base, task.pool_id, task.node_id, task_directory(job_id, task.id))
    return _with_body(view, without_secrets(task.body) if "containerSettings" in task.body else task.body)


def execution_view(task: TaskRecord) -> JsonObject:
    """Shows how a task's run went."""
    return _given(
        startTime=_time(task.started),
        endTime=_time(task.ended),
        exitCode=task.exit_code,
        containerInfo=task.container,
        failureInfo=task.failure,
        retryCount=task.retries,
        lastRetryTime=_time(task.retried),
        requeueCount=task.requeues,
        lastRequeueTime=_time(task.requeued),
        result=task.result,
    )


def subtask_directory(job_id: str, task_id: str, number: int) -> str:
    """Tells where on its node a subtask has its directory."""
    return f"{task_directory(job_id, task_id)}/{number}"


def subtask_view(base: str, job_id: str, task_id: str, subtask: SubtaskRecord) -> JsonObject:
    """Shows a subtask."""
    directory = subtask_directory(job_id, task_id, subtask.number)
    return {
        "id": subtask.number,
        "nodeInfo": _node_info(base, subtask.pool_id, subtask.node_id, directory),
        **_given(startTime=_time(subtask.started), endTime=_time(subtask.ended), exitCode=subtask.exit_code),
        **_given(containerInfo=subtask.container, failureInfo=subtask.failure, result=subtask.result),
        **_states(subtask.state, subtask.state_changed, subtask.previous_state, subtask.previous_changed),
    }


def _node_info(base: str, pool_id: str, node_id: str, directory: str) -> JsonObject:
    node = node_url(base, pool_id, node_id)
    return {
        "affinityId": affinity_id(node_id),
        "nodeUrl": node,
        "poolId": pool_id,
        "nodeId": node_id,
        "taskRootDirectory": directory,
        "taskRootDirectoryUrl": file_url(node, directory),
    }


def preparation_and_release_view(
    base: str,
    job_id: str,
    task_ids: tuple[str, str],
    preparation: PreparationRecord,
    release: ReleaseRecord | None,
) -> JsonObject:
    """Shows how a job's preparation and release tasks went on one node.

    Args:
        base: the service's address.
        job_id: the job.
        task_ids: ids of its preparation and release tasks.
        preparation: how its preparation task went.
        release: how its release task went, None if it did not run there.
    """
    node = node_url(base, preparation.pool_id, preparation.node_id)
    directories = [task_directory(job_id, task_id) for task_id in task_ids]
    retries = _given(retryCount=preparation.retries, lastRetryTime=_time(preparation.retried))
    view: JsonObject = {
        "poolId": preparation.pool_id,
        "nodeId": preparation.node_id,
        "nodeUrl": node,
        "jobPreparationTaskExecutionInfo": _command_view(node, directories[0], preparation) | retries,
    }
    if release is not None:
        view["jobReleaseTaskExecutionInfo"] = _command_view(node, directories[1], release)
    return view


def _command_view(node: str, directory: str, record: PreparationRecord | ReleaseRecord) -> JsonObject:
    return _given(
        state=record.state,
        startTime=_time(record.started),
        endTime=_time(record.ended),
        taskRootDirectory=directory,
        taskRootDirectoryUrl=file_url(node, directory),
        exitCode=record.exit_code,
        containerInfo=record.container,
        failureInfo=record.failure,
        result=record.result,
    )


def application_view(application: ApplicationRecord, packages: Iterable[PackageRecord]) -> JsonObject:
    """Shows an application with the versions that can be used."""
    return {
        "id": application.id,
        "displayName": application.display_name or "",
        "versions": [package.version for package in packages],
    }


def _with_body(computed: JsonObject, body: JsonObject) -> JsonObject:
    """Puts what the client gave to what the service computes, which wins."""
    return {**computed, **body, **computed}


def resource_view(url: str, record: JobRecord | JobScheduleRecord | TaskRecord) -> JsonObject:
    """Shows what all resources have that remember their former state: id, version and states."""
    states = _states(record.state, record.state_changed, record.previous_state, record.previous_changed)
    return _head(url, record) | states


def _head(url: str, record: PoolRecord | JobRecord | JobScheduleRecord | TaskRecord) -> JsonObject:
    return {
        "id": record.id,
        "url": url,
        "eTag": make_etag(record.modified),
        "lastModified": format_time(record.modified),
        "creationTime": format_time(record.created),
    }


def _states(state: str, changed: datetime, previous: str | None, previous_changed: datetime | None) -> JsonObject:
    view = _times("state", state, changed)
    if previous is not None:
        view |= _given(previousState=previous, previousStateTransitionTime=_time(previous_changed))
    return view


def _times(name: str, state: str, changed: datetime) -> JsonObject:
    return {name: state, f"{name}TransitionTime": format_time(changed)}


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else format_time(moment)


def _given(**values: JsonValue) -> JsonObject:
    return {name: value for name, value in values.items() if value is not None}
