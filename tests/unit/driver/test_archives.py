"""Unpacking application packages."""

import io
import os
import re
import stat
import threading
from pathlib import Path

import pytest

from localbatch.driver.downloads import DownloadGivenUp
from localbatch.driver.packages import BadArchive, unpack
from tests.support.archives import archive, archive_with_link


def unpack_all(body: bytes, directory: Path) -> None:
    unpack(io.BytesIO(body), directory, threading.Event())


def test_files_without_permissions_become_executable(tmp_path: Path) -> None:
    unpack_all(archive({"myapp": "x", "lib/data.txt": "y", "empty/": ""}), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "lib", "myapp"]
    assert stat.S_IMODE((tmp_path / "myapp").stat().st_mode) == 0o755
    assert (tmp_path / "lib" / "data.txt").read_text() == "y"


def test_permissions_beyond_reading_and_running_are_kept(tmp_path: Path) -> None:
    unpack_all(archive({"shared": "x"}, modes={"shared": stat.S_IFREG | 0o664}), tmp_path)
    assert stat.S_IMODE((tmp_path / "shared").stat().st_mode) == 0o775


def test_a_program_never_runs_as_its_owner(tmp_path: Path) -> None:
    unpack_all(archive({"tool": "x"}, modes={"tool": stat.S_IFREG | stat.S_ISUID | 0o755}), tmp_path)
    assert not (tmp_path / "tool").stat().st_mode & stat.S_ISUID


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/../../evil", "..", "a/..", "../"])
def test_no_entry_leaves_the_directory(name: str, tmp_path: Path) -> None:
    directory = tmp_path / "package"
    directory.mkdir()
    with pytest.raises(BadArchive, match="leave"):
        unpack_all(archive({name: "x"}), directory)
    assert os.listdir(tmp_path) == ["package"]


def test_links_and_devices_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadArchive, match="neither"):
        unpack_all(archive_with_link("link", "/etc"), tmp_path)
    with pytest.raises(BadArchive, match="neither"):
        unpack_all(archive({"pipe": ""}, modes={"pipe": stat.S_IFIFO | 0o644}), tmp_path)
    assert os.listdir(tmp_path) == []


def test_an_archive_that_would_fill_the_disk_is_not_begun(tmp_path: Path) -> None:
    body = archive({f"file{number}": "x" for number in range(1000)})
    # The size each entry declares in the central directory: nearly 4 GiB.
    declared = re.sub(rb"(PK\x01\x02.{20}).{4}", lambda found: found[1] + b"\xfe\xff\xff\xff", body, flags=re.DOTALL)
    with pytest.raises(BadArchive, match="are free"):
        unpack_all(declared, tmp_path)
    assert os.listdir(tmp_path) == []


def test_unpacking_stops_when_nobody_wants_it(tmp_path: Path) -> None:
    given_up = threading.Event()
    given_up.set()
    with pytest.raises(DownloadGivenUp):
        unpack(io.BytesIO(archive({"a": "x"})), tmp_path, given_up)
