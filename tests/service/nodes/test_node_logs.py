"""The logs of a node, uploaded to a container."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from azure.batch import models
from azure.core.exceptions import HttpResponseError

from tests.support.account import Account, error_values, open_account, shell
from tests.support.blobs import Blobs, local_blobs
from tests.support.logged import lines_with, logged_service

AN_HOUR_AGO = datetime.now(UTC) - timedelta(hours=1)


@pytest.fixture(scope="module")
def blobs() -> Iterator[Blobs]:
    """A storage account of its own."""
    with local_blobs() as account:
        yield account


@pytest.fixture
def node(batch: Account) -> str:
    """A node that has run a start task and a task."""
    batch.make_pool(start_task=models.BatchStartTask(command_line=shell("echo started"), wait_for_success=True))
    batch.make_job()
    batch.add_task("true")
    batch.await_task()
    (found,) = batch.await_nodes()
    return str(found.id)


def options(
    container: str, start: datetime = AN_HOUR_AGO, end: datetime | None = None
) -> models.UploadBatchServiceLogsOptions:
    return models.UploadBatchServiceLogsOptions(container_url=container, start_time=start, end_time=end)


def test_logs_are_uploaded_into_a_directory_of_their_own(batch: Account, node: str, blobs: Blobs) -> None:
    blobs.container("logs")
    answer = batch.client.upload_node_logs("pool", node, options(blobs.link("logs", "w")))
    directory = answer.virtual_directory_name
    assert directory.startswith(f"pool/{node}/")
    names = [f"{directory}/{name}" for name in ("agent.log", "startup/stderr.txt", "startup/stdout.txt")]
    batch.wait_until(lambda: sorted(blobs.names("logs")) == names)
    assert answer.number_of_files_uploaded == 3
    assert blobs.read("logs", names[2]) == b"started\n"
    log = blobs.read("logs", names[0]).decode().splitlines()
    texts = [line.partition(" ")[2] for line in log]
    assert texts[0].startswith(f"node {node} allocated")
    assert texts[-1] == "state idle, scheduling enabled"
    assert "start task ended: success" in texts
    assert "task task of job job ended: success" in texts


def test_logs_of_another_time_are_not_uploaded(batch: Account, node: str, blobs: Blobs) -> None:
    blobs.container("none")
    before = options(blobs.link("none", "w"), AN_HOUR_AGO, AN_HOUR_AGO + timedelta(minutes=1))
    after = options(blobs.link("none", "w"), datetime.now(UTC) + timedelta(hours=1))
    for wanted in (before, after):
        assert batch.client.upload_node_logs("pool", node, wanted).number_of_files_uploaded == 0
    assert blobs.names("none") == []


def test_a_container_that_takes_nothing_is_found_out_later_and_told_in_the_log(tmp_path: Path, blobs: Blobs) -> None:
    blobs.container("closed")
    link, log, parent = blobs.link("closed", "r"), tmp_path / "log", tmp_path / "root" / "mnt" / "batch"
    with logged_service(log, f"--root={tmp_path / 'root'}") as endpoints, open_account(endpoints) as account:
        account.make_pool()
        (node,) = account.await_nodes()
        answer = account.client.upload_node_logs("pool", str(node.id), options(link))
        assert answer.number_of_files_uploaded == 1
        account.wait_until(lambda: bool(lines_with(log, "could not be uploaded")))
        account.wait_until(lambda: [path.name for path in parent.iterdir()] == ["tasks"])
    (told,) = lines_with(log, "could not be uploaded")
    assert "403 AuthorizationPermissionMismatch" in told
    assert "sig=" not in told
    assert blobs.names("closed") == []


def test_what_is_not_a_container_is_said_to_be_none(batch: Account, node: str) -> None:
    for link in ("somewhere", "http://127.0.0.1", "ftp://127.0.0.1/logs?sig=x"):
        with pytest.raises(HttpResponseError) as caught:
            batch.client.upload_node_logs("pool", node, options(link))
        assert error_values(caught.value)["PropertyName"] == "containerUrl"
        assert "sig=" not in str(error_values(caught.value))


def test_a_node_that_is_deallocated_has_no_logs(batch: Account) -> None:
    batch.make_pool()
    (node,) = batch.await_nodes()
    batch.send("POST", f"/pools/pool/nodes/{node.id}/deallocate")
    batch.await_nodes(state="deallocated")
    body = {"containerUrl": "http://127.0.0.1:1/none", "startTime": "2030-01-31T08:00:00Z"}
    response = batch.send("POST", f"/pools/pool/nodes/{node.id}/uploadbatchservicelogs", json=body)
    assert (response.status_code, response.json()["code"]) == (409, "OperationNotValidOnNode")
