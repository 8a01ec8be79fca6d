"""Tasks of a job that have ended, a page at a time, as they come over the wire.

The models that the SDK makes of listed tasks cost ten times as much as reading what they are made of, which matters
where very many are listed; so these are asked for by ``BatchClient.send_request``, which signs and repeats as its
other methods do.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from azure.batch import BatchClient, models
from azure.core.exceptions import HttpResponseError
from azure.core.rest import HttpRequest, HttpResponse

from prefect_azure_batch.tasks.diagnosis import describe_failure
from prefect_azure_batch.tasks.records import TaskEnd

_VERSION = {"api-version": "2025-06-01"}
_SELECT = "id,stateTransitionTime,creationTime,executionInfo,nodeInfo"


def pages_of_ends(client: BatchClient, job_id: str, since: str = "") -> Iterator[tuple[dict[str, TaskEnd], datetime]]:
    """How the tasks of a job have ended.

    Source: "Task - List", Batch REST reference.

    Args:
        client: the Batch client.
        job_id: the job.
        since: leaves out those that had ended before that, such as ``2026-01-31T12:00:00Z``; empty for none.

    Yields:
        For each page: ends by the ids of the tasks, and when the last of them was.

    Raises:
        HttpResponseError: Batch refused or failed the request.
    """
    text = "state eq 'completed'" + (f" and stateTransitionTime ge DateTime'{since}'" if since else "")
    query = {"$filter": text, "$select": _SELECT}
    while query:
        request = HttpRequest("GET", f"/jobs/{quote(job_id, safe='')}/tasks", params=query | _VERSION)
        answer = _answer(client.send_request(request))
        if found := answer["value"]:
            last = max(datetime.fromisoformat(task["stateTransitionTime"]) for task in found)
            yield {task["id"]: _task_end(task) for task in found}, last
        query = dict(parse_qsl(urlsplit(answer.get("odata.nextLink") or "").query))


def _answer(response: HttpResponse) -> Any:
    if response.status_code == HTTPStatus.OK:
        return response.json()
    try:
        error = models.BatchError(response.json())
    except ValueError:  # of something between here and Batch
        error = None
    raise HttpResponseError(response=response, model=error)


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _task_end(task: Mapping[str, Any]) -> TaskEnd:
    info = task.get("executionInfo") or {}
    succeeded = str.lower(info.get("result") or "") == "success"
    failure = info.get("failureInfo")
    return TaskEnd(
        succeeded=succeeded,
        exit_code=info.get("exitCode"),
        failure="" if succeeded else describe_failure(failure and models.BatchTaskFailureInfo(failure)),
        node_id=(task.get("nodeInfo") or {}).get("nodeId") or "",
        started=_moment(info.get("startTime")),
        ended=_moment(info.get("endTime")),
        retries=info.get("retryCount") or 0,
        created=_moment(task.get("creationTime")),
        requeues=info.get("requeueCount") or 0,
    )
