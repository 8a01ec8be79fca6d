"""What a task uploads, and under which names."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_azure_batch.tasks.access import OutputContainer
from prefect_azure_batch.tasks.errors import BadInput
from prefect_azure_batch.tasks.output_files import added_task, covering_prefixes, output_files, shared_output_files
from prefect_azure_batch.tasks.records import Run

LINK = OutputContainer("link")


def uploads(files: object, condition: str = "tasksuccess") -> list[tuple[str, str | None]]:
    """Pattern and path of each output file that is uploaded always, or when a task has ended so."""
    assert isinstance(files, list)
    conditions = ("taskcompletion", condition)
    found = [file for file in files if file.upload_options.upload_condition in conditions]
    return [(file.file_pattern, file.destination.container.path) for file in found]


def test_a_tasks_files_keep_their_places_below_the_working_directory() -> None:
    found = uploads(output_files("0/t", ["a.txt", "plots/*.png", "./b//c.txt", "x[*].txt"], LINK))
    assert found == [
        ("../std*.txt", "0/t/logs"),
        ("a.txt", "0/t/files/a.txt"),
        ("plots/*.png", "0/t/files"),
        ("b/c.txt", "0/t/files/b/c.txt"),
        ("x[*].txt", "0/t/files/x*.txt"),
    ]


def test_what_a_failed_attempt_leaves_is_no_output() -> None:
    assert uploads(output_files("0/t", ["a.txt", "*.png"], LINK), "taskfailure") == [
        ("../std*.txt", "0/t/logs"),
        ("a.txt", "0/t/failed/files/a.txt"),
        ("*.png", "0/t/failed/files"),
    ]
    found = uploads(shared_output_files("0/t", ["a.txt", "out/*.png"], LINK), "taskfailure")
    assert found[2:] == [("../a.txt", "0/t/failed/shared/a.txt"), ("../out/*.png", "0/t/failed/shared/out")]


def test_shared_files_lie_one_above_the_working_directory_and_keep_their_places() -> None:
    patterns = ["a.txt", "*.txt", "plots/deep/*.png", "plots/**/x.txt", "out/b.txt", "wd/*.log", "wd/sub/c.log"]
    assert uploads(shared_output_files("0/t", patterns, LINK)) == [
        ("../stdout.txt", "0/t/logs/stdout.txt"),
        ("../stderr.txt", "0/t/logs/stderr.txt"),
        ("../a.txt", "0/t/shared/a.txt"),
        ("../*.txt", "0/t/shared"),
        # Batch names files outside the working directory relative to the fixed part of the pattern.
        ("../plots/deep/*.png", "0/t/shared/plots/deep"),
        ("../plots/**/x.txt", "0/t/shared/plots"),
        ("../out/b.txt", "0/t/shared/out/b.txt"),
        # ... and those inside it relative to itself.
        ("*.log", "0/t/shared/wd"),
        ("sub/c.log", "0/t/shared/wd/sub/c.log"),
    ]


@pytest.mark.parametrize("pattern", ["../x", "wd/../../x", "/etc/passwd"])
def test_a_pattern_that_climbs_out_is_refused(pattern: str) -> None:
    with pytest.raises(BadInput, match="stay below it"):
        shared_output_files("0/t", [pattern], LINK)


def _folders(*indices: int) -> list[str]:
    run = Run("r", "j", "p", "c", folder="work/run")
    return [added_task(run, index, "", f"task-{index}").folder for index in indices]


@pytest.mark.parametrize(
    ("indices", "prefixes"),
    [
        ((7,), ["work/run/0000007-task-7/"]),
        (range(20, 40), ["work/run/00000"]),
        (range(1020, 1025), ["work/run/000102"]),
        (range(100), ["work/run/00000"]),
        (range(95, 105), ["work/run/000009", "work/run/000010"]),
        ((3, 999_999), ["work/run/0000003-task-3/", "work/run/0999999-task-999999/"]),
    ],
)
def test_few_listings_cover_neighbours_and_not_many_others(indices: Iterable[int], prefixes: list[str]) -> None:
    assert covering_prefixes(_folders(*indices)) == prefixes


@given(st.sets(st.integers(0, 3000), min_size=1, max_size=60))
def test_listings_cover_all_and_at_most_ten_times_as_many(indices: set[int]) -> None:
    wanted = _folders(*sorted(indices))
    prefixes = [prefix.rstrip("/") for prefix in covering_prefixes(wanted)]
    assert [sum(map(folder.startswith, prefixes)) for folder in wanted] == [1] * len(indices)
    listed = [folder for folder in _folders(*range(3001)) if folder.startswith(tuple(prefixes))]
    assert len(listed) <= 10 * len(indices)
