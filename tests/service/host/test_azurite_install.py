"""Azurite's installation in the user's cache, each test in a cache directory of its own making."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import descendants, wait_until

pytestmark = pytest.mark.slow

START = """
from localbatch.host.azurite import Azurite, StorageOptions
with Azurite(StorageOptions(account="storage", key="a2V5a2V5")) as azurite:
    print(azurite.service_endpoint)
"""
# Nothing listens on port 1 of a loopback address.
UNREACHABLE = "http://127.0.0.1:1"


def start(cache: Path, **environment: str) -> subprocess.Popen[str]:
    """Starts Azurite once, in a process of its own, with its cache in the directory given."""
    return subprocess.Popen(
        [sys.executable, "-c", START],
        env=os.environ | {"XDG_CACHE_HOME": str(cache)} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str], seconds: float = 120) -> tuple[str, str]:
    output, errors = process.communicate(timeout=seconds)
    return output, errors


def installation(cache: Path) -> Path:
    [found] = (cache / "prefect-azure-batch").glob("azurite-*")
    return found


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache directory with an installation made by two processes that started at once."""
    cache = tmp_path_factory.mktemp("cache")
    both = [start(cache), start(cache)]
    said = [finish(process) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    (cache / "said").write_text("".join(errors for _, errors in said))
    return cache


@pytest.fixture
def cache(installed: Path, tmp_path: Path) -> Path:
    """A copy of that cache directory, to be damaged."""
    # Links, for there are 7,000 files; whoever changes one removes it first.
    shutil.copytree(installed, tmp_path / "cache", symlinks=True, copy_function=os.link)
    return tmp_path / "cache"


def test_of_two_first_starts_one_installs_and_the_other_waits(installed: Path) -> None:
    said = (installed / "said").read_text()
    assert said.count("installing Azurite") == 1
    assert said.count("Azurite is installed") == 1
    assert not list((installed / "prefect-azure-batch").glob("unfinished-*"))


def test_a_second_start_says_nothing(installed: Path) -> None:
    output, errors = finish(start(installed))
    assert output.startswith("http://127.0.0.1:")
    assert errors == ""


def test_an_installation_needs_no_network(installed: Path) -> None:
    process = start(installed, npm_config_registry=UNREACHABLE)
    finish(process)
    assert process.returncode == 0


def test_a_truncated_file_is_repaired(cache: Path) -> None:
    damaged = installation(cache) / "node_modules/express/lib/express.js"
    damaged.unlink()
    damaged.write_text("module.exports = (")
    output, errors = finish(start(cache))
    assert output.startswith("http://127.0.0.1:")
    assert "installing Azurite" in errors


def test_a_missing_file_is_repaired_by_one_of_two_starts_that_find_the_damage(cache: Path) -> None:
    (installation(cache) / "node_modules/azurite/dist/src/common/Logger.js").unlink()
    both = [start(cache), start(cache)]
    ended = [finish(process) for process in both]
    said = "".join(errors for _, errors in ended)
    assert [process.returncode for process in both] == [0, 0], said
    assert [output.startswith("http://127.0.0.1:") for output, _ in ended] == [True, True]
    assert said.count("installing Azurite") == 1


def test_an_unfinished_installation_is_made_anew(cache: Path) -> None:
    (installation(cache) / ".complete").unlink()
    output, errors = finish(start(cache))
    assert output.startswith("http://127.0.0.1:")
    assert "installing Azurite" in errors


def test_a_file_in_place_of_the_installation_is_replaced(cache: Path) -> None:
    place = installation(cache)
    shutil.rmtree(place)
    place.write_text("")
    output, _ = finish(start(cache))
    assert output.startswith("http://127.0.0.1:")


def test_a_damage_that_cannot_be_repaired_without_network_is_one_line(cache: Path, tmp_path: Path) -> None:
    (installation(cache) / "node_modules/azurite/dist/src/common/Logger.js").unlink()
    empty = str(tmp_path / "npm")
    process = start(cache, npm_config_registry=UNREACHABLE, npm_config_cache=empty)
    _, errors = finish(process)
    assert process.returncode == 1
    assert "npm registry cannot be reached (ECONNREFUSED)" in errors.splitlines()[-1]


def test_without_the_registry_one_line_says_what_to_do_and_soon(tmp_path: Path) -> None:
    process = start(tmp_path, npm_config_registry=UNREACHABLE, npm_config_cache=str(tmp_path / "npm"))
    _, errors = finish(process, seconds=60)
    last = errors.splitlines()[-1]
    assert process.returncode == 1
    assert "npm registry cannot be reached (ECONNREFUSED)" in last
    assert "npm_config_registry" in last
    assert not list((tmp_path / "prefect-azure-batch").glob("unfinished-*"))


def test_a_cache_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    _, errors = finish(start(tmp_path / "file"))
    assert "set XDG_CACHE_HOME to a directory that can be written" in errors.splitlines()[-1]


def test_npm_ends_when_the_process_that_installs_is_killed(tmp_path: Path) -> None:
    process = start(tmp_path, npm_config_cache=str(tmp_path / "npm"))
    wait_until(lambda: len(descendants(process.pid)) > 1, 30)
    npm = [found for found in descendants(process.pid) if found.pid != process.pid]
    process.kill()
    finish(process)
    wait_until(lambda: not any(found.alive() for found in npm), 10)
