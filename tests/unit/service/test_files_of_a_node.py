"""Names of files and parts of files, as clients ask for them."""

import os
from pathlib import Path

import pytest

from localbatch.driver.node_paths import NodePaths
from localbatch.service.files import FileTree, parse_range
from localbatch.wire.errors import ServiceError


@pytest.mark.parametrize(
    ("header", "expected"),
    [(None, (0, 10)), ("bytes=0-0", (0, 1)), ("bytes=3-", (3, 7)), ("bytes=2-100", (2, 8)), ("Bytes=9-9", (9, 1))],
)
def test_a_range_gives_its_first_byte_and_its_length(header: str | None, expected: tuple[int, int]) -> None:
    assert parse_range(header, 10) == expected


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=5-4", "bytes=11-12"])
def test_a_range_outside_the_file_is_refused(header: str) -> None:
    with pytest.raises(ServiceError) as caught:
        parse_range(header, 10)
    assert caught.value.status == 416


@pytest.mark.parametrize(
    "header", ["", "bytes", "bytes=", "bytes=-5", "bytes=a-b", "lines=1-2", "bytes=1-2,4-5", "bytes=0-" + "9" * 5000]
)
def test_what_is_no_range_is_refused(header: str) -> None:
    with pytest.raises(ServiceError) as caught:
        parse_range(header, 10)
    assert caught.value.code == "InvalidHeaderValue"


def test_shallow_names_come_before_deep_ones(tmp_path: Path) -> None:
    for name in ("b/c/d", "a", "b/a"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    tree = FileTree(tmp_path, NodePaths(tmp_path))
    assert [entry.name for entry in tree.list(recursive=True)] == ["a", "b", "b/a", "b/c", "b/c/d"]


def test_pipes_and_sockets_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    tree = FileTree(tmp_path, NodePaths(tmp_path))
    assert tree.list(recursive=True) == []
    with pytest.raises(ServiceError):
        tree.find("pipe")


def test_deleting_a_link_leaves_what_it_points_to(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "x").touch()
    (tmp_path / "link").symlink_to("d")
    FileTree(tmp_path, NodePaths(tmp_path)).delete("link", recursive=True)
    assert (tmp_path / "d" / "x").exists()
    assert not (tmp_path / "link").is_symlink()


def test_what_lies_behind_a_link_that_a_command_has_made_is_deleted_where_it_lies(tmp_path: Path) -> None:
    root, mount = tmp_path / "root", tmp_path / "mnt"
    (root / "shared" / "d").mkdir(parents=True)
    (root / "shared" / "x").touch()
    (root / "shared" / "link").symlink_to("x")
    (root / "way").symlink_to(mount / "shared")
    tree = FileTree(root, NodePaths(root, mount))
    for name in ("link", "x", "d"):
        tree.delete(f"way/{name}", recursive=False)
    assert list((root / "shared").iterdir()) == []


def test_no_link_is_deleted_outside_the_node(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "x").touch()
    (tmp_path / "link").symlink_to("root/x")
    (root / "way").symlink_to(tmp_path)
    with pytest.raises(ServiceError):
        FileTree(root, NodePaths(root)).delete("way/link", recursive=False)
    assert (tmp_path / "link").is_symlink()


def test_a_name_that_is_not_utf_8_is_found(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9")
    (tmp_path / name).write_text("x")
    assert FileTree(tmp_path, NodePaths(tmp_path)).find(name).size == 1


def test_a_link_that_a_command_has_made_leads_where_it_led_on_the_node(tmp_path: Path) -> None:
    root, mount = tmp_path / "root", tmp_path / "mnt"
    for directory in (root / "shared", mount):
        directory.mkdir(parents=True)
    (root / "shared" / "x").write_text("1")
    (root / "file").symlink_to(mount / "shared" / "x")
    (root / "twice").symlink_to(mount / "file")
    (root / "out").symlink_to(mount / ".." / "secret")
    (root / "circle").symlink_to(mount / "circle")
    (tmp_path / "secret").write_text("no")
    tree = FileTree(root, NodePaths(root, mount))
    assert [tree.find(name).path for name in ("file", "twice")] == [root / "shared" / "x"] * 2
    for name in ("out", "circle"):
        with pytest.raises(ServiceError):
            tree.find(name)
