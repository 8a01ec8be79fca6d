"""Operations on jobs."""

from collections.abc import Iterator

from starlette.responses import Response

from localbatch.engine.engine import Engine
from localbatch.engine.orders import preparation_of, release_of
from localbatch.routes.answers import JsonResponse, changed, created, done, element
from localbatch.routes.call import Call, Handler
from localbatch.routes.paging import Listing
from localbatch.routes.statistics import Statistics
from localbatch.rules import filters
from localbatch.service.jobs import Jobs
from localbatch.store.jobs import JobRecord, PreparationRecord
from localbatch.views.jobs import job_view, preparation_and_release_view, task_counts_view
from localbatch.views.links import job_url
from localbatch.wire.errors import ServiceError
from localbatch.wire.filters import select
from localbatch.wire.formats import JsonObject


class JobRoutes:
    """What can be done with jobs.

    Args:
        engine: what runs them.
    """

    def __init__(self, engine: Engine) -> None:
        self._store, self._jobs = engine.context.store, Jobs(engine)
        self._statistics = Statistics(engine.context)

    def table(self) -> list[tuple[str, str, Handler]]:
        """Returns verb, path and handler of each operation."""
        return [
            ("GET", "/jobs", self._list),
            ("POST", "/jobs", self._create),
            ("GET", "/jobs/{job}", self._get),
            ("PATCH", "/jobs/{job}", self._update),
            ("PUT", "/jobs/{job}", self._replace),
            ("DELETE", "/jobs/{job}", self._delete),
            ("POST", "/jobs/{job}/disable", self._disable),
            ("POST", "/jobs/{job}/enable", self._enable),
            ("POST", "/jobs/{job}/terminate", self._terminate),
            ("GET", "/jobs/{job}/taskcounts", self._count_tasks),
            ("GET", "/jobs/{job}/jobpreparationandreleasetaskstatus", self._list_preparations),
        ]

    async def _list(self, call: Call) -> Response:
        def fetch(after: int, limit: int) -> Iterator[JobRecord]:
            return self._store.jobs.where("account = ? AND seq > ?", call.account, after, limit=limit)

        return Listing("jobs", filters.JOBS, fetch, lambda job: self._view(call, job)).answer(call)

    def _view(self, call: Call, job: JobRecord) -> JsonObject:
        return job_view(call.base_url, job) | self._statistics.of_job(call, job)

    async def _create(self, call: Call) -> Response:
        job = self._jobs.create(call.account, call.base_url, await call.read_json())
        return created(call, job_url(call.base_url, job.id), job.modified)

    async def _get(self, call: Call) -> Response:
        job = self._jobs.get(call.account, call.names["job"])
        call.check(job.modified)
        return element(call, "jobs", select(self._view(call, job), call.query.get("$select")), job.modified)

    async def _update(self, call: Call) -> Response:
        document = await call.read_json()
        return changed(call, self._jobs.update(call.account, call.names["job"], document, call.check).modified)

    async def _replace(self, call: Call) -> Response:
        document = await call.read_json()
        job = self._jobs.replace(call.account, call.names["job"], document, call.check, older=call.is_older)
        return changed(call, job.modified)

    async def _disable(self, call: Call) -> Response:
        document = await call.read_json()
        job = self._jobs.disable(call.account, call.names["job"], document, call.check)
        return changed(call, job.modified, status=202)

    async def _enable(self, call: Call) -> Response:
        job = self._jobs.enable(call.account, call.names["job"], call.check)
        return changed(call, job.modified, status=202)

    async def _terminate(self, call: Call) -> Response:
        document, force = await call.read_json(optional=True), call.flag("force")
        job = self._jobs.terminate(call.account, call.names["job"], document, call.check, force=force)
        return changed(call, job.modified, status=202)

    async def _delete(self, call: Call) -> Response:
        self._jobs.delete(call.account, call.names["job"], call.check, force=call.flag("force"))
        return done(status=202)

    async def _count_tasks(self, call: Call) -> Response:
        job = self._jobs.get(call.account, call.names["job"])
        metadata = f"{call.base_url}/$metadata#taskcountsresult/@Element"
        return JsonResponse({"odata.metadata": metadata, **task_counts_view(self._store.count_tasks(job.seq))})

    async def _list_preparations(self, call: Call) -> Response:
        job = self._jobs.get(call.account, call.names["job"])
        preparation, release = preparation_of(job), release_of(job)
        if preparation is None:
            raise ServiceError("JobPreparationTaskNotSpecified")
        release_id = "" if release is None else release.id

        def fetch(after: int, limit: int) -> Iterator[PreparationRecord]:
            return self._store.preparations.where("job = ? AND seq > ?", job.seq, after, limit=limit)

        def view(record: PreparationRecord) -> JsonObject:
            found = self._store.find_release(job.seq, record.node_id)
            return preparation_and_release_view(call.base_url, job.id, (preparation.id, release_id), record, found)

        rules = filters.PREPARATION_AND_RELEASE
        return Listing("jobpreparationandreleasetaskstatuslist", rules, fetch, view).answer(call)
