"""Tasks as the wire shows them: pure functions from records to JSON."""

from localbatch.store.tasks import SubtaskRecord, TaskRecord
from localbatch.views.links import affinity_id, file_url, node_url, subtask_directory, task_directory, task_url
from localbatch.views.resources import (
    given,
    optional_time,
    resource_view,
    retries_view,
    run_view,
    states_view,
    with_body,
)
from localbatch.wire.confidential import without_secrets
from localbatch.wire.formats import JsonObject


def task_view(base: str, job_id: str, task: TaskRecord) -> JsonObject:
    """Shows a task."""
    view = resource_view(task_url(base, job_id, task.id), task)
    view["executionInfo"] = execution_view(task)
    if task.pool_id is not None and task.node_id is not None:
        view["nodeInfo"] = node_info(base, task.pool_id, task.node_id, task_directory(job_id, task.id))
    return with_body(view, without_secrets(task.body) if "containerSettings" in task.body else task.body)


def execution_view(task: TaskRecord) -> JsonObject:
    """Shows how a task's run went."""
    requeues = given(requeueCount=task.requeues, lastRequeueTime=optional_time(task.requeued))
    return run_view(task) | retries_view(task) | requeues


def subtask_view(base: str, job_id: str, task_id: str, subtask: SubtaskRecord) -> JsonObject:
    """Shows a subtask."""
    directory = subtask_directory(job_id, task_id, subtask.number)
    return {
        "id": subtask.number,
        "nodeInfo": node_info(base, subtask.pool_id, subtask.node_id, directory),
        **run_view(subtask),
        **states_view(subtask.state, subtask.state_changed, subtask.previous_state, subtask.previous_changed),
    }


def node_info(base: str, pool_id: str, node_id: str, directory: str) -> JsonObject:
    """Shows on which node a task or subtask ran, and where its files are there."""
    node = node_url(base, pool_id, node_id)
    return {
        "affinityId": affinity_id(node_id),
        "nodeUrl": node,
        "poolId": pool_id,
        "nodeId": node_id,
        "taskRootDirectory": directory,
        "taskRootDirectoryUrl": file_url(node, directory),
    }
