"""Command templates: what the shell gets, whatever the file names."""

import shlex
import subprocess
from pathlib import Path

import pytest

from prefect_azure_batch.tasks.command import (
    INDEX_VARIABLE,
    INPUT_VARIABLE,
    STEM_VARIABLE,
    file_argument,
    from_the_beginning,
    parse_template,
    repeated,
    shell_command,
)
from prefect_azure_batch.tasks.errors import BadInput
from tests.support.hostile import HOSTILE_NAMES


def run_command(template: str, name: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """Runs a command as a node does: split without a shell, the placeholders' values in the environment."""
    argument = file_argument(name)
    variables = {INPUT_VARIABLE: argument, STEM_VARIABLE: argument, INDEX_VARIABLE: "7", "APP_DIRECTORY": "/bin"}
    words = shlex.split(shell_command(parse_template(template).script("APP_DIRECTORY")))
    return subprocess.run(words, env=variables, cwd=directory, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", HOSTILE_NAMES)
@pytest.mark.parametrize(
    "template",
    [
        "cat < {input}",
        'cat "{input}"',
        'echo "$({app}/cat {input})"',
        'echo "`/bin/cat {input}`"',
        "{app}/cat -- {input}",
    ],
)
def test_any_file_name_reaches_the_program_and_injects_nothing(name: str, template: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("the content")
    done = run_command(template.replace("cat", "/bin/cat") if "/cat" not in template else template, name, tmp_path)
    assert (done.stdout.strip(), done.stderr, done.returncode) == ("the content", "", 0)
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


def test_doubled_braces_are_braces(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one two\n")
    assert run_command("/usr/bin/awk '{{print $2}}' {input}", "a.txt", tmp_path).stdout == "two\n"


def test_the_index_is_a_number(tmp_path: Path) -> None:
    assert run_command("echo {index}", "a.txt", tmp_path).stdout == "7\n"


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        ("cat {inptu}", "unknown placeholder '{inptu}'"),
        ("awk '{print $1}'", "unknown placeholder"),
        ("cat {", "single '{'"),
        ("cat }", "single '}'"),
        ("cat '{input}'", "single quotes"),
        ("cat \\{input}", "backslash"),
        ("  ", "empty"),
        ("a\0b", "NUL"),
    ],
)
def test_a_command_that_cannot_be_right_is_refused_in_one_line(command: str, complaint: str) -> None:
    with pytest.raises(BadInput, match=complaint.replace("{", r"\{").replace("}", r"\}")) as refused:
        parse_template(command)
    assert "\n" not in str(refused.value)


def test_app_without_a_program_is_refused() -> None:
    with pytest.raises(BadInput, match="--app"):
        parse_template("{app}/run").script(None)


def test_app_without_a_program_can_be_refused_before_there_is_one() -> None:
    with pytest.raises(BadInput, match="--app"):
        parse_template("{app}/run", has_program=False)
    assert parse_template("run", has_program=False).script(None) == "run"


def test_a_command_has_the_placeholders_it_is_given() -> None:
    template = parse_template("{app}/run {shared}/a '{{}}'", {"shared": "SHARED"})
    assert template.script("APP") == '"${APP}"/run "${SHARED}"/a \'{}\''
    with pytest.raises(BadInput, match=r"there are \{shared\}, \{app\}"):
        parse_template("cat {input}", {"shared": "SHARED"})


@pytest.mark.parametrize(
    ("command", "is_one"),
    [
        ("run a b", True),
        ("run > out.txt 2>&1", True),
        ("run &> out.txt", True),
        ("run 'a;b' \"c|d\" e\\;f", True),
        ("run $(list; of) <(things)", True),
        ("run \\\n  --long", True),
        ("run\n", True),
        ("run; run", False),
        ("run && run", False),
        ("run || run", False),
        ("run | sort", False),
        ("run &", False),
        ("run\nrun", False),
        ("run {app}; run", False),
    ],
)
def test_it_is_known_whether_a_command_is_one(command: str, is_one: bool) -> None:
    assert parse_template(command).is_one_command is is_one


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
