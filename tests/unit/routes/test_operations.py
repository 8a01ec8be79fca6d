"""The documentation's table of operations names each one of Azure Batch, and the service has a handler for it."""

import re
from pathlib import Path

from localbatch.routes import absent
from tests.conformity.operations import OPERATIONS

ROOT = Path(__file__).resolve().parents[3]
DOCUMENTED = re.compile(r"^\| `(\w+)` \| (\w+) `([^`]+)` \| (\S.*) \|$", re.MULTILINE)


def documented() -> list[tuple[str, str, str]]:
    text = (ROOT / "docs" / "localbatch.md").read_text(encoding="utf-8")
    return [(name, verb, path) for name, verb, path, _degree in DOCUMENTED.findall(text)]


def test_there_are_seventy_two() -> None:
    assert len(OPERATIONS) == 72


def test_the_table_of_the_documentation_has_them_all() -> None:
    expected = [(each.name, each.verb, each.path.replace("*}", "}")) for each in OPERATIONS]
    assert sorted(documented()) == sorted(expected)


def test_none_is_refused_as_not_emulated() -> None:
    refused = {(verb, path) for verb, path, _handler in absent.table()}
    assert not refused & {(each.verb, each.path) for each in OPERATIONS}
