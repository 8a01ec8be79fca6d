"""The README says what is true."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from prefect_azure_batch.flows.arguments import parse_arguments
from prefect_azure_batch.flows.entries import MAP, MPI, Entry

REPOSITORY = Path(__file__).resolve().parents[2]
README = (REPOSITORY / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_the_test_command_is_the_one_that_ci_runs() -> None:
    ci = (REPOSITORY / ".ci" / "run").read_text()
    for part in ("-c constraints.txt -e '.[dev]'", "-m pytest"):
        assert part in blocks("bash")[1]
        assert part in ci


@pytest.mark.parametrize("code", blocks("python"))
def test_every_example_is_python(code: str) -> None:
    compile(code, "README.md", "exec")


def options(entry: Entry, capsys: pytest.CaptureFixture[str]) -> set[str]:
    with pytest.raises(SystemExit):
        parse_arguments(entry, ["--help"])
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("  --")]
    return {option for line in lines for option in re.findall(r"--[a-z-]+", line)} - {"--version"}


def test_every_option_of_the_tables_exists_and_none_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    tables = [line for line in README.splitlines() if line.startswith("| `--")]
    named = set(re.findall(r"`(--[a-z-]+)`", "\n".join(tables)))
    assert named == options(MAP, capsys) | options(MPI, capsys)


def test_the_example_with_localbatch_alone_runs(tmp_path: Path) -> None:
    code = next(code for code in blocks("python") if "localbatch" in code)
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "batch.node.ubuntu" in done.stdout


def test_every_link_to_a_file_leads_to_one() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert [link for link in links if not (REPOSITORY / link).exists()] == []
