"""Attempts at a task: what each finds, and which exit codes are worth another."""

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from prefect_azure_batch.tasks.attempts import (
    counted_as_success,
    from_the_beginning,
    nodes_from_the_beginning,
    repeated,
)
from prefect_azure_batch.tasks.command import shell_command
from tests.support.hostile import HOSTILE_NAMES


@pytest.mark.parametrize("keeps_files", [False, True])
def test_each_attempt_finds_what_the_first_one_found(tmp_path: Path, keeps_files: bool) -> None:
    directory = tmp_path / "wd"
    directory.mkdir()
    for name in HOSTILE_NAMES:
        (directory / name).write_text(name)
    (directory / ".hidden").write_text("hidden")
    script = from_the_beginning(
        "ls -A | wc -l; echo more >> out.txt; mkdir -p .cache; echo x > '.cache/a b'; cat out.txt; false",
        keeps_files=keeps_files,
    )
    seen = []
    for _ in range(3):
        done = subprocess.run(
            shlex.split(shell_command(script)), cwd=directory, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (1, "")
        seen.append(done.stdout.split())
    assert seen[0] == seen[1] == seen[2]
    assert seen[0][1:] == ["more"]
    for attempt in ("attempt-1", "attempt-2"):
        assert sorted(path.name for path in (tmp_path / attempt).iterdir()) == [".cache", "out.txt"]


@pytest.mark.parametrize(
    "change",
    ["echo more >> input", "rm input", "mv input -moved", "rm input; mkdir input; touch input/x", "chmod 0 input"],
)
def test_an_attempt_finds_its_files_as_they_were(tmp_path: Path, change: str) -> None:
    directory = tmp_path / "wd"
    directory.mkdir()
    (directory / "input").write_text("content\n")
    (directory / "link").symlink_to("input")
    script = from_the_beginning(f"cat input link; stat -c %a input; {change}; exit 75", keeps_files=True)
    words = shlex.split(shell_command(repeated(script, 2, [75])))
    done = subprocess.run(words, cwd=directory, capture_output=True, text=True, check=False, timeout=10)
    assert (done.returncode, done.stdout) == (75, "content\ncontent\n644\n" * 3)


def test_copies_that_were_cut_short_are_made_again(tmp_path: Path) -> None:
    (tmp_path / "begins").mkdir()
    (tmp_path / "begins" / "half").write_text("")
    (tmp_path / "wd").mkdir()
    (tmp_path / "wd" / "input").write_text("content")
    words = shlex.split(shell_command(from_the_beginning("cat *", keeps_files=True)))
    for _ in range(2):
        done = subprocess.run(words, cwd=tmp_path / "wd", capture_output=True, text=True, check=False, timeout=10)
        assert (done.returncode, done.stdout) == (0, "content")


def test_names_that_were_cut_short_are_noted_again(tmp_path: Path) -> None:
    (tmp_path / "began-with").write_bytes(b"inp")
    (tmp_path / "wd").mkdir()
    (tmp_path / "wd" / "input").write_text("content")
    words = shlex.split(shell_command(from_the_beginning("ls; touch left", keeps_files=False)))
    for attempt in range(2):
        done = subprocess.run(words, cwd=tmp_path / "wd", capture_output=True, text=True, check=False, timeout=10)
        assert (done.returncode, done.stdout, done.stderr) == (0, "input\n", "")
        assert [path.name for path in tmp_path.glob("attempt-*/*")] == ["left"] * attempt


@pytest.mark.parametrize("keeps_files", [False, True])
def test_a_directory_that_cannot_be_told_apart_does_no_harm(tmp_path: Path, keeps_files: bool) -> None:
    (tmp_path / "began").write_text("a file of somebody else's")
    (tmp_path / "wd").mkdir()
    words = shlex.split(shell_command(from_the_beginning("echo done", keeps_files=keeps_files)))
    done = subprocess.run(words, cwd=tmp_path / "wd", capture_output=True, text=True, check=False, timeout=10)
    assert (done.returncode, done.stdout) == (0, "done\n")


@pytest.mark.parametrize(
    ("script", "attempts", "code"),
    [
        ("exit 75", 3, 75),
        ("test $(wc -l < ran) -ge 2 || exit 75", 2, 0),
        ("exit 3  # another", 1, 3),
        ("kill -9 $BASHPID", 3, 137),
        ("kill -9 $$", 3, 137),
        ("true", 1, 0),
    ],
)
def test_only_some_exit_codes_are_worth_another_attempt(tmp_path: Path, script: str, attempts: int, code: int) -> None:
    words = shlex.split(shell_command(repeated(f"echo $$ >> ran\n{script}", 2, [75, 137])))
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=10)
    assert (len((tmp_path / "ran").read_text().split()), done.returncode) == (attempts, code)
    assert done.stderr.count("it is tried again") == attempts - 1
    assert len(done.stderr.splitlines()) == attempts - 1


@pytest.mark.parametrize("keeps_files", [False, True])
def test_nodes_of_a_multi_instance_task_begin_as_in_its_first_attempt(tmp_path: Path, keeps_files: bool) -> None:
    (tmp_path / "wd").mkdir()
    names = ["common.txt", *HOSTILE_NAMES]
    for name in names:
        (tmp_path / name).write_text(name)
    coordination = nodes_from_the_beginning("ls -A $AZ_BATCH_TASK_SHARED_DIR . | sort", keeps_files=keeps_files)
    application = """
        cd $AZ_BATCH_TASK_SHARED_DIR; echo x > part.dat; mkdir made; rm common.txt
        echo x > $AZ_BATCH_TASK_WORKING_DIR/part.dat
    """
    seen = []
    for number in (1, 2, 1, 0):  # a node may have another subtask at each attempt; 0 is the primary
        own = tmp_path / str(number) if number else tmp_path
        (own / "wd").mkdir(parents=True, exist_ok=True)
        for log in ("stdout.txt", "stderr.txt"):
            (own / log).write_text("")
        if not keeps_files:
            (tmp_path / "common.txt").write_text("common.txt")
        environment = os.environ | {
            "AZ_BATCH_TASK_SHARED_DIR": str(tmp_path),
            "AZ_BATCH_TASK_DIR": str(own),
            "AZ_BATCH_TASK_WORKING_DIR": str(own / "wd"),
        }
        for script in (coordination, application):
            done = subprocess.run(
                shlex.split(shell_command(script)), cwd=own / "wd", env=environment, capture_output=True, text=True,
                check=True,
            )  # fmt: skip
            assert done.stderr == ""
            seen += [done.stdout] if script is coordination else []
        assert (own / "stdout.txt").is_file()
        assert (own / "wd").is_dir()
    for shown in seen:
        assert "common.txt" in shown
        assert "part.dat" not in shown
        assert "made" not in shown


@pytest.mark.parametrize(("code", "status"), [(0, 0), (3, 0), (4, 4), (137, 137)])
def test_an_exit_code_that_counts_as_success_is_written_down(tmp_path: Path, code: int, status: int) -> None:
    (tmp_path / "wd").mkdir()
    script = "kill -KILL $$" if code == 137 else f"echo said >&2; exit {code}"
    command = shlex.split(shell_command(counted_as_success(script, [3, 5])))
    done = subprocess.run(command, cwd=tmp_path / "wd", capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (status, "" if code == 137 else "said\n")
    assert int((tmp_path / "exit-code.txt").read_text()) == code
