"""Several inputs for one task."""

import json
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from pydantic import ValidationError

from prefect_azure_batch.flows.map_parameters import MapParameters
from prefect_azure_batch.tasks.attempts import from_the_beginning
from prefect_azure_batch.tasks.command import GROUP_VARIABLES, parse_template, shell_command
from prefect_azure_batch.tasks.errors import BadInput
from prefect_azure_batch.tasks.grouped_manifest import GroupedManifest
from prefect_azure_batch.tasks.groups import MOST_FILES, Grouping, placed_apart
from prefect_azure_batch.tasks.inputs import search_inputs
from prefect_azure_batch.tasks.manifest import OURS
from prefect_azure_batch.tasks.records import InputItem, Program, TaskPlan
from prefect_azure_batch.tasks.submit import task_namer
from prefect_azure_batch.tasks.sweeps import combinations
from tests.support.hostile import HOSTILE_NAMES


def run_command(command: str, directory: Path) -> subprocess.CompletedProcess[str]:
    script = parse_template(command, GROUP_VARIABLES).script(None)
    words = shlex.split(shell_command(script))
    return subprocess.run(words, env={}, cwd=directory, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "command",
    [
        "printf '%s\\0' {inputs}",
        'echo "$(printf "%s\\0" {inputs} | base64 -w 0)" | base64 -d',
        "(printf '%s\\0' {inputs})",
    ],
)
def test_each_name_is_an_argument_of_its_own_in_the_order_of_bytes(command: str, tmp_path: Path) -> None:
    (tmp_path / "inputs" / "deep").mkdir(parents=True)
    for name in [*HOSTILE_NAMES, ".hidden", "deep/x", "B", "a"]:
        (tmp_path / "inputs" / name).write_text(name)
    done = run_command(command, tmp_path)
    names = done.stdout.removesuffix("\0").split("\0")
    assert (done.stderr, done.returncode) == ("", 0)
    assert names == sorted(
        (f"inputs/{name}" for name in [*HOSTILE_NAMES, ".hidden", "deep/x", "B", "a"]), key=str.encode
    )


def test_the_shell_is_as_it_was_and_the_list_is_no_variable_of_programs(tmp_path: Path) -> None:
    (tmp_path / "inputs").mkdir()
    (tmp_path / "inputs" / "x").touch()
    command = 'echo {inputs} {index}; shopt globstar nullglob dotglob; echo "[$LC_ALL]" no*; /usr/bin/env'
    lines = run_command(command, tmp_path).stdout.splitlines()
    assert lines[0].split() == ["inputs/x"]
    assert [line.split()[-1] for line in lines[1:4]] == ["off"] * 3
    assert lines[4] == "[] no*"
    assert not any("MAP_INPUTS" in line for line in lines)


def test_an_attempt_finds_the_folder_of_inputs_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "wd" / "inputs").mkdir(parents=True)
    for name in ("a", "b"):
        (tmp_path / "wd" / "inputs" / name).write_text(name)
    script = parse_template("cat {inputs}; rm inputs/a; echo c > inputs/c; echo x > inputs/b", GROUP_VARIABLES)
    words = shlex.split(shell_command(from_the_beginning(script.script(None), keeps_files=True)))
    runs = [subprocess.run(words, cwd=tmp_path / "wd", capture_output=True, text=True, check=True) for _ in range(3)]
    assert [(done.stdout, done.stderr) for done in runs] == [("ab", "")] * 3


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        ({"command": "cat {input}", "chunk": 2}, "{input} stands for one file, and --chunk gives a task several"),
        ({"command": "cat {stem}", "group_by": "folder"}, "{stem} stands for one file, and --group-by gives"),
        ({"command": "cat {inputs}"}, "{inputs} stands for several files: give --chunk or --group-by folder"),
        ({"command": 'cat "{inputs}"', "chunk": 2}, "{inputs} in double quotes: drop them"),
        ({"command": "cat '{inputs}'", "chunk": 2}, "{inputs} in single quotes"),
        ({"command": "cat {files}", "chunk": 2}, "'{files}': there are {inputs}, {index}, {app}"),
        ({"command": "true", "chunk": 2, "group_by": "folder"}, "give one of them"),
        ({"command": "true", "chunk": 2, "inputs": [], "sweep": ["n=1"]}, "--chunk: it puts --inputs together"),
        ({"command": "true", "chunk": 0}, "greater than or equal to 1"),
        ({"command": "true", "group_by": "name"}, "Input should be 'folder'"),
    ],
)
def test_what_no_group_can_be_is_refused(asked: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValidationError) as refused:
        MapParameters.model_validate({"inputs": ["x"]} | asked)
    assert complaint in str(refused.value)


def items(*labels: str) -> list[InputItem]:
    return [InputItem(number, label, label.rpartition("/")[2], version=label) for number, label in enumerate(labels)]


@pytest.mark.parametrize(
    ("labels", "places"),
    [
        (["a/x", "b/y"], ["x", "y"]),
        (["d/a/x", "d/b/x", "d/b/c/y"], ["a/x", "b/x", "b/c/y"]),
        (["d/x", "d/e/x"], ["x", "e/x"]),
        (["az://c/a/x", "az://c/b/x"], ["a/x", "b/x"]),
    ],
)
def test_files_lie_in_one_folder_and_apart_where_names_are_the_same(labels: list[str], places: list[str]) -> None:
    assert [item.place for item in placed_apart(items(*labels))] == [f"inputs/{place}" for place in places]


@pytest.mark.parametrize(
    "labels", [["/a/x", "b/x"], ["../a/x", "a/x"], ["https://h/x", "https://h/x"], ["d/a", "d/a/a"]]
)
def test_files_that_cannot_be_kept_apart_are_refused(labels: list[str]) -> None:
    with pytest.raises(BadInput, match="has the name of another one of its task"):
        placed_apart(items(*labels))


def test_more_files_than_a_task_can_have_are_refused() -> None:
    with pytest.raises(BadInput, match=r"has 10001 inputs, too many for one task: --chunk cuts them"):
        placed_apart(items(*(str(number) for number in range(MOST_FILES + 1))))


def blobs(names: Sequence[str], grouping: Grouping, *sweeps: str, version: str = "1") -> GroupedManifest:
    found = search_inputs(["az://box/"], lambda container, prefix: ((name, name + version) for name in reversed(names)))
    return GroupedManifest.of_groups(found, grouping, (lambda: combinations(sweeps)) if sweeps else None)


def named(manifest: GroupedManifest) -> list[InputItem]:
    manifest.name_tasks(task_namer(None, TaskPlan("true", grouped=True)))
    (batch,) = manifest.batches(OURS, 1000)
    return [item for some in manifest.items(batch) for item in some]


def ids(manifest: GroupedManifest) -> list[str]:
    named(manifest)
    return [json.loads(line)["task_id"] for line in b"".join(manifest.json_lines()).splitlines()]


def test_a_chunk_is_so_many_inputs_and_the_last_the_rest() -> None:
    found = named(blobs([f"{number:02}" for number in range(7)], Grouping(3)))
    assert [item.label for item in found] == [
        "az://box/00 .. az://box/02 (3 inputs)",
        "az://box/03 .. az://box/05 (3 inputs)",
        "az://box/06",
    ]
    assert [[member.blob for member in item.members] for item in found] == [
        ["00", "01", "02"], ["03", "04", "05"], ["06"],
    ]  # fmt: skip
    assert found[1].members[2].place == "inputs/05"
    assert found[0].blob is None


def test_a_folder_is_a_group_whatever_patterns_found_its_files(tmp_path: Path) -> None:
    for name in ("b/1.txt", "b/2.csv", "a/1.txt", "a/deep/1.txt", "0.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text(name)
    found = search_inputs([f"{tmp_path}/b/*.csv", f"{tmp_path}/**/*.txt"], lambda container, prefix: [])
    groups = named(GroupedManifest.of_groups(found, Grouping()))
    assert [item.label for item in groups] == [f"{tmp_path}{name}" for name in ("/b", "", "/a", "/a/deep")]
    assert [member.name for member in groups[0].members] == ["1.txt", "2.csv"]


def test_a_group_is_known_by_its_members_whatever_the_others_are() -> None:
    names = ["a/1", "a/2", "b/1", "b/2"]
    first, second = ids(blobs(names, Grouping()))
    assert ids(blobs(["b/1", "b/2"], Grouping())) == [second]
    assert ids(blobs([*names, "a/3"], Grouping()))[1:] == [second]
    assert ids(blobs([*names, "a/3"], Grouping()))[0] != first
    assert first not in ids(blobs(names, Grouping(), version="2"))
    assert ids(blobs(names, Grouping(2))) == [first, second]


def test_groups_of_the_same_names_and_contents_are_tasks_of_their_own() -> None:
    found = search_inputs(["az://box/"], lambda container, prefix: [(f"{folder}/1", "same") for folder in "abc"])
    assert len(set(ids(GroupedManifest.of_groups(found, Grouping())))) == 3


def test_each_group_goes_with_each_value() -> None:
    found = named(blobs(["a/1", "a/2", "b/1"], Grouping(), "n=1..2"))
    assert [item.label for item in found] == [f"az://box/{folder} n={n}" for folder in "ab" for n in (1, 2)]
    assert [dict(item.values)["n"] for item in found] == ["1", "2", "1", "2"]
    assert [len(item.members) for item in found] == [2, 2, 1, 1]


def test_members_are_read_some_at_a_time_and_each_once_for_upload() -> None:
    manifest = blobs([f"{number:05}" for number in range(5000)], Grouping(700), "n=1..2")
    manifest.name_tasks(task_namer(Program("", ""), TaskPlan("true", grouped=True)))
    (batch,) = manifest.batches(OURS, 100)
    pieces = list(manifest.items(batch))
    assert [len(piece) for piece in pieces] == [3, 3, 3, 3, 4]
    assert sum(len(item.members) for piece in pieces for item in piece) == 10_000
    assert sum(len(some) for some in manifest.files(batch)) == 5000
    assert next(label for label, _ in manifest.large_groups()) == "az://box/00000 .. az://box/00699 (700 inputs) n=1"


def test_the_stored_manifest_names_the_members_of_each_group() -> None:
    manifest = blobs(["a", "b"], Grouping(2))
    named(manifest)
    (line,) = b"".join(manifest.json_lines()).splitlines()
    assert json.loads(line)["members"] == {"inputs/a": "a1", "inputs/b": "b1"}
