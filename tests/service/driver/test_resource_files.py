"""Files fetched for a command: from where, to where, and what cannot be had."""

import asyncio
import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.storage.blob import ContainerClient

from localbatch.bodies.commands import ResourceFile
from localbatch.driver.interface import Failure, Outcome
from tests.support.blobs import Blobs, local_blobs
from tests.support.hostile import HOSTILE_NAMES
from tests.support.nodes import eventually, local_node
from tests.support.web import Web, web_server


@pytest.fixture
def web() -> Iterator[Web]:
    with web_server() as running:
        yield running


@pytest.fixture(scope="module")
def blobs() -> Iterator[Blobs]:
    with local_blobs() as running:
        yield running


def link(file: str, url: str, mode: str | None = None) -> ResourceFile:
    return ResourceFile(http_url=url, file_path=file, file_mode=mode)


def failure(outcome: Outcome) -> Failure:
    assert outcome.exit_code is None
    assert outcome.failure is not None
    return outcome.failure


def put(container: ContainerClient, *names: str) -> None:
    for name in names:
        container.upload_blob(name, f"this is {name}")


async def test_a_link_becomes_a_file_of_mode_0770(web: Web, tmp_path: Path) -> None:
    file = link("deep/er/data.txt", web.add("/data?sig=a%2Bb%3D", b"\0body\n"))
    async with local_node(tmp_path) as node:
        outcome = await node.run("cat deep/er/data.txt", resource_files=[file])
        assert outcome.exit_code == 0
        assert node.path("stdout.txt").read_bytes() == b"\0body\n"
        assert stat.S_IMODE(node.path("wd/deep/er/data.txt").stat().st_mode) == 0o770


async def test_a_file_has_the_mode_that_was_asked_for(web: Web, tmp_path: Path) -> None:
    file = link("data", web.add("/data", b""), "0444")
    async with local_node(tmp_path) as node:
        await node.run("true", resource_files=[file])
        assert stat.S_IMODE(node.path("wd/data").stat().st_mode) == 0o444
        assert (await node.run("true", resource_files=[file], keep_directory=True)).exit_code == 0


async def test_a_script_that_was_fetched_can_be_run(web: Web, tmp_path: Path) -> None:
    async with local_node(tmp_path) as node:
        await node.run("./own", resource_files=[link("own", web.add("/own", b"#!/bin/sh\necho fetched\n"))])
        assert node.stdout() == "fetched\n"


@pytest.mark.parametrize("name", HOSTILE_NAMES)
async def test_any_name_can_be_that_of_a_file(name: str, web: Web, tmp_path: Path) -> None:
    async with local_node(tmp_path) as node:
        outcome = await node.run("true", resource_files=[link(name, web.add("/x", b"x"))])
        assert outcome.failure is None
        assert os.listdir(node.path("wd")) == [name]


async def test_redirects_are_followed_and_a_bad_moment_is_survived(web: Web, tmp_path: Path) -> None:
    web.redirects["/moved"] = web.add("/data", b"body")
    web.statuses["/data"] = [503, 500]
    async with local_node(tmp_path) as node:
        assert (await node.run("true", resource_files=[link("data", f"{web.url}/moved")])).failure is None
        assert node.path("wd/data").read_bytes() == b"body"


@pytest.mark.parametrize(
    ("status", "category", "code", "asked"),
    [
        (404, "usererror", "BlobNotFound", 1),
        (403, "usererror", "BlobAccessDenied", 1),
        (401, "usererror", "BlobAccessDenied", 1),
        (400, "servererror", "BlobDownloadMiscError", 1),
        (500, "servererror", "BlobDownloadMiscError", 10),
    ],
)
async def test_a_refused_link_fails_the_task_and_shows_no_signature(
    status: int, category: str, code: str, asked: int, web: Web, tmp_path: Path
) -> None:
    web.statuses["/data?sig=secret"] = [status] * 10
    async with local_node(tmp_path) as node:
        outcome = await node.run("true", resource_files=[link("a/data", f"{web.url}/data?sig=secret")])
        assert node.started == []
    told = failure(outcome)
    assert (told.category, told.code) == (category, code)
    assert ("BlobSource", f"{web.url}/data") in told.details
    assert ("FilePath", "a/data") in told.details
    assert "secret" not in repr(told)
    assert web.asked["/data?sig=secret"] == asked


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/x?sig=secret", "ftp://127.0.0.1/x", "file:///etc/passwd", "x\ny"])
async def test_what_cannot_be_reached_fails_the_task(url: str, tmp_path: Path) -> None:
    async with local_node(tmp_path) as node:
        told = failure(await node.run("true", resource_files=[link("data", url)]))
    assert told.code == "BlobDownloadMiscError"
    assert "secret" not in repr(told)


async def test_a_body_that_is_cut_short_fails_the_task(web: Web, tmp_path: Path) -> None:
    web.cut.add("/data")
    async with local_node(tmp_path) as node:
        told = failure(await node.run("true", resource_files=[link("data", web.add("/data", b"x" * 1000))]))
    assert told.code == "BlobDownloadMiscError"


@pytest.mark.parametrize("path", ["../out", "a/../../out", "/tmp/out", "..", ".", "", "a/../.."])
async def test_no_file_leaves_the_working_directory(path: str, web: Web, tmp_path: Path) -> None:
    async with local_node(tmp_path) as node:
        told = failure(await node.run("true", resource_files=[link(path, web.add("/x", b"x"))]))
        assert told.code == "ResourceFileCreateFailed"
        assert not node.path("out").exists()


@pytest.mark.parametrize("path", ["link/out", "link", "link/deeper/out"])
async def test_no_file_leaves_by_a_symbolic_link_of_the_run_before(path: str, web: Web, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    async with local_node(tmp_path) as node:
        await node.run(f"ln -s {outside} link")
        outcome = await node.run("true", resource_files=[link(path, web.add("/x", b"x"))], keep_directory=True)
        assert os.listdir(outside) == []
        # A link in the place of the file itself is replaced.
        assert (outcome.failure is None) == (path == "link")


@pytest.mark.parametrize("name", ["n" * 300, "a\0b", "\ud800"])
async def test_an_impossible_name_fails_the_task(name: str, web: Web, tmp_path: Path) -> None:
    async with local_node(tmp_path) as node:
        told = failure(await node.run("true", resource_files=[link(name, web.add("/x", b"x"))]))
    assert told.code == "ResourceFileCreateFailed"


async def test_a_mode_that_is_not_octal_fails_the_task(web: Web, tmp_path: Path) -> None:
    async with local_node(tmp_path) as node:
        told = failure(await node.run("true", resource_files=[link("x", web.add("/x", b"x"), "rwx")]))
    assert told.code == "ResourceFileCreateFailed"


async def test_a_container_is_fetched_with_its_directories(blobs: Blobs, tmp_path: Path) -> None:
    put(blobs.container("whole"), "top.txt", "a/one.txt", "a/b/two.txt", "ab/three.txt")
    file = ResourceFile(storage_container_url=blobs.link("whole", "rl"), file_path="data", file_mode="0640")
    async with local_node(tmp_path) as node:
        await node.run("find . -type f -printf '%m %p\\n'", resource_files=[file])
        assert sorted(node.stdout().split("\n")[:-1]) == [
            "640 ./data/a/b/two.txt",
            "640 ./data/a/one.txt",
            "640 ./data/ab/three.txt",
            "640 ./data/top.txt",
        ]


async def test_a_prefix_chooses_blobs_and_stays_in_their_names(blobs: Blobs, tmp_path: Path) -> None:
    put(blobs.container("part"), "top.txt", "a/one.txt", "a/b/two.txt", "ab/three.txt")
    file = ResourceFile(storage_container_url=blobs.link("part", "rl"), blob_prefix="a/")
    async with local_node(tmp_path) as node:
        await node.run("find . -type f", resource_files=[file])
        assert sorted(node.stdout().split()) == ["./a/b/two.txt", "./a/one.txt"]


async def test_blobs_of_any_name_are_fetched(blobs: Blobs, tmp_path: Path) -> None:
    # The Blob service itself takes a backslash for a slash.
    names = [name for name in HOSTILE_NAMES if "\\" not in name]
    put(blobs.container("hostile"), *names)
    file = ResourceFile(storage_container_url=blobs.link("hostile", "rl"))
    async with local_node(tmp_path) as node:
        outcome = await node.run("true", resource_files=[file])
        assert outcome.failure is None
        assert {name: node.path(f"wd/{name}").read_text() for name in names} == {n: f"this is {n}" for n in names}
        assert sorted(os.listdir(node.path("wd"))) == sorted(names)


@pytest.mark.parametrize(
    ("container", "permission", "hours", "code"),
    [
        ("absent", "rl", 1, "BlobNotFound"),
        ("refused", "w", 1, "BlobAccessDenied"),
        ("refused", "rl", -1, "BlobAccessDenied"),
        ("refused", "l", 1, "BlobAccessDenied"),
    ],
)
async def test_a_container_that_cannot_be_read_fails_the_task(
    container: str, permission: str, hours: float, code: str, blobs: Blobs, tmp_path: Path
) -> None:
    refused = blobs.service.get_container_client("refused")
    if not refused.exists():
        put(blobs.container("refused"), "a.txt")
    file = ResourceFile(storage_container_url=blobs.link(container, permission, hours=hours))
    async with local_node(tmp_path) as node:
        told = failure(await node.run("true", resource_files=[file]))
    assert told.code == code
    assert "sig=" not in repr(told)


async def test_a_thousand_small_files_come_with_few_threads(web: Web, tmp_path: Path) -> None:
    files = [link(f"{number}.txt", web.add(f"/{number}", str(number).encode())) for number in range(1000)]
    async with local_node(tmp_path) as node:
        assert (await node.run("true", resource_files=files)).failure is None
        assert sum(int(path.read_text()) for path in node.path("wd").iterdir()) == sum(range(1000))


async def test_of_two_files_for_one_place_the_later_one_wins(web: Web, tmp_path: Path) -> None:
    files = [link("a.txt", web.add("/first", b"first")), link("b/../a.txt", web.add("/second", b"second"))]
    async with local_node(tmp_path) as node:
        await node.run("cat a.txt", resource_files=files)
        assert node.stdout() == "second"


async def test_a_large_file_comes_whole(web: Web, tmp_path: Path) -> None:
    body = os.urandom(1 << 20) * 64
    async with local_node(tmp_path) as node:
        await node.run("sha256sum big", resource_files=[link("big", web.add("/big", body))])
        assert node.stdout().split()[0] == hashlib.sha256(body).hexdigest()


async def test_a_server_that_does_not_answer_is_cut_off_by_the_time_limit(web: Web, tmp_path: Path) -> None:
    web.hanging.add("/x")
    async with local_node(tmp_path) as node:
        told = failure(await node.run("true", resource_files=[link("x", f"{web.url}/x")], seconds=0.3))
    assert told.code == "TaskEnded"
    web.released.set()


async def test_a_task_cancelled_while_it_fetches_ends_at_once(web: Web, tmp_path: Path) -> None:
    web.hanging.add("/x")
    async with local_node(tmp_path) as node:
        running = asyncio.ensure_future(node.run("true", resource_files=[link("x", f"{web.url}/x")]))
        await eventually(lambda: web.asked)
        running.cancel()
        await asyncio.wait([running], timeout=5)
        assert running.cancelled()
        assert node.started == []
    web.released.set()


async def test_blobs_that_stand_for_directories_are_directories(blobs: Blobs, tmp_path: Path) -> None:
    container = blobs.container("folders")
    for name in ("data", "data/empty"):
        container.upload_blob(name, b"", metadata={"hdi_isfolder": "true"})
    container.upload_blob("data/a.txt", b"a")
    file = ResourceFile(storage_container_url=blobs.link("folders", "rl"), file_path="in")
    async with local_node(tmp_path) as node:
        await node.run("/bin/bash -c 'find in -type d | sort; cat in/data/a.txt'", resource_files=[file])
        assert node.stdout() == "in\nin/data\nin/data/empty\na"
