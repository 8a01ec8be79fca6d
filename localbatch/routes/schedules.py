"""Operations on job schedules."""

from starlette.responses import Response

from localbatch.engine.engine import Engine
from localbatch.routes.answers import changed, created, done, element, version_headers
from localbatch.routes.call import Call, Handler
from localbatch.routes.paging import Listing
from localbatch.routes.statistics import Statistics
from localbatch.rules import filters
from localbatch.service.schedules import JobSchedules
from localbatch.store.jobs import JobRecord
from localbatch.store.schedules import JobScheduleRecord
from localbatch.views.jobs import job_view
from localbatch.views.links import job_schedule_url
from localbatch.views.schedules import job_schedule_view
from localbatch.wire.filters import select
from localbatch.wire.formats import JsonObject

_KIND = "jobschedules"


class JobScheduleRoutes:
    """What can be done with job schedules.

    Args:
        engine: what makes their jobs.
    """

    def __init__(self, engine: Engine) -> None:
        self._store, self._clock = engine.context.store, engine.context.clock
        self._schedules = JobSchedules(engine)
        self._statistics = Statistics(engine.context)

    def table(self) -> list[tuple[str, str, Handler]]:
        """Returns verb, path and handler of each operation."""
        return [
            ("GET", "/jobschedules", self._list),
            ("POST", "/jobschedules", self._create),
            ("GET", "/jobschedules/{schedule}", self._get),
            ("HEAD", "/jobschedules/{schedule}", self._exists),
            ("PATCH", "/jobschedules/{schedule}", self._update),
            ("PUT", "/jobschedules/{schedule}", self._replace),
            ("DELETE", "/jobschedules/{schedule}", self._delete),
            ("POST", "/jobschedules/{schedule}/disable", self._disable),
            ("POST", "/jobschedules/{schedule}/enable", self._enable),
            ("POST", "/jobschedules/{schedule}/terminate", self._terminate),
            ("GET", "/jobschedules/{schedule}/jobs", self._list_jobs),
        ]

    def _find(self, call: Call) -> JobScheduleRecord:
        schedule = self._schedules.get(call.account, call.names["schedule"])
        if call.request.method in ("GET", "HEAD"):
            call.check(schedule.modified)
        return schedule

    def _view(self, call: Call, schedule: JobScheduleRecord) -> JsonObject:
        view = job_schedule_view(call.base_url, schedule, self._clock.now())
        return view | self._statistics.of_schedule(call, schedule)

    async def _list(self, call: Call) -> Response:
        def fetch(after: int, limit: int) -> list[JobScheduleRecord]:
            return list(self._store.schedules.where("account = ? AND seq > ?", call.account, after, limit=limit))

        def view(schedule: JobScheduleRecord) -> JsonObject:
            return self._view(call, schedule)

        return Listing(_KIND, filters.JOB_SCHEDULES, fetch, view).answer(call)

    async def _create(self, call: Call) -> Response:
        schedule = self._schedules.create(call.account, call.base_url, await call.read_json())
        return created(call, job_schedule_url(call.base_url, schedule.id), schedule.modified)

    async def _get(self, call: Call) -> Response:
        schedule = self._find(call)
        return element(call, _KIND, select(self._view(call, schedule), call.query.get("$select")), schedule.modified)

    async def _exists(self, call: Call) -> Response:
        return Response(headers=version_headers(self._find(call).modified))

    async def _update(self, call: Call) -> Response:
        document = await call.read_json()
        schedule = self._schedules.update(call.account, call.names["schedule"], document, call.check)
        return changed(call, schedule.modified)

    async def _replace(self, call: Call) -> Response:
        document = await call.read_json()
        schedule = self._schedules.replace(call.account, call.names["schedule"], document, call.check)
        return changed(call, schedule.modified)

    async def _disable(self, call: Call) -> Response:
        schedule = self._schedules.disable(call.account, call.names["schedule"], call.check)
        return changed(call, schedule.modified, status=204)

    async def _enable(self, call: Call) -> Response:
        schedule = self._schedules.enable(call.account, call.names["schedule"], call.check)
        return changed(call, schedule.modified, status=204)

    async def _terminate(self, call: Call) -> Response:
        force = call.flag("force")
        schedule = self._schedules.terminate(call.account, call.names["schedule"], call.check, force=force)
        return changed(call, schedule.modified, status=202)

    async def _delete(self, call: Call) -> Response:
        force = call.flag("force")
        self._schedules.delete(call.account, call.names["schedule"], call.check, force=force)
        return done(status=202)

    async def _list_jobs(self, call: Call) -> Response:
        schedule = self._schedules.get(call.account, call.names["schedule"])

        def fetch(after: int, limit: int) -> list[JobRecord]:
            return self._store.list_jobs_of_schedule(schedule.seq, after, limit)

        def view(job: JobRecord) -> JsonObject:
            return job_view(call.base_url, job) | self._statistics.of_job(call, job)

        return Listing("jobs", filters.JOBS_OF_SCHEDULE, fetch, view).answer(call)
