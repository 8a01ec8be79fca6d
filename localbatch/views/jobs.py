"""Jobs as the wire shows them: pure functions from records to JSON."""

from collections.abc import Iterable, Mapping

from localbatch.store.jobs import JobRecord, PreparationRecord, ReleaseRecord
from localbatch.store.tasks import TaskCount
from localbatch.views.links import file_url, job_url, node_url, task_directory
from localbatch.views.resources import given, optional_time, resource_view, retries_view, run_view, with_body
from localbatch.wire.confidential import without_secrets
from localbatch.wire.formats import JsonObject, format_time


def job_view(base: str, job: JobRecord) -> JsonObject:
    """Shows a job."""
    view = resource_view(job_url(base, job.id), job)
    execution: JsonObject = {"startTime": format_time(job.created), **given(poolId=job.pool_id or None)}
    if job.ended is not None:
        execution |= given(endTime=optional_time(job.ended), terminateReason=job.terminate_reason)
    view["executionInfo"] = execution | given(schedulingError=job.scheduling_error)
    return with_body(view, without_secrets(job.body))


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
    view: JsonObject = {
        "poolId": preparation.pool_id,
        "nodeId": preparation.node_id,
        "nodeUrl": node,
        "jobPreparationTaskExecutionInfo": _command_view(node, directories[0], preparation) | retries_view(preparation),
    }
    if release is not None:
        view["jobReleaseTaskExecutionInfo"] = _command_view(node, directories[1], release)
    return view


def _command_view(node: str, directory: str, record: PreparationRecord | ReleaseRecord) -> JsonObject:
    return {
        "state": record.state,
        "taskRootDirectory": directory,
        "taskRootDirectoryUrl": file_url(node, directory),
        **run_view(record),
    }
