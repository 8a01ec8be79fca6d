"""Faults of the services that were asked for on the command line."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest
from azure.batch import BatchClient, models
from azure.core.credentials import AzureNamedKeyCredential
from azure.core.exceptions import AzureError, HttpResponseError
from azure.storage.blob import BlobSasPermissions, BlobServiceClient, LinearRetry, generate_blob_sas

from localbatch.launcher import LocalAzure
from tests.service.host.test_launcher_command_line import refuse_here
from tests.support.account import error_code


@contextmanager
def faulty(*options: str, storage: bool = False) -> Iterator[LocalAzure]:
    with LocalAzure(options=options, storage=storage, driver="simulated", attach=False) as azure:
        yield azure


def client(azure: LocalAzure) -> BatchClient:
    credential = AzureNamedKeyCredential(azure.endpoints.batch_account, azure.endpoints.batch_key)
    return BatchClient(azure.endpoints.batch_endpoint, credential, retry_total=0)


def outcome(batch: BatchClient) -> str:
    """What comes of a request for the jobs."""
    try:
        list(batch.list_jobs())
    except HttpResponseError as error:
        response: Any = error.response
        return f"{error.status_code} {response.headers.get('Retry-After', '-')}"
    except AzureError:
        return "lost"
    return "well"


def test_each_fault_strikes_as_often_as_it_was_asked_for_and_again_with_the_same_seed() -> None:
    options = [f"--fault={fault}=0.2" for fault in ("throttle", "busy", "fail", "reset")]
    seen = []
    for _ in range(2):
        with faulty(*options, "--fault-seed=7") as azure, client(azure) as batch:
            seen.append([outcome(batch) for _ in range(60)])
    counts = Counter(seen[0])
    assert counts.keys() == {"well", "429 1", "503 -", "500 -", "lost"}
    assert min(counts.values()) >= 4
    assert seen[0] == seen[1]


@pytest.mark.parametrize("fault", ["fail", "reset"])
def test_what_was_answered_by_a_failure_was_done(fault: str) -> None:
    with faulty(f"--fault={fault}=0.5", "--fault-seed=1") as azure, client(azure) as batch:
        failed = 0
        for number in range(10):
            job = models.BatchJobCreateOptions(id=f"job-{number}", pool_info=models.BatchPoolInfo(pool_id="none"))
            try:
                batch.create_job(job)
            except AzureError:
                failed += 1
        while True:
            try:
                jobs = [job.id for job in batch.list_jobs()]
                break
            except AzureError:
                continue
        assert sorted(jobs) == sorted(f"job-{number}" for number in range(10))
        assert 0 < failed < 10


def test_tasks_of_a_collection_are_said_to_have_failed() -> None:
    with faulty("--fault=item=0.5", "--fault-seed=1") as azure, client(azure) as batch:
        batch.create_job(models.BatchJobCreateOptions(id="job", pool_info=models.BatchPoolInfo(pool_id="none")))
        tasks = [models.BatchTaskCreateOptions(id=f"t{number}", command_line="true") for number in range(20)]
        answer = batch.create_task_collection("job", models.BatchTaskGroup(task_values=tasks))
        statuses = Counter(str.lower(result.status) for result in answer.result_values or [])
        assert statuses.keys() == {"success", "servererror"}
        assert len(list(batch.list_tasks("job"))) == 20


def test_blobs_have_faults_of_their_own_and_come_through_whole() -> None:
    with faulty("--blob-fault=busy=0.3", "--fault-seed=3", storage=True) as azure, client(azure) as batch:
        assert [outcome(batch) for _ in range(10)] == ["well"] * 10
        again = LinearRetry(backoff=0, retry_total=20, retry_status=20)
        blobs = BlobServiceClient.from_connection_string(azure.endpoints.storage_connection_string, retry_policy=again)
        content = bytes(range(256)) * 40_000
        with blobs, blobs.create_container("box") as box:
            box.upload_blob("größe & 100%41/a b.bin", content)
            assert [blob.name for blob in box.list_blobs()] == ["größe & 100%41/a b.bin"]
            assert box.download_blob("größe & 100%41/a b.bin").readall() == content
        answers = Counter(httpx.get(f"{azure.endpoints.blob_endpoint}?comp=list").status_code for _ in range(40))
        assert answers[503] > 4
        assert len(answers) == 2


def test_links_are_refused_as_if_their_time_were_over() -> None:
    with faulty("--blob-fault=expired=1", storage=True) as azure:
        found = azure.endpoints
        with (
            BlobServiceClient.from_connection_string(found.storage_connection_string) as blobs,
            blobs.create_container("box") as box,
        ):
            box.upload_blob("a", b"content")
            until = datetime.now(UTC) + timedelta(hours=1)
            permission = BlobSasPermissions(read=True)
            link = generate_blob_sas(
                found.storage_account, "box", "a", account_key=found.storage_key, permission=permission, expiry=until
            )
            assert box.download_blob("a").readall() == b"content"
            refused = httpx.get(f"{found.blob_endpoint}/box/a?{link}")
        assert (refused.status_code, refused.headers["x-ms-error-code"]) == (403, "AuthenticationFailed")


def test_answers_are_late_where_that_is_asked_for() -> None:
    with faulty("--latency-ms=150") as azure, client(azure) as batch:
        begun = time.monotonic()
        assert outcome(batch) == "well"
        assert time.monotonic() - begun > 0.14


@pytest.mark.parametrize("ahead", [-1200, 1200])
def test_a_clock_that_is_wrong_is_told_and_refuses_what_is_signed(ahead: int) -> None:
    with faulty(f"--clock-ahead-seconds={ahead}") as azure, client(azure) as batch:
        with pytest.raises(HttpResponseError) as refused:
            list(batch.list_pools())
        assert error_code(refused.value) == "AuthenticationFailed"
        answer = httpx.get(azure.endpoints.batch_endpoint)
        (told,) = answer.headers.get_list("date")
        assert abs((parsedate_to_datetime(told) - datetime.now(UTC)).total_seconds() - ahead) < 60


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        ("--clock-ahead-seconds=soon", "not a number of seconds"),
        ("--fault=flood=1", "is none of"),
        ("--fault=expired=1", "is none of"),
        ("--blob-fault=item=1", "is none of"),
        ("--fault=busy=2", "not a rate"),
    ],
)
def test_what_is_no_fault_is_refused(option: str, reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, said = refuse_here(capsys, option)
    assert status == 2
    assert reason in said
