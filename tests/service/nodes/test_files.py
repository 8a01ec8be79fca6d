"""Files of tasks and nodes: listed, described, read and deleted, and nothing outside their node."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from azure.batch import models
from azure.core.exceptions import HttpResponseError, IncompleteReadError, ResourceNotFoundError

from localbatch.wire.connection import Endpoints
from tests.support.account import Account, error_code
from tests.support.hostile import HOSTILE_NAMES


def place(batch: Account, service: Endpoints) -> Path:
    """The task's directory on this machine."""
    task = batch.client.get_task("job", "task")
    assert task.node_info is not None
    node = Path(service.root) / "nodes" / batch.name / "pool" / (task.node_info.node_id or "")
    return node / (task.node_info.task_root_directory or "")


def names(batch: Account, **options: object) -> list[str]:
    return [file.name or "" for file in batch.client.list_task_files("job", "task", **options)]  # type: ignore[arg-type]


def test_the_files_of_a_task_are_listed(batch: Account) -> None:
    batch.run("mkdir -p a/b; echo hello > a/b/deep.txt; echo out")
    top = names(batch)
    assert {"stdout.txt", "stderr.txt", "wd"} <= set(top)
    assert not any("/" in name for name in top)
    everything = names(batch, recursive=True)
    assert {"wd/a", "wd/a/b", "wd/a/b/deep.txt"} <= set(everything)
    assert [name.count("/") for name in everything] == sorted(name.count("/") for name in everything)


def test_a_listed_file_says_what_it_is(batch: Account) -> None:
    batch.run("printf hello > x.txt; mkdir d")
    found = {file.name: file for file in batch.client.list_task_files("job", "task", recursive=True)}
    file, directory = found["wd/x.txt"], found["wd/d"]
    assert file.properties is not None
    assert (file.is_directory, file.properties.content_length) == (False, 5)
    assert file.properties.content_type == "text/plain"
    assert datetime.now(UTC) - file.properties.last_modified < timedelta(minutes=5)
    assert (directory.is_directory, directory.properties) == (True, None)


def test_a_listing_is_filtered_by_the_beginning_of_names(batch: Account) -> None:
    batch.run("touch a1 a2 b1")
    assert names(batch, recursive=True, filter="startswith(name,'wd/a')") == ["wd/a1", "wd/a2"]


def test_a_listing_comes_by_pages_which_files_made_meanwhile_do_not_upset(batch: Account, service: Endpoints) -> None:
    batch.run("touch c e g")
    pages = batch.client.list_task_files("job", "task", recursive=True, filter="startswith(name,'wd/')", max_results=1)
    assert isinstance(pages, object)
    walk = pages.by_page()
    assert [file.name for file in next(walk)] == ["wd/c"]
    (place(batch, service) / "wd" / "a").touch()
    (place(batch, service) / "wd" / "f").touch()
    assert [file.name for page in walk for file in page] == ["wd/e", "wd/f", "wd/g"]


def test_the_properties_of_a_file(batch: Account) -> None:
    batch.run("printf hello > x.bin; chmod 640 x.bin")
    found = batch.client.get_task_file_properties("job", "task", "wd/x.bin")
    assert (found.content_length, found.is_directory) == (5, False)
    assert (found.file_mode or "").endswith("640")
    assert (found.url or "").endswith("/jobs/job/tasks/task/files/wd/x.bin")
    assert found.creation_time is not None
    directory = batch.client.get_task_file_properties("job", "task", "wd")
    assert directory.is_directory is True


def test_a_part_of_a_file_is_read(batch: Account) -> None:
    batch.run("printf 0123456789")
    read = batch.client.download_task_file
    assert b"".join(read("job", "task", "stdout.txt", ocp_range="bytes=2-4")) == b"234"
    assert b"".join(read("job", "task", "stdout.txt", ocp_range="bytes=7-")) == b"789"
    assert b"".join(read("job", "task", "stdout.txt", ocp_range="bytes=8-99")) == b"89"
    answer = batch.send("GET", "/jobs/job/tasks/task/files/stdout.txt", headers={"ocp-range": "bytes=2-4"})
    assert (answer.status_code, answer.headers["Content-Length"]) == (200, "3")


@pytest.mark.parametrize(("given", "status"), [("bytes=10-", 416), ("bytes=5-4", 416), ("lines=1-2", 400)])
def test_an_impossible_range_is_refused(batch: Account, given: str, status: int) -> None:
    batch.run("printf 0123456789")
    answer = batch.send("GET", "/jobs/job/tasks/task/files/stdout.txt", headers={"ocp-range": given})
    assert answer.status_code == status


@pytest.mark.parametrize("token", ["x", "1", "-1/x", "9" * 5000 + "/x"])
def test_a_page_token_that_is_not_ours_is_refused(batch: Account, token: str) -> None:
    batch.run("true")
    answer = batch.send("GET", f"/jobs/job/tasks/task/files?$skiptoken={token}")
    assert answer.status_code == 400


def test_an_empty_and_a_large_file_are_read_whole(batch: Account) -> None:
    batch.run("touch empty; head -c 20000000 /dev/zero > large")
    assert batch.read("wd/empty") == b""
    size = sum(len(piece) for piece in batch.client.download_task_file("job", "task", "wd/large"))
    assert size == 20_000_000


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_file_of_a_hostile_name_is_listed_and_read(batch: Account, service: Endpoints, name: str) -> None:
    batch.run("true")
    (place(batch, service) / "wd" / name).write_text("content")
    assert f"wd/{name}" in names(batch, recursive=True)
    assert batch.read(f"wd/{name}") == b"content"
    assert batch.client.get_task_file_properties("job", "task", f"wd/{name}").content_length == 7


def test_a_file_is_found_with_either_slash(batch: Account) -> None:
    batch.run("mkdir a; echo hello > a/x.txt")
    assert batch.read("wd\\a\\x.txt") == b"hello\n"
    answer = batch.send("GET", "/jobs/job/tasks/task/files/wd/a/x.txt")
    assert answer.content == b"hello\n"


@pytest.mark.parametrize(
    "name",
    [
        "../../../../../state.db",
        "wd/..",
        "wd/../../secret",
        "wd/out/state.db",
        "wd/absolute",
        "/etc/passwd",
        "wd//etc/passwd",
        "wd/./x",
        "..\\..\\state.db",
    ],
)
def test_nothing_outside_the_node_is_read(batch: Account, service: Endpoints, name: str) -> None:
    batch.run("true")
    working = place(batch, service) / "wd"
    (working / "out").symlink_to(service.root)
    (working / "absolute").symlink_to("/etc/passwd")
    with pytest.raises(HttpResponseError) as caught:
        batch.read(name)
    assert caught.value.status_code == 404
    with pytest.raises(HttpResponseError) as caught:
        batch.client.delete_task_file("job", "task", name, recursive=True)
    assert caught.value.status_code == 404
    assert not any(listed.startswith(("wd/out", "wd/absolute")) for listed in names(batch, recursive=True))
    assert (Path(service.root) / "state.db").exists()


def test_a_link_within_the_node_is_followed(batch: Account) -> None:
    batch.run("echo shared > $AZ_BATCH_NODE_SHARED_DIR/x; ln -s $AZ_BATCH_NODE_SHARED_DIR/x link; ln -s . circle")
    assert batch.read("wd/link") == b"shared\n"
    assert "wd/circle/circle" not in names(batch, recursive=True)


def test_a_file_and_a_directory_are_deleted(batch: Account) -> None:
    batch.run("touch x; mkdir d; touch d/y")
    batch.client.delete_task_file("job", "task", "wd/x")
    with pytest.raises(HttpResponseError) as caught:
        batch.client.delete_task_file("job", "task", "wd/d")
    assert caught.value.status_code == 409
    batch.client.delete_task_file("job", "task", "wd/d", recursive=True)
    assert [name for name in names(batch, recursive=True) if name.startswith("wd/")] == []


def test_a_missing_file_is_not_found(batch: Account) -> None:
    batch.run("true")
    with pytest.raises(ResourceNotFoundError):
        batch.client.get_task_file_properties("job", "task", "wd/nothing")
    with pytest.raises(ResourceNotFoundError) as caught:
        batch.client.delete_task_file("job", "task", "wd/nothing")
    assert error_code(caught.value) == "FileNotFound"


def test_a_task_that_never_ran_has_no_files(batch: Account) -> None:
    batch.make_job()
    batch.add_task("true")
    with pytest.raises(HttpResponseError) as caught:
        names(batch)
    assert (caught.value.status_code, error_code(caught.value)) == (409, "TaskFilesUnavailable")


def test_the_files_of_a_task_go_with_their_node(batch: Account) -> None:
    batch.run("true")
    batch.client.begin_delete_pool("pool", polling_interval=0).result()
    batch.await_gone(lambda: batch.client.get_pool("pool"))
    with pytest.raises(HttpResponseError) as caught:
        names(batch)
    assert error_code(caught.value) == "TaskFilesUnavailable"


def test_the_files_of_a_task_are_cleaned_up_after_their_retention(batch: Account, service: Endpoints) -> None:
    batch.run("true", constraints=models.BatchTaskConstraints(retention_time=timedelta(seconds=1)))
    directory = place(batch, service)
    assert directory.exists()
    batch.wait_until(lambda: not directory.exists())
    with pytest.raises(HttpResponseError) as caught:
        names(batch)
    assert (caught.value.status_code, error_code(caught.value)) == (409, "TaskFilesCleanedup")


def test_a_node_shows_its_directories(batch: Account) -> None:
    task = batch.run("echo hello")
    assert task.node_info is not None
    node_id = task.node_info.node_id or ""
    top = [file.name for file in batch.client.list_node_files("pool", node_id)]
    assert {"applications", "fsmounts", "shared", "startup", "volatile", "workitems"} <= set(top)
    path = f"{task.node_info.task_root_directory}/stdout.txt"
    assert b"".join(batch.client.download_node_file("pool", node_id, path)) == b"hello\n"
    assert batch.client.get_node_file_properties("pool", node_id, path).content_length == 6
    batch.client.delete_node_file("pool", node_id, path)
    with pytest.raises(ResourceNotFoundError):
        batch.client.get_node_file_properties("pool", node_id, path)


def test_a_file_depends_on_its_date(batch: Account) -> None:
    batch.run("echo hello")
    path = "/jobs/job/tasks/task/files/stdout.txt"
    modified = batch.send("GET", path).headers["Last-Modified"]
    assert batch.send("GET", path, headers={"If-Modified-Since": modified}).status_code == 304
    past = "Fri, 17 Feb 2017 00:00:00 GMT"
    assert batch.send("GET", path, headers={"If-Modified-Since": past}).status_code == 200
    assert batch.send("GET", path, headers={"If-Unmodified-Since": past}).status_code == 412


def test_the_output_of_a_running_task_is_read(batch: Account) -> None:
    batch.make_pool()
    batch.make_job()
    batch.add_task("echo begun; sleep 600")
    batch.await_task(state="running")
    batch.wait_until(lambda: batch.send("HEAD", "/jobs/job/tasks/task/files/stdout.txt").status_code == 200)
    batch.wait_until(lambda: batch.stdout() == "begun\n")


def test_a_listing_by_pages_passes_over_a_name_that_is_not_utf8(batch: Account) -> None:
    batch.run("touch a \"$(printf 'b\\377d')\" c")
    page = "/jobs/job/tasks/task/files?recursive=true&maxresults=1&$filter=startswith(name,'wd/')"
    found: list[str] = []
    while page:
        answer = batch.send("GET", page)
        assert answer.status_code == 200
        found += [file["name"] for file in answer.json()["value"]]
        parts = urlsplit(answer.json().get("odata.nextLink", ""))
        query = [pair for pair in parts.query.split("&") if not pair.startswith("api-version=")]
        page = parts.path and f"{parts.path}?{'&'.join(query)}"
    assert len(found) == 3


def test_the_files_of_a_task_that_moved_to_another_node_go_with_it(batch: Account, service: Endpoints) -> None:
    batch.make_pool(nodes=2)
    batch.make_job()
    first, second = batch.await_nodes(count=2)
    affinity = models.BatchAffinityInfo(affinity_id=first.affinity_id or "")
    batch.add_task("false", affinity_info=affinity)
    batch.await_task()
    batch.add_task("sleep 100", "blocker", affinity_info=affinity)
    batch.await_task("blocker", state="running")
    batch.client.reactivate_task("job", "task")
    batch.wait_until(lambda: batch.client.get_task("job", "task").state == "completed")
    info = batch.client.get_task("job", "task").node_info
    assert info is not None
    assert info.node_id == second.id
    batch.client.delete_task("job", "task")
    nodes = Path(service.root) / "nodes" / batch.name / "pool"
    assert [path for node in nodes.iterdir() for path in node.glob("workitems/job/job-1/task")] == []


def test_a_download_that_fails_says_why_although_the_client_loses_the_code(batch: Account) -> None:
    batch.run("true")
    with pytest.raises(HttpResponseError, match="The specified file does not exist") as caught:
        batch.read("nothing.txt")
    assert (caught.value.status_code, caught.value.error) == (404, None)


def test_a_download_of_a_file_that_is_cut_short_breaks_off(batch: Account, service: Endpoints) -> None:
    batch.run("truncate -s 300M big")
    pieces = iter(batch.client.download_task_file("job", "task", "wd/big"))
    next(pieces)
    with (place(batch, service) / "wd" / "big").open("r+b") as file:
        file.truncate(1000)
    with pytest.raises(IncompleteReadError):
        list(pieces)
