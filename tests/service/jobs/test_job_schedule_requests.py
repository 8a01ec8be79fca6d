"""Job schedules: bodies, changes, conditions and lists."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.batch import models
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceModifiedError, ResourceNotFoundError

from tests.support.account import Account, error_code, error_values
from tests.support.schedules import MINUTE, SPECIFICATION, await_recent_job, make_due, make_schedule, terminate


def test_an_update_affects_later_jobs_only(batch: Account) -> None:
    make_schedule(batch, recurrence_interval=MINUTE)
    await_recent_job(batch)
    specification = models.BatchJobSpecification(pool_info=models.BatchPoolInfo(pool_id="second"), priority=5)
    options = models.BatchJobScheduleUpdateOptions(job_specification=specification)
    batch.client.update_job_schedule("schedule", options)
    assert batch.client.get_job("schedule:job-1").priority == 0
    terminate(batch, "schedule:job-1")
    make_due(batch)
    await_recent_job(batch, "schedule:job-2")
    job = batch.client.get_job("schedule:job-2")
    assert job.pool_info is not None
    assert (job.priority, job.pool_info.pool_id) == (5, "second")


def test_a_patch_changes_what_it_names_and_a_replacement_removes_what_it_leaves_out(batch: Account) -> None:
    later = datetime(2099, 1, 1, tzinfo=UTC)
    make_schedule(
        batch,
        display_name="kept",
        do_not_run_until=later,
        start_window=timedelta(minutes=5),
        metadata=[models.BatchMetadataItem(name="a", value="1")],
    )
    timing = models.BatchJobScheduleConfiguration(do_not_run_until=later + MINUTE)
    batch.client.update_job_schedule("schedule", models.BatchJobScheduleUpdateOptions(schedule=timing))
    schedule = batch.client.get_job_schedule("schedule")
    assert schedule.schedule is not None
    assert (schedule.schedule.do_not_run_until, schedule.schedule.start_window) == (later + MINUTE, None)
    assert [item.name for item in schedule.metadata or []] == ["a"]
    batch.client.replace_job_schedule("schedule", schedule)
    assert batch.client.get_job_schedule("schedule").schedule == schedule.schedule
    batch.client.replace_job_schedule("schedule", models.BatchJobSchedule(job_specification=SPECIFICATION))
    schedule = batch.client.get_job_schedule("schedule")
    assert (schedule.schedule, schedule.metadata, schedule.display_name) == (None, None, "kept")
    # Nothing holds the first job up any more.
    await_recent_job(batch)


def test_conditions_guard_every_change_of_a_schedule(batch: Account) -> None:
    make_schedule(batch, do_not_run_until=datetime.now(UTC) + timedelta(days=1))
    etag = batch.client.get_job_schedule("schedule").etag
    batch.client.disable_job_schedule("schedule", etag=etag, match_condition=MatchConditions.IfNotModified)
    stale: dict[str, Any] = {"etag": etag, "match_condition": MatchConditions.IfNotModified}
    changes: list[Callable[[], object]] = [
        lambda: batch.client.enable_job_schedule("schedule", **stale),
        lambda: batch.client.update_job_schedule("schedule", models.BatchJobScheduleUpdateOptions(), **stale),
        lambda: batch.client.replace_job_schedule(
            "schedule", models.BatchJobSchedule(job_specification=SPECIFICATION), **stale
        ),
        lambda: batch.client.begin_terminate_job_schedule("schedule", **stale),
        lambda: batch.client.begin_delete_job_schedule("schedule", **stale),
    ]
    for change in changes:
        with pytest.raises(ResourceModifiedError) as caught:
            change()
        assert caught.value.status_code == 412
    current = batch.client.get_job_schedule("schedule").etag
    unchanged = batch.send("GET", "/jobschedules/schedule", headers={"If-None-Match": f'"{current}"'})
    assert unchanged.status_code == 304
    assert batch.client.get_job_schedule("schedule").state == "disabled"


def test_a_schedule_is_there_or_not(batch: Account) -> None:
    make_schedule(batch, do_not_run_until=datetime.now(UTC) + timedelta(days=1))
    assert batch.client.job_schedule_exists("schedule")
    assert batch.client.job_schedule_exists("SCHEDULE")
    with pytest.raises(ResourceNotFoundError):
        batch.client.job_schedule_exists("other")
    with pytest.raises(ResourceNotFoundError) as caught:
        batch.client.get_job_schedule("other")
    assert error_code(caught.value) == "JobScheduleNotFound"
    with pytest.raises(ResourceExistsError) as exists:
        make_schedule(batch)
    assert error_code(exists.value) == "JobScheduleExists"


def test_jobs_and_schedules_do_not_share_ids(batch: Account) -> None:
    batch.make_job("one")
    with pytest.raises(ResourceExistsError) as caught:
        make_schedule(batch, "One")
    assert error_code(caught.value) == "JobWithSameIdExists"
    make_schedule(batch, "two")
    with pytest.raises(ResourceExistsError) as caught:
        batch.make_job("TWO")
    assert error_code(caught.value) == "JobScheduleWithSameIdExists"


def test_schedules_are_listed_by_pages_with_filter_and_selection(batch: Account) -> None:
    far = datetime(2099, 1, 1, tzinfo=UTC)
    for number in range(3):
        make_schedule(batch, f"s{number}", do_not_run_until=far + number * MINUTE)
    batch.client.disable_job_schedule("s1")
    assert [each.id for each in batch.client.list_job_schedules(max_results=1)] == ["s0", "s1", "s2"]

    def listed(text: str) -> list[str]:
        return [each.id for each in batch.client.list_job_schedules(filter=text)]

    assert listed("state eq 'disabled'") == ["s1"]
    assert listed("startswith(id, 's') and schedule/doNotRunUntil gt DateTime'2099-01-01T00:00:30Z'") == ["s1", "s2"]
    (first, *_) = batch.client.list_job_schedules(select=["id", "executionInfo"])
    assert first.as_dict() == {"id": "s0", "executionInfo": {"nextRunTime": "2099-01-01T00:00:00.0000000Z"}}
    with pytest.raises(HttpResponseError) as caught:
        listed("displayName eq 'a'")
    assert error_code(caught.value) == "InvalidQueryParameterValue"


def test_the_jobs_of_a_schedule_are_listed_alone(batch: Account) -> None:
    make_schedule(batch)
    await_recent_job(batch)
    batch.make_job("other")
    assert [job.id for job in batch.client.list_jobs_from_schedule("schedule")] == ["schedule:job-1"]
    assert sorted(job.id for job in batch.client.list_jobs()) == ["other", "schedule:job-1"]
    assert [job.id for job in batch.client.list_jobs_from_schedule("schedule", filter="state eq 'completed'")] == []
    with pytest.raises(HttpResponseError) as caught:
        list(batch.client.list_jobs_from_schedule("schedule", filter="id eq 'a'"))
    assert error_code(caught.value) == "InvalidQueryParameterValue"
    with pytest.raises(ResourceNotFoundError):
        list(batch.client.list_jobs_from_schedule("none"))


GOOD = {"id": "new", "schedule": {}, "jobSpecification": {"poolInfo": {"poolId": "pool"}}}


@pytest.mark.parametrize(
    ("body", "code", "name"),
    [
        ({"schedule": {"recurrenceInterval": "PT59S"}}, "InvalidPropertyValue", "schedule.recurrenceInterval"),
        ({"schedule": {"startWindow": "PT59S"}}, "InvalidPropertyValue", "schedule.startWindow"),
        ({"schedule": {"startWindow": "soon"}}, "InvalidRequestBody", "schedule.startWindow"),
        ({"schedule": {"doNotRunUntil": "tomorrow"}}, "InvalidRequestBody", "schedule.doNotRunUntil"),
        ({"schedule": {"doNotRunAfter": 5}}, "InvalidRequestBody", "schedule.doNotRunAfter"),
        (
            {"schedule": {"doNotRunUntil": "2099-01-01T00:00:00Z", "doNotRunAfter": "2098-01-01T00:00:00Z"}},
            "InvalidPropertyValue",
            "schedule.doNotRunAfter",
        ),
        ({"schedule": {"every": "day"}}, "InvalidRequestBody", "schedule.every"),
        ({"schedule": "daily"}, "InvalidRequestBody", "schedule"),
        ({"schedule": None}, "MissingRequiredProperty", "schedule"),
        ({"jobSpecification": []}, "InvalidRequestBody", "jobSpecification"),
        ({"jobSpecification": {}}, "MissingRequiredProperty", "jobSpecification.poolInfo"),
        (
            {"jobSpecification": {"id": "x", "poolInfo": {"poolId": "pool"}}},
            "InvalidRequestBody",
            "jobSpecification.id",
        ),
        (
            {"jobSpecification": {"priority": 1001, "poolInfo": {"poolId": "pool"}}},
            "InvalidPropertyValue",
            "jobSpecification.priority",
        ),
        ({"id": "no:colon"}, "InvalidPropertyValue", "id"),
        ({"state": "active"}, "InvalidRequestBody", "state"),
        ({"metadata": [{"name": "a"}]}, "MissingRequiredProperty", "metadata.0.value"),
    ],
)
def test_a_schedule_that_can_not_be_is_refused_by_the_property(
    batch: Account, body: dict[str, object], code: str, name: str
) -> None:
    answer = batch.send("POST", "/jobschedules", json={**GOOD, **body})
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert {"key": "PropertyName", "value": name} in answer.json()["values"]
    if "id" in body or "state" in body or body == {"schedule": None}:
        return
    make_schedule(batch, do_not_run_until=datetime(2099, 1, 1, tzinfo=UTC))
    answer = batch.send("PATCH", "/jobschedules/schedule", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_what_a_schedule_needs_is_missed(batch: Account) -> None:
    with pytest.raises(HttpResponseError) as caught:
        batch.client.create_job_schedule({"id": "s", "schedule": {}})  # type: ignore[arg-type]
    assert error_values(caught.value)["PropertyName"] == "jobSpecification"
    answer = batch.send("PUT", "/jobschedules/none", json={})
    assert (answer.status_code, answer.json()["code"]) == (404, "JobScheduleNotFound")
