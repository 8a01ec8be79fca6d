"""The root directory: held by one, remembering what it must, removable whatever tasks did in it."""

import errno
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from localbatch.store.removal import remove_tree
from localbatch.store.root import Identity, RootError, open_root

LEAVE_BEHIND = """
import os, signal
from localbatch.store.root import open_root
with open_root(None) as root:
    os.kill(os.getpid(), signal.SIGKILL)
"""
OPEN_TWO = """
from localbatch.store.root import open_root
with open_root(None) as first, open_root(None) as second:
    assert first.path.exists()
"""


def test_a_temporary_root_is_removed_at_the_end() -> None:
    with open_root(None) as root:
        (root.path / "file").write_text("")
    assert not root.path.exists()


def test_a_given_root_is_kept(tmp_path: Path) -> None:
    with open_root(tmp_path / "new" / "root") as root:
        assert stat.S_IMODE(root.path.stat().st_mode) == 0o700
    assert root.path.is_dir()


def test_a_file_that_cannot_be_deleted_is_named_and_the_rest_goes(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted", str(path / "held"))

    monkeypatch.setattr("localbatch.store.root.remove_tree", refuse)
    with open_root(None) as root:
        (root.path / "other").touch()
    assert not root.path.exists()
    (record,) = caplog.records
    assert record.getMessage() == f"Cannot delete '{root.path}/held' (Operation not permitted): it is left."


def test_a_private_directory_of_an_open_root_is_closed_to_others(tmp_path: Path) -> None:
    (tmp_path / "nodes").mkdir()
    with open_root(tmp_path) as root:
        assert stat.S_IMODE((root.path / "lock").stat().st_mode) == 0o600
        assert stat.S_IMODE(root.private_directory("nodes").stat().st_mode) == 0o700
        assert root.private_directory("blobs").is_dir()


def test_a_root_is_held_by_one(tmp_path: Path) -> None:
    with open_root(tmp_path), pytest.raises(RootError, match=f"in use by process {os.getpid()}$"), open_root(tmp_path):
        pass
    with open_root(tmp_path):
        pass


def test_an_identity_is_remembered(tmp_path: Path) -> None:
    identity = Identity("account", "a2V5", "storage", "c2VjcmV0", batch_port=1, blob_port=2)
    with open_root(tmp_path) as root:
        assert root.read_identity() is None
        root.write_identity(identity)
    with open_root(tmp_path) as root:
        assert root.read_identity() == identity


def test_the_repr_of_an_identity_shows_no_key() -> None:
    shown = repr(Identity("account", "a2V5", "storage", "c2VjcmV0"))
    assert "a2V5" not in shown
    assert "c2VjcmV0" not in shown


def test_a_temporary_root_is_removed_where_a_task_took_the_right_to_write(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("stays")
    with open_root(None) as root:
        locked = root.path / "locked"
        (locked / "deeper").mkdir(parents=True)
        (locked / "deeper" / "file").write_text("")
        (locked / "link").symlink_to(outside)
        (locked / "deeper").chmod(0)
        locked.chmod(stat.S_IRUSR | stat.S_IXUSR)
    assert not root.path.exists()
    assert outside.read_text() == "stays"


def test_what_a_killed_service_left_is_removed_by_the_next(tmp_path: Path) -> None:
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    killed = subprocess.run([sys.executable, "-c", LEAVE_BEHIND], env=environment, capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL
    [orphan] = tmp_path.iterdir()
    starting = tmp_path / "localbatch-starting"
    starting.mkdir()
    (starting / "lock").write_text("")
    subprocess.run([sys.executable, "-c", OPEN_TWO], env=environment, check=True)
    assert not orphan.exists()
    assert starting.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files of another user")
def test_what_another_user_has_made_is_left_alone(tmp_path: Path) -> None:
    trap = tmp_path / "localbatch-trap"
    trap.mkdir()
    os.mkfifo(trap / "lock")
    os.chown(trap, 65534, 65534)
    with open_root(None, str(tmp_path)):
        assert trap.exists()


def test_what_a_link_in_the_place_of_a_directory_points_to_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "outside" / "d").mkdir(parents=True)
    (tmp_path / "link").symlink_to("outside")
    remove_tree(tmp_path / "link")
    assert not (tmp_path / "link").is_symlink()
    assert (tmp_path / "outside" / "d").is_dir()


def test_a_tree_that_is_deeper_than_python_recurses_is_removed(tmp_path: Path) -> None:
    with open_root(None) as root:
        here = os.open(root.path, os.O_RDONLY)
        for _ in range(1200):
            os.mkdir("d", dir_fd=here)
            there = os.open("d", os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = there
        os.close(here)
    assert not root.path.exists()
