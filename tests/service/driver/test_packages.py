"""Application packages: fetched and unpacked once for a node, and found by its commands."""

import asyncio
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from localbatch.driver.interface import Package
from localbatch.driver.process import ProcessDriver
from tests.support.archives import archive, archive_with_link
from tests.support.nodes import Node, local_node, place
from tests.support.web import Web, web_server

PROGRAM = {"myapp": "#!/bin/sh\necho my app\n", "lib/data.txt": "data"}


@pytest.fixture
def web() -> Iterator[Web]:
    with web_server() as running:
        yield running


def package(web: Web, name: str = "myapp", version: str = "1") -> Package:
    return add(web, name, version, archive(PROGRAM))


def add(web: Web, name: str, version: str, body: bytes) -> Package:
    return Package(name, version, web.add(f"/{name}.zip?sig=secret", body))


async def test_the_pools_package_is_found_by_every_command(web: Web, tmp_path: Path) -> None:
    async with local_node(tmp_path, (package(web),)) as node:
        await node.run("/bin/sh -c '$AZ_BATCH_APP_PACKAGE_myapp_1/myapp; echo $AZ_BATCH_APP_PACKAGE_myapp_1'")
        said = node.stdout().split("\n")
        assert said[0] == "my app"
        assert re.fullmatch(re.escape(str(node.place.root)) + r"/applications/myapp1\d{4}-\d\d-\d\d-\d\d-\d\d", said[1])
        assert os.listdir(node.place.root / "applications") == [Path(said[1]).name]


async def test_a_tasks_package_is_found_by_that_task_alone(web: Web, tmp_path: Path) -> None:
    async with local_node(tmp_path) as node:
        await node.run("env", packages=[package(web)])
        assert "AZ_BATCH_APP_PACKAGE_myapp_1=" in node.stdout()
        await node.run("env")
        assert "AZ_BATCH_APP_PACKAGE" not in node.stdout()


async def test_a_package_without_a_version_has_a_variable_without_one(web: Web, tmp_path: Path) -> None:
    found = package(web, "my-app.x", "1.0-rc#2")
    default = Package(found.application_id, found.version, found.archive_url, is_default=True)
    async with local_node(tmp_path, (default,)) as node:
        await node.run("env")
        names = {line.partition("=")[0] for line in node.stdout().split("\n")}
    assert {"AZ_BATCH_APP_PACKAGE_my_app_x", "AZ_BATCH_APP_PACKAGE_my_app_x_1_0_rc_2"} <= names


async def test_a_package_is_fetched_once_for_many_tasks(web: Web, tmp_path: Path) -> None:
    wanted = package(web)
    async with local_node(tmp_path) as node:
        command = "/bin/sh -c '$AZ_BATCH_APP_PACKAGE_myapp_1/myapp'"
        outcomes = await asyncio.gather(
            *(node.run(command, directory=f"workitems/job/job-1/task{n}", packages=[wanted]) for n in range(8))
        )
        assert len(os.listdir(node.place.root / "applications")) == 1
    assert {outcome.exit_code for outcome in outcomes} == {0}
    assert sum(web.asked.values()) == 1


async def test_a_restarted_service_still_knows_the_packages_of_its_nodes(web: Web, tmp_path: Path) -> None:
    async with local_node(tmp_path, (package(web),)):
        pass
    node = Node(ProcessDriver(), place(tmp_path))
    outcome = await node.run("/bin/sh -c '$AZ_BATCH_APP_PACKAGE_myapp_1/myapp'", packages=[package(web)])
    await node.driver.close()
    assert outcome.exit_code == 0
    assert sum(web.asked.values()) == 1


async def test_a_package_the_pool_has_dropped_is_found_no_more(web: Web, tmp_path: Path) -> None:
    async with local_node(tmp_path, (package(web), package(web, "other"))) as node:
        assert await node.driver.create_node(node.place, (package(web, "other"),)) is None
        await node.run("env")
        assert "AZ_BATCH_APP_PACKAGE_other_1=" in node.stdout()
        assert "AZ_BATCH_APP_PACKAGE_myapp" not in node.stdout()


async def test_packages_whose_names_run_together_are_kept_apart(web: Web, tmp_path: Path) -> None:
    one = add(web, "a1", "1", archive({"which": "a1"}))
    other = add(web, "a", "11", archive({"which": "a"}))
    async with local_node(tmp_path, (one, other)) as node:
        await node.run("/bin/sh -c 'cat $AZ_BATCH_APP_PACKAGE_a1_1/which; echo; cat $AZ_BATCH_APP_PACKAGE_a_11/which'")
        assert node.stdout() == "a1\na"


@pytest.mark.parametrize(
    "body",
    [
        b"no zip",
        b"",
        archive({"../evil": "x"}),
        archive({"/evil": "x"}),
        archive_with_link("link", "/etc"),
        archive({"file": "x"})[:-30],
        archive({"file": "x"}).replace(b"file", b"\0ile"),
        archive({"n" * 300: "x"}),
        archive({"file": "x"})[:34] + b"\xff" + archive({"file": "x"})[35:],
    ],
)
async def test_a_bad_package_fails_the_node_and_leaves_nothing(body: bytes, web: Web, tmp_path: Path) -> None:
    driver = ProcessDriver()
    told = await driver.create_node(place(tmp_path), (add(web, "bad", "1", body),))
    await driver.close()
    assert told is not None
    assert (told.category, told.code) == ("usererror", "ApplicationPackageError")
    assert "secret" not in repr(told)
    assert str(tmp_path) not in repr(told)
    root = place(tmp_path).root
    assert (os.listdir(root / "applications"), os.listdir(root / "volatile")) == ([], ["hosts"])


async def test_a_package_that_is_gone_fails_the_task(web: Web, tmp_path: Path) -> None:
    async with local_node(tmp_path) as node:
        outcome = await node.run("true", packages=[Package("gone", "1", f"{web.url}/gone?sig=secret")])
    assert outcome.failure is not None
    assert outcome.failure.code == "ApplicationPackageError"
    assert "secret" not in repr(outcome)
