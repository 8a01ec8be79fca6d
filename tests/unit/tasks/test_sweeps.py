"""Sweeps and tables."""

from pathlib import Path

import pytest

from prefect_azure_batch.tasks.errors import BadInput
from prefect_azure_batch.tasks.inputs import search_inputs
from prefect_azure_batch.tasks.manifest import Manifest
from prefect_azure_batch.tasks.sweeps import combinations, parse_sweep, read_table, sweep, tabulate


def labels(manifest: Manifest) -> list[str]:
    return [item.label for items in manifest._items("1") for item in items]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("seed=1..4", ["1", "2", "3", "4"]),
        ("seed=08..10", ["08", "09", "10"]),
        ("seed=4..1..-1", ["4", "3", "2", "1"]),
        ("rate=0..1..0.25", ["0.00", "0.25", "0.50", "0.75", "1.00"]),
        ("rate=-1..1", ["-1", "0", "1"]),
        ("model=a,b c,$(x)", ["a", "b c", "$(x)"]),
        ("model=a=b", ["a=b"]),
        ("one=7", ["7"]),
        ("folder=../a,v1..2", ["../a", "v1..2"]),
    ],
)
def test_a_sweep_is_a_range_or_a_list(text: str, values: list[str]) -> None:
    name, found = parse_sweep(text)
    assert (name, list(found)) == (text.partition("=")[0], values)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("seed", "is no sweep: write name=1..100"),
        ("seed=", "is no sweep"),
        ("2nd=1", "'2nd' is no name for a placeholder"),
        ("in-put=1", "'in-put' is no name"),
        ("input=1", "'input' is a placeholder already"),
        ("app=1", "'app' is a placeholder already"),
        ("seed=1,,2", "has an empty value"),
        ("seed=1,2,1", "has the value '1' twice"),
        ("seed=5..1", "has no values: the step leads away"),
        ("seed=1..5..0", "has no values"),
        ("rate=1e-3..1e-2", "is no range: write its first and last number, and a step, as in"),
        ("seed=1..", "is no range"),
        ("seed=..5", "is no range"),
        ("seed=1..5..", "is no range"),
        ("seed=1..99999999", "10000000 is the most"),
    ],
)
def test_what_is_no_sweep_is_told(text: str, complaint: str) -> None:
    with pytest.raises(BadInput) as refused:
        list(parse_sweep(text)[1])
    assert complaint in str(refused.value)


def test_sweeps_are_combined_all_with_all_or_side_by_side() -> None:
    product = list(combinations(["a=1..2", "b=x,y"]))
    assert [dict(each) for each in product] == [{"a": a, "b": b} for a in "12" for b in "xy"]
    assert [dict(each) for each in combinations(["a=1..2", "b=x,y"], zipped=True)] == [
        {"a": "1", "b": "x"},
        {"a": "2", "b": "y"},
    ]
    with pytest.raises(BadInput, match="different numbers of values"):
        combinations(["a=1..2", "b=x,y,z"], zipped=True)
    with pytest.raises(BadInput, match="'a' is swept twice"):
        combinations(["a=1", "a=2"])


def test_the_order_is_that_of_the_numbers_and_of_the_files(two_files: Path) -> None:
    assert labels(Manifest.of_inputs(sweep(["n=9..11"], None))) == ["n=9", "n=10", "n=11"]
    found = search_inputs([str(two_files)], lambda container, prefix: [])
    names = [path.name for path in sorted(two_files.iterdir())]
    assert [label.rpartition("/")[2] for label in labels(Manifest.of_inputs(sweep(["n=9..10"], found)))] == [
        f"{name} n={number}" for name in names for number in (9, 10)
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.csv", 'a,b\n1,x y\n2,"q,r"\n'),
        ("t.csv", '\ufeffa,b\r\n1,x y\r\n2,"q,r"\r\n'),
        ("t.jsonl", '{"a": 1, "b": "x y"}\n\n{"a": 2, "b": "q,r"}\n'),
    ],
)
def test_a_table_is_csv_or_json_lines(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, newline="")
    assert list(read_table(tmp_path / name)) == [{"a": "1", "b": "x y"}, {"a": "2", "b": "q,r"}]


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("t.csv", "", "has no rows"),
        ("t.csv", "a,b\n", "has no rows"),
        ("t.csv", "a,b\n1\n", "Row 1 of .* has more or fewer cells"),
        ("t.csv", "a,b\n1,2,3\n", "Row 1 of .* has more or fewer cells"),
        ("t.csv", "a b\n1\n", "'a b' is no name for a placeholder"),
        ("t.csv", "index\n1\n", "'index' is a placeholder already"),
        ("t.csv", "a,a\n1,2\n", "has two columns 'a'"),
        ("t.jsonl", "{\n", "Line 1 of .* is no JSON"),
        ("t.jsonl", "[1]\n", "Line 1 of .* is no object"),
        ("t.jsonl", '{"a": [1]}\n', "Line 1 of .* is no object"),
        ("t.jsonl", '{"a": 1}\n{"b": 1}\n', "Row 2 of .* has other columns"),
    ],
)
def test_what_is_no_table_is_told(tmp_path: Path, name: str, text: str, complaint: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(BadInput, match=complaint):
        list(read_table(tmp_path / name))


def test_a_missing_table_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read: No such file"):
        list(read_table(tmp_path / "none.csv"))


def test_a_row_names_its_file_and_the_same_row_twice_is_refused(two_files: Path, tmp_path: Path) -> None:
    first, second = sorted(two_files.iterdir())
    table = tmp_path / "t.csv"
    table.write_text(f"input,gain\n{second},2\n{first},1\n{second},3\n")
    found = list(tabulate(table, lambda container, prefix: []))
    assert [(each.item.path, dict(each.item.values)) for each in found] == [
        (second, {"gain": "2"}),
        (first, {"gain": "1"}),
        (second, {"gain": "3"}),
    ]
    table.write_text("gain\n1\n1\n")
    with pytest.raises(BadInput, match="listed twice"):
        Manifest.of_inputs(tabulate(table, lambda container, prefix: []))
    table.write_text(f"input\n{two_files}\n")
    with pytest.raises(BadInput, match=r"Row 1 .* is more than one file"):
        list(tabulate(table, lambda container, prefix: []))
