"""The comparison with other systems names tests that exist, leaves out no row, and counts right."""

import ast
import csv
import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "compare.md"
KNOWN = Path(__file__).with_name("compare_rows.csv")
"""All rows that there must be, and how they stood before; a person changes it, no program."""

CODES = frozenset(
    ["SEED", "MS", "NF", "SHY", "CFA", "TES", "SNK", "AIR", "COV", "KES", "CLX", "BX", "DAP", "PRE", "AWS"]
)
STATES = ("yes", "partly", "no")
BY_NO_TEST = {"J7"}
"""That the project is alive in 2026."""
OURS = re.compile(r"(?:\[(yes|partly)\]\(\.\./(tests/\S+\.py)\) `(\w+)`|(yes|partly|no))(?:[;:] (\S.*))?")


class Row(NamedTuple):
    name: str
    goal: str
    feature: str
    full: str
    part: str
    ours: str

    @property
    def parts(self) -> tuple[str, str, str, str]:
        """State, path and name of a test, and what is said besides."""
        found = OURS.fullmatch(self.ours)
        assert found, f"{self.name}: {self.ours}"
        linked, path, test, plain, note = found.groups()
        return linked or plain, path or "", test or "", note or ""


def cells(pattern: str) -> list[list[str]]:
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if re.match(pattern, line)]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


ROWS = [Row(*row) for row in cells(r"\| [A-J]\d+ \|")]
EXPECTED = list(csv.DictReader(KNOWN.read_text(encoding="utf-8").splitlines()))


@cache
def functions_of(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_every_row_of_the_list_stands_there_once_and_in_its_order() -> None:
    listed = [(row["id"], row["goal"], row["feature"]) for row in EXPECTED]
    assert [(row.name, row.goal, row.feature) for row in ROWS] == listed
    assert Counter(row["goal"] for row in EXPECTED) == {"M": 70, "S": 47}


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in ROWS])
def test_a_yes_is_shown_by_a_test_that_exists_and_a_gap_is_said(row: Row) -> None:
    state, path, test, note = row.parts
    if path:
        assert (ROOT / path).is_file()
        assert test.startswith("test_")
        assert test in functions_of(path)
    assert path or state != "yes" or row.name in BY_NO_TEST
    assert note or state == "yes"


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in ROWS])
def test_other_systems_are_named_by_their_codes_and_once(row: Row) -> None:
    named = (row.full + " " + row.part).split()
    assert set(named) <= CODES
    assert len(set(named)) == len(named)


@pytest.mark.parametrize("goal", ["M", "S"])
def test_the_counts_at_the_head_are_those_of_the_table(goal: str) -> None:
    before = Counter(row["before"] for row in EXPECTED if row["goal"] == goal)
    now = Counter(row.parts[0] for row in ROWS if row.goal == goal)
    for when, counts in (("before", before), ("now", now)):
        assert cells(rf"\| {goal}, {when} \|") == [[f"{goal}, {when}", *(str(counts[state]) for state in STATES)]]
