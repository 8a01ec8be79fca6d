"""The shortest way to job schedules, for tests of the service."""

from datetime import UTC, datetime, timedelta
from typing import Any

from azure.batch import models

from tests.support.account import Account

MINUTE = timedelta(minutes=1)
SPECIFICATION = models.BatchJobSpecification(pool_info=models.BatchPoolInfo(pool_id="pool"))


def make_schedule(batch: Account, schedule_id: str = "schedule", **options: Any) -> None:
    """Creates a job schedule; what it is not told of its timing makes one job at once."""
    timing = {name: options.pop(name) for name in list(options) if name.startswith(("do_", "start_", "recurrence_"))}
    options["schedule"] = models.BatchJobScheduleConfiguration(**timing)
    options.setdefault("job_specification", SPECIFICATION)
    batch.client.create_job_schedule(models.BatchJobScheduleCreateOptions(id=schedule_id, **options))


def await_schedule(batch: Account, state: str, schedule_id: str = "schedule") -> models.BatchJobSchedule:
    """Waits until a job schedule is in a state."""
    batch.wait_until(lambda: batch.client.get_job_schedule(schedule_id).state == state)
    return batch.client.get_job_schedule(schedule_id)


def await_recent_job(batch: Account, job_id: str = "schedule:job-1", schedule_id: str = "schedule") -> None:
    """Waits until a job schedule has made that job."""

    def made() -> bool:
        recent = batch.client.get_job_schedule(schedule_id).execution_info.recent_job
        return recent is not None and recent.id == job_id

    batch.wait_until(made)


def make_due(batch: Account) -> None:
    """Moves the beginning of a recurring schedule to the present, so that its next job is due at once."""
    timing = models.BatchJobScheduleConfiguration(do_not_run_until=datetime.now(UTC), recurrence_interval=MINUTE)
    batch.client.update_job_schedule("schedule", models.BatchJobScheduleUpdateOptions(schedule=timing))


def run_stubbornly(batch: Account) -> None:
    """Has the schedule's first job run a task that does not end when it is asked to."""
    batch.make_pool()
    batch.add_task("trap : TERM; echo ready; while true; do sleep 0.1; done", job_id="schedule:job-1")
    batch.await_task(job_id="schedule:job-1", state="running")
    batch.wait_until(lambda: batch.stdout(job_id="schedule:job-1") != "")


def terminate(batch: Account, job_id: str) -> None:
    """Ends a job and waits for it."""
    batch.send("POST", f"/jobs/{job_id}/terminate")
    batch.await_job(job_id)
