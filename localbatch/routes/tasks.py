"""Operations on tasks."""

from collections.abc import Iterator

from starlette.responses import Response

from localbatch.engine.engine import Engine
from localbatch.routes.answers import JsonResponse, changed, created, done, element
from localbatch.routes.call import Call, Handler
from localbatch.routes.paging import Listing, page
from localbatch.routes.statistics import Statistics
from localbatch.rules import filters
from localbatch.service.jobs import Jobs
from localbatch.service.tasks import Tasks
from localbatch.store.jobs import JobRecord
from localbatch.store.tasks import TaskRecord
from localbatch.views.links import task_url
from localbatch.views.tasks import subtask_view, task_view
from localbatch.wire.errors import ServiceError
from localbatch.wire.filters import equality, lower_bound, select
from localbatch.wire.formats import JsonObject, JsonValue, format_time, make_etag


class TaskRoutes:
    """What can be done with tasks.

    Args:
        engine: what runs them.
    """

    def __init__(self, engine: Engine) -> None:
        self._store, self._jobs, self._tasks = engine.context.store, Jobs(engine), Tasks(engine)
        self._statistics = Statistics(engine.context)

    def table(self) -> list[tuple[str, str, Handler]]:
        """Returns verb, path and handler of each operation."""
        return [
            ("GET", "/jobs/{job}/tasks", self._list),
            ("POST", "/jobs/{job}/tasks", self._add),
            ("POST", "/jobs/{job}/addtaskcollection", self._add_all),
            ("GET", "/jobs/{job}/tasks/{task}", self._get),
            ("PUT", "/jobs/{job}/tasks/{task}", self._replace),
            ("DELETE", "/jobs/{job}/tasks/{task}", self._delete),
            ("POST", "/jobs/{job}/tasks/{task}/terminate", self._terminate),
            ("POST", "/jobs/{job}/tasks/{task}/reactivate", self._reactivate),
            ("GET", "/jobs/{job}/tasks/{task}/subtasksinfo", self._list_subtasks),
        ]

    def _job(self, call: Call) -> JobRecord:
        return self._jobs.get(call.account, call.names["job"])

    async def _list(self, call: Call) -> Response:
        job = self._job(call)
        text = call.query.get("$filter", "")
        state, since = equality(text, "state"), lower_bound(text, "stateTransitionTime")

        def fetch(after: int, limit: int) -> Iterator[TaskRecord]:
            return self._store.list_tasks(job.seq, after, limit, state=state.lower() if state else None, since=since)

        return Listing("tasks", filters.TASKS, fetch, lambda task: self._view(call, job, task)).answer(call)

    def _view(self, call: Call, job: JobRecord, task: TaskRecord) -> JsonObject:
        return task_view(call.base_url, job.id, task) | self._statistics.of_task(call, job, task)

    async def _add(self, call: Call) -> Response:
        document = await call.read_json()
        job = self._job(call)
        task = self._tasks.add(job, document)
        return created(call, task_url(call.base_url, job.id, task.id), task.modified)

    async def _add_all(self, call: Call) -> Response:
        document = await call.read_json()
        job = self._job(call)
        results = self._tasks.add_all(job, document, older=call.is_older)
        return JsonResponse(
            {
                "odata.metadata": f"{call.base_url}/$metadata#taskaddresult",
                "value": [_result(call, job, task_id, result) for task_id, result in results],
            }
        )

    async def _get(self, call: Call) -> Response:
        job = self._job(call)
        task = self._tasks.get(job, call.names["task"])
        call.check(task.modified)
        view = self._view(call, job, task)
        return element(call, "tasks", select(view, call.query.get("$select")), task.modified)

    async def _replace(self, call: Call) -> Response:
        document = await call.read_json()
        return changed(call, self._tasks.replace(self._job(call), call.names["task"], document, call.check).modified)

    async def _terminate(self, call: Call) -> Response:
        task = self._tasks.terminate(self._job(call), call.names["task"], call.check)
        return changed(call, task.modified, status=204)

    async def _reactivate(self, call: Call) -> Response:
        task = self._tasks.reactivate(self._job(call), call.names["task"], call.check)
        return changed(call, task.modified, status=204)

    async def _delete(self, call: Call) -> Response:
        await self._tasks.delete(self._job(call), call.names["task"], call.check)
        return done()

    async def _list_subtasks(self, call: Call) -> Response:
        job = self._job(call)
        task = self._tasks.get(job, call.names["task"])
        found = [subtask_view(call.base_url, job.id, task.id, each) for each in self._store.list_subtasks(task.seq)]
        selected = call.query.get("$select")
        return page(call, "subtasks", [select(view, selected) for view in found], None)


def _result(call: Call, job: JobRecord, task_id: str, result: TaskRecord | ServiceError) -> JsonValue:
    if isinstance(result, ServiceError):
        error: JsonObject = {"code": result.code, "message": {"lang": "en-US", "value": result.message}}
        if result.values:
            error["values"] = [{"key": name, "value": value} for name, value in result.values]
        return {"taskId": task_id, "status": _status(call, "ClientError"), "error": error}
    return {
        "taskId": result.id,
        "status": _status(call, "Success"),
        "eTag": make_etag(result.modified),
        "lastModified": format_time(result.modified),
        "location": task_url(call.base_url, job.id, result.id),
    }


def _status(call: Call, word: str) -> str:
    """Older versions were seen to answer in capitals; the newest client understands failures in small letters only."""
    return word if call.is_older else word.lower()
