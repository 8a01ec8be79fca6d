"""Job schedules, as clients change them."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from localbatch.bodies.reading import within
from localbatch.engine.context import moved
from localbatch.engine.engine import Engine
from localbatch.rules.quotas import reached
from localbatch.rules.schedules import CheckedSchedule, read_job_schedule, read_patch, read_replacement
from localbatch.rules.states import JOB_SCHEDULE, refusal
from localbatch.store.schedules import JobScheduleRecord, schedule_document
from localbatch.wire.errors import ServiceError
from localbatch.wire.formats import JsonObject

Check = Callable[[datetime], None]


class JobSchedules:
    """The job schedules of all accounts.

    Args:
        engine: what makes their jobs.
    """

    def __init__(self, engine: Engine) -> None:
        self._context, self._clock, self._store = engine.context, engine.context.clock, engine.context.store

    def get(self, account: str, schedule_id: str) -> JobScheduleRecord:
        """Returns a job schedule.

        Raises:
            ServiceError: ``JobScheduleNotFound``.
        """
        schedule = self._store.find_schedule(account, schedule_id)
        if schedule is None:
            raise ServiceError("JobScheduleNotFound")
        return schedule

    def create(self, account: str, account_url: str, document: JsonObject) -> JobScheduleRecord:
        """Creates a job schedule, which makes its first job when it is time.

        Raises:
            ServiceError: the body is refused, or a schedule or a job of that id exists.
        """
        schedule_id, checked = read_job_schedule(document)
        self._check_images(checked)
        if self._store.find_schedule(account, schedule_id) is not None:
            raise ServiceError("JobScheduleExists")
        if self._store.find_job(account, schedule_id) is not None:
            raise ServiceError("JobWithSameIdExists")
        if reached(self._context.quotas.active_jobs, self._store.count_active_jobs(account)):
            raise ServiceError("ActiveJobAndScheduleQuotaReached")
        now = self._clock.now()
        schedule = self._store.schedules.add(
            JobScheduleRecord(
                seq=0,
                account=account,
                id=schedule_id,
                account_url=account_url,
                body=_without_blanks(schedule_document(checked)),
                created=now,
                modified=now,
                state=JOB_SCHEDULE.initial,
                state_changed=now,
            )
        )
        self._context.scheduling.set()
        return schedule

    def update(self, account: str, schedule_id: str, document: JsonObject, check: Check) -> JobScheduleRecord:
        """Changes what a PATCH names and leaves the rest as it is; jobs that exist stay as they are.

        Raises:
            ServiceError: the schedule or the body is refused.
        """
        schedule = self._changeable(account, schedule_id, check, "update")
        checked = read_patch(document)
        self._check_images(checked)
        return self._change(schedule, body=_without_blanks(schedule.body | schedule_document(checked)))

    def replace(self, account: str, schedule_id: str, document: JsonObject, check: Check) -> JobScheduleRecord:
        """Replaces what a PUT can replace; what is left out is removed. Jobs that exist stay as they are.

        Raises:
            ServiceError: the schedule or the body is refused.
        """
        schedule = self._changeable(account, schedule_id, check, "update")
        kept = {name: value for name, value in schedule.body.items() if name == "displayName"}
        checked = read_replacement(document)
        self._check_images(checked)
        return self._change(schedule, body=_without_blanks(kept | schedule_document(checked)))

    def disable(self, account: str, schedule_id: str, check: Check) -> JobScheduleRecord:
        """Has a schedule make no more jobs; one that is active goes on.

        Raises:
            ServiceError: the schedule is refused.
        """
        return self._move(self._changeable(account, schedule_id, check, "disable"), "disabled")

    def enable(self, account: str, schedule_id: str, check: Check) -> JobScheduleRecord:
        """Has a disabled schedule make jobs again.

        Raises:
            ServiceError: the schedule is refused.
        """
        return self._move(self._changeable(account, schedule_id, check, "enable"), "active")

    def terminate(self, account: str, schedule_id: str, check: Check, *, force: bool) -> JobScheduleRecord:
        """Begins to end a schedule and its active job.

        Args:
            account: whose schedule it is.
            schedule_id: its id.
            check: refuses the request if its conditions are not met.
            force: the job ends without waiting for its nodes.

        Raises:
            ServiceError: the schedule is refused.
        """
        schedule = self._changeable(account, schedule_id, check, "forceterminate" if force else "terminate")
        return self._move(schedule, "terminating", forced=force)

    def delete(self, account: str, schedule_id: str, check: Check, *, force: bool) -> None:
        """Begins to delete a schedule with all its jobs; arguments are as for ``terminate``.

        Raises:
            ServiceError: the schedule is refused.
        """
        schedule = self._changeable(account, schedule_id, check, "forcedelete" if force else "delete")
        self._move(schedule, "deleting", forced=force)

    def _check_images(self, checked: CheckedSchedule) -> None:
        if checked.specification is not None:
            with within("jobSpecification"):
                self._context.images.check_own_pool(checked.specification.pool_info)

    def _changeable(self, account: str, schedule_id: str, check: Check, operation: str) -> JobScheduleRecord:
        schedule = self.get(account, schedule_id)
        check(schedule.modified)
        code = refusal("jobschedule", operation, schedule.state)
        if code is not None:
            raise ServiceError(code)
        return schedule

    def _move(self, schedule: JobScheduleRecord, state: str, **changes: Any) -> JobScheduleRecord:
        if schedule.state != state:
            changes |= moved(JOB_SCHEDULE, schedule, state, self._clock.now())
        return self._change(schedule, **changes)

    def _change(self, schedule: JobScheduleRecord, **changes: Any) -> JobScheduleRecord:
        schedule = self._store.schedules.change(schedule, modified=self._clock.now(), **changes)
        self._context.scheduling.set()
        return schedule


def _without_blanks(body: JsonObject) -> JsonObject:
    return {name: value for name, value in body.items() if value not in ([], {})}
