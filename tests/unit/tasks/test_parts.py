"""Parts of the inputs of a map, one for each of several runs."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from prefect_azure_batch.flows.map_parameters import MapParameters
from prefect_azure_batch.tasks.errors import BadInput
from prefect_azure_batch.tasks.inputs import FoundInput, search_inputs
from prefect_azure_batch.tasks.parts import Part
from prefect_azure_batch.tasks.sweeps import sweep


def seeds(last: int) -> Iterator[FoundInput]:
    return sweep([f"seed=1..{last}", "model=a,b"], None)


def names(part: Part, found: Iterator[FoundInput]) -> list[str]:
    return [each.identity for each in part.of(found)]


def test_each_input_is_in_one_part_and_parts_are_about_as_large() -> None:
    parts = [names(Part(number, 3), seeds(300)) for number in (1, 2, 3)]
    assert Counter(name for part in parts for name in part) == Counter(each.identity for each in seeds(300))
    assert all(150 < len(part) < 250 for part in parts)


def test_an_input_stays_in_its_part_when_others_are_added() -> None:
    assert set(names(Part(2, 2), seeds(100))) < set(names(Part(2, 2), seeds(1000)))


def test_parts_are_the_same_on_each_machine_and_in_each_version() -> None:
    first = names(Part(1, 2), seeds(4))
    assert first == ["seed=1 model=a", "seed=2 model=a", "seed=2 model=b", "seed=3 model=b", "seed=4 model=b"]


def test_a_folder_that_is_one_task_is_in_one_part(tmp_path: Path) -> None:
    for number in range(40):
        (tmp_path / f"{number % 8}").mkdir(exist_ok=True)
        (tmp_path / f"{number % 8}" / f"{number}").touch()
    found = [
        [Path(each.item.label).parent for each in Part(number, 2).of(files(tmp_path), by_folder=True)]
        for number in (1, 2)
    ]
    assert {number for part in found for number in Counter(part).values()} == {5}
    assert not set(found[0]) & set(found[1])


def files(folder: Path) -> Iterator[FoundInput]:
    return search_inputs([str(folder)], lambda *_: [])


def test_a_part_with_nothing_to_do_is_refused() -> None:
    with pytest.raises(BadInput, match=r"Of 2 inputs none falls into part \d+/1000: give fewer parts"):
        names(Part(1, 1000), seeds(1))


@pytest.mark.parametrize("text", ["0/2", "3/2", "1/1001", "1", "1/", "-1/2", "1/2/3", "a/b", "1 / 2", "1/0", "²/3"])
def test_what_is_no_part_is_told_with_what_would_be_one(text: str) -> None:
    with pytest.raises(ValidationError, match=r"--part: .* is no part: write 1/2 and 2/2 for two halves") as told:
        MapParameters(sweep=["seed=1..9"], command="echo {seed}", part=text)
    assert len(told.value.errors()) == 1


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"command": "sim --seed {index} {seed}"}, "--part: {index} counts from 0 in each part"),
        ({"reduce": "cat {inputs}"}, "--part: --reduce takes what all inputs have left"),
        ({"sweep": [], "command": ""}, "--part: the bundled example has four inputs"),
    ],
)
def test_what_has_no_meaning_in_a_part_is_refused(given: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError) as error:
        MapParameters.model_validate({"sweep": ["seed=1..9"], "command": "echo {seed}", "part": "1/2", **given})
    assert told in str(error.value)


def test_runs_of_parts_are_told_apart_by_their_names() -> None:
    asked = MapParameters(sweep=["seed=1..9"], command="echo {seed}", part="2/3")
    assert asked.run_name == "map 2/3: echo {seed}"
