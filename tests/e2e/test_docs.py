"""The pages say what is true: their commands have the options that they show, their programs can be read."""

import argparse
import ast
import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

import localbatch.__main__
import prefect_azure_batch.flows.prices
from prefect_azure_batch.flows import entries
from prefect_azure_batch.flows.arguments import make_parser, parse_arguments
from prefect_azure_batch.flows.entries import MAP, MPI, Entry
from tests.support.documents import PAGES, ROOT, Command, blocks, commands, text_of

FLOWS = {f"flows.{entry.name}": entry for entry in vars(entries).values() if isinstance(entry, Entry)}
OTHERS: dict[str, Callable[[], argparse.ArgumentParser]] = {
    "flows.prices": prefect_azure_batch.flows.prices.make_parser,
    "localbatch": localbatch.__main__.make_parser,
}
COMMANDS = [command for page in PAGES for command in commands(page)]
PROGRAMS = [(page, code) for page in PAGES for code in blocks(page, "python")]
OURS = ("prefect_azure_batch", "localbatch")


def module_of(program: str) -> str:
    """What a console script runs, as ``python -m`` would be given it."""
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    return "flows." + scripts[program].rpartition("run_")[2] if program.startswith("azure-batch-") else program


def parser_of(module: str) -> argparse.ArgumentParser:
    return make_parser(FLOWS[module]) if module in FLOWS else OTHERS[module]()


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory with the files that commands on pages name and that are read with the command line."""
    for name in ("examples", "README.md"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "pool.yaml").symlink_to(ROOT / "examples" / "pools" / "spot.yaml")
    (tmp_path / "table.csv").write_text("input,lines\nexamples/map/inputs/reading0.txt,1\n")
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("workplace")
@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_a_command_on_a_page_has_the_options_that_it_shows(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    module = module_of(command.program)
    if module not in (*FLOWS, *OTHERS):  # it has no parser that could be asked
        assert (ROOT / module.replace(".", "/") / "__main__.py").is_file()
        return
    known = {option for action in parser_of(module)._actions for option in action.option_strings}
    given = {word.partition("=")[0] for word in command.arguments if re.match(r"--\w", word)}
    assert given <= known
    if not command.is_whole or given & {"--help", "--version"}:
        return
    if module in FLOWS:
        parse_arguments(FLOWS[module], command.arguments)
    else:
        OTHERS[module]().parse_args(command.arguments)


def test_there_are_commands_of_every_flow() -> None:
    assert {module_of(command.program) for command in COMMANDS} >= FLOWS.keys() | OTHERS.keys()
    assert len([command for command in COMMANDS if command.is_whole]) > 60


@pytest.mark.parametrize(("page", "code"), PROGRAMS, ids=[page for page, _ in PROGRAMS])
def test_what_a_program_on_a_page_imports_of_ours_is_there(page: str, code: str) -> None:
    imports = [node for node in ast.walk(ast.parse(code, page)) if isinstance(node, ast.Import | ast.ImportFrom)]
    for node in imports:
        names = [node.module] if isinstance(node, ast.ImportFrom) else [name.name for name in node.names]
        if any((name or "").partition(".")[0] in OURS for name in names):
            exec(compile(ast.Module([node], []), page, "exec"), {})
    assert "prefect_azure_batch" not in code or any("prefect_azure_batch" in ast.unparse(node) for node in imports)


def test_the_guides_tell_of_every_option_and_of_none_that_is_not_there() -> None:
    rows = [
        line for page in ("docs/map.md", "docs/mpi.md") for line in text_of(page).splitlines() if line[:5] == "| `--"
    ]
    named = set(re.findall(r"`(--[a-z-]+)`", "\n".join(row.split(" | ")[0] for row in rows)))
    there = {
        option
        for entry in (MAP, MPI)
        for action in make_parser(entry)._actions
        for option in action.option_strings
        if option.startswith("--") and option not in ("--help", "--version")
    }
    assert (sorted(there - named), sorted(named - there)) == ([], []), "rows of docs/map.md and docs/mpi.md"
