"""The page on inputs shows commands that are taken as they stand."""

import re
import shlex
from pathlib import Path

import pytest

from prefect_azure_batch.flows.arguments import parse_arguments
from prefect_azure_batch.flows.entries import MAP

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = (REPOSITORY / "docs" / "inputs.md").read_text()
COMMANDS = re.findall(r"^python -m flows\.map_flow ((?:.*\\\n)*.*)$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_can_be_run(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("examples", "README.md"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    (tmp_path / "table.csv").write_text("input,lines\nexamples/map/inputs/reading0.txt,1\n")
    monkeypatch.chdir(tmp_path)
    MAP.check(parse_arguments(MAP, shlex.split(command)).run)


def test_there_is_one_for_every_way() -> None:
    for option in (
        "--chunk",
        "--group-by",
        "--sweep",
        "--table",
        "--common",
        "--reduce",
        "--part",
        "http://",
        "*.yaml",
    ):
        assert any(option in command for command in COMMANDS), option
