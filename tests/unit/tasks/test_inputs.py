"""Finding inputs."""

import os
from pathlib import Path

import pytest

from prefect_azure_batch.tasks.errors import BadInput
from prefect_azure_batch.tasks.inputs import find_inputs
from prefect_azure_batch.tasks.records import InputItem

MANY = ["a.csv", "b.csv", "deep/c.csv", "deep/d.txt", ".hidden.csv", "what?.txt", "[1].csv/e.txt"]
BLOBS = {
    "data": [("b/two.txt", "0x2"), ("a/one.txt", "0x1"), ("a/", "0x0")],
    "many": [(f"in/{name}", "0x1") for name in MANY],
}


def list_blobs(container: str, prefix: str) -> list[tuple[str, str]]:
    return [(name, etag) for name, etag in BLOBS[container] if name.startswith(prefix)]


def find(*patterns: str | Path) -> list[InputItem]:
    return find_inputs([str(pattern) for pattern in patterns], list_blobs)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.txt", "a.txt", "sub/a.txt", ".hidden"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def test_a_directory_stands_for_all_files_below_it_in_order(folder: Path) -> None:
    assert [item.label for item in find(folder)] == [str(folder / name) for name in ("a.txt", "b.txt", "sub/a.txt")]


def test_inputs_are_numbered_over_all_patterns(folder: Path) -> None:
    found = find(folder / "b.txt", folder / "sub", "az://data/a")
    assert [(item.index, item.name) for item in found] == [(0, "b.txt"), (1, "a.txt"), (2, "one.txt")]


def test_a_glob_finds_files_only(folder: Path) -> None:
    assert [item.name for item in find(f"{folder}/*")] == ["a.txt", "b.txt"]


def test_a_file_whose_name_looks_like_a_glob_is_that_file(tmp_path: Path) -> None:
    (tmp_path / "[a].txt").touch()
    (tmp_path / "a.txt").touch()
    assert [item.name for item in find(tmp_path / "[a].txt")] == ["[a].txt"]


def test_blobs_are_found_by_prefix_and_keep_their_version() -> None:
    items = find("az://data/")
    assert [(item.label, item.name, item.etag) for item in items] == [
        ("az://data/a/one.txt", "one.txt", "0x1"),
        ("az://data/b/two.txt", "two.txt", "0x2"),
    ]


def test_a_pattern_without_a_match_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="No input matches"):
        find(tmp_path / "*.csv")


def test_an_input_listed_twice_is_refused_whatever_its_spelling(folder: Path) -> None:
    with pytest.raises(BadInput, match="listed twice"):
        find(folder / "a.txt", folder / "a.txt")
    with pytest.raises(BadInput, match=r"a\.txt' and .*sub/\.\./a\.txt' are one file"):
        find(folder / "a.txt", folder / "sub" / ".." / "a.txt")


def test_a_link_to_an_input_is_told_with_both_names(folder: Path) -> None:
    (folder / "z.txt").symlink_to("a.txt")
    names = f"{str(folder / 'a.txt')!r} and {str(folder / 'z.txt')!r}"
    with pytest.raises(BadInput) as caught:
        find(folder)
    assert str(caught.value).startswith(f"The inputs {names} are one file")


def test_no_patterns_are_refused() -> None:
    with pytest.raises(BadInput, match="No inputs"):
        find()


def test_a_pipe_is_no_input(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BadInput, match="is not a file"):
        find(tmp_path / "pipe")


def test_a_name_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.txt")).touch()
    with pytest.raises(BadInput, match="not UTF-8"):
        find(tmp_path)


def test_a_name_that_no_blob_can_have_is_refused(tmp_path: Path) -> None:
    (tmp_path / "red\x1b[31m.txt").touch()
    with pytest.raises(BadInput, match=r"red.x1b\[31m.txt' has a control character in its name"):
        find(tmp_path)


def test_a_broken_link_is_no_input(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(BadInput, match="is not a file"):
        find(tmp_path / "link")


def test_an_address_without_a_container_is_refused() -> None:
    with pytest.raises(BadInput, match="names no container"):
        find("az:///prefix")


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("az://many/in/*.csv", ["in/a.csv", "in/b.csv"]),
        ("az://many/in/**/*.csv", ["in/a.csv", "in/b.csv", "in/deep/c.csv"]),
        ("az://many/**/?.csv", ["in/a.csv", "in/b.csv", "in/deep/c.csv"]),
        ("az://many/i*/deep/*", ["in/deep/c.csv", "in/deep/d.txt"]),
        ("az://many/**/*.txt", ["in/[1].csv/e.txt", "in/deep/d.txt", "in/what?.txt"]),
        ("az://many/in/[1].csv/*", ["in/[1].csv/e.txt"]),
        ("az://many/in/what?.txt", ["in/what?.txt"]),
    ],
)
def test_blobs_are_found_by_pattern(pattern: str, names: list[str]) -> None:
    assert [item.blob for item in find(pattern)] == names


def test_only_what_may_match_is_listed() -> None:
    asked = []

    def listing(container: str, prefix: str) -> list[tuple[str, str]]:
        asked.append(prefix)
        return [("in/a/x.csv", "1")] if "in/a/x.csv".startswith(prefix) else []

    assert [item.name for item in find_inputs(["az://box/in/a*/x.csv"], listing)] == ["x.csv"]
    assert asked == ["in/a*/x.csv", "in/a"]
