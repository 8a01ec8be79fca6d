"""Conditional requests, by etag and by date."""

import pytest
from azure.batch import models
from azure.core import MatchConditions
from azure.core.exceptions import ResourceModifiedError

from tests.support.account import Account

PAST, FUTURE = "Fri, 17 Feb 2017 00:00:00 GMT", "Thu, 31 Dec 2099 00:00:00 GMT"


def test_a_job_that_was_changed_meanwhile_is_not_overwritten(batch: Account) -> None:
    batch.make_job()
    etag = batch.client.get_job("job").etag
    options = models.BatchJobUpdateOptions(priority=1)
    batch.client.update_job("job", options, etag=etag, match_condition=MatchConditions.IfNotModified)
    with pytest.raises(ResourceModifiedError) as caught:
        batch.client.update_job("job", options, etag=etag, match_condition=MatchConditions.IfNotModified)
    assert caught.value.status_code == 412
    assert caught.value.error is not None
    assert caught.value.error.code == "ConditionNotMet"


def test_what_was_not_modified_is_not_sent(batch: Account) -> None:
    batch.make_pool(nodes=0)
    etag = batch.send("GET", "/pools/pool").headers["ETag"]
    answer = batch.send("GET", "/pools/pool", headers={"If-None-Match": f'"{etag}"'})
    assert (answer.status_code, answer.content) == (304, b"")
    assert batch.send("GET", "/pools/pool", headers={"If-None-Match": '"0x1"'}).status_code == 200


@pytest.mark.parametrize(
    ("header", "value", "reading", "writing"),
    [
        ("If-Match", "*", 200, 200),
        ("If-Match", '"0x0"', 412, 412),
        ("If-None-Match", "*", 304, 412),
        ("If-None-Match", '"0x0"', 200, 200),
        ("If-Modified-Since", PAST, 200, 200),
        ("If-Modified-Since", FUTURE, 304, 412),
        ("If-Unmodified-Since", PAST, 412, 412),
        ("If-Unmodified-Since", FUTURE, 200, 200),
    ],
)
def test_each_condition_has_its_status_for_reads_and_for_writes(
    batch: Account, header: str, value: str, reading: int, writing: int
) -> None:
    batch.make_job()
    headers = {header: value}
    assert batch.send("GET", "/jobs/job", headers=headers).status_code == reading
    assert batch.send("PATCH", "/jobs/job", headers=headers, json={"priority": 1}).status_code == writing


def test_a_date_that_is_none_is_refused(batch: Account) -> None:
    batch.make_job()
    answer = batch.send("GET", "/jobs/job", headers={"If-Modified-Since": "yesterday"})
    assert (answer.status_code, answer.json()["code"]) == (400, "InvalidHeaderValue")


def test_deleting_and_ending_depend_on_conditions_too(batch: Account) -> None:
    batch.make_pool(nodes=0)
    batch.make_job()
    batch.add_task("true")
    stale = {"If-Match": '"0x0"'}
    for method, path in (
        ("DELETE", "/pools/pool"),
        ("DELETE", "/jobs/job"),
        ("POST", "/jobs/job/terminate"),
        ("POST", "/jobs/job/tasks/task/terminate"),
        ("DELETE", "/jobs/job/tasks/task"),
    ):
        assert batch.send(method, path, headers=stale).status_code == 412
    assert batch.client.get_task("job", "task").state == "active"


def test_the_etag_of_a_task_does_not_move_with_its_state(batch: Account) -> None:
    batch.make_pool()
    batch.make_job()
    batch.add_task("true")
    before = batch.client.get_task("job", "task").etag
    assert batch.await_task().etag == before
