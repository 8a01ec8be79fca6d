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
    parse_template,
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
