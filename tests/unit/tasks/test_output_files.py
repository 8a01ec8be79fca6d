"""What a task uploads, and under which names."""

import pytest

from prefect_azure_batch.tasks.errors import BadInput
from prefect_azure_batch.tasks.output_files import output_files, shared_output_files


def uploads(files: object) -> list[tuple[str, str | None]]:
    """Pattern and path of each output file."""
    assert isinstance(files, list)
    return [(file.file_pattern, file.destination.container.path) for file in files]


def test_a_tasks_files_keep_their_places_below_the_working_directory() -> None:
    found = uploads(output_files("0/t", ["a.txt", "plots/*.png", "./b//c.txt", "x[*].txt"], "link"))
    assert found == [
        ("../std*.txt", "0/t/logs"),
        ("a.txt", "0/t/files/a.txt"),
        ("plots/*.png", "0/t/files"),
        ("b/c.txt", "0/t/files/b/c.txt"),
        ("x[*].txt", "0/t/files/x*.txt"),
    ]


def test_shared_files_lie_one_above_the_working_directory_and_keep_their_places() -> None:
    patterns = ["a.txt", "*.txt", "plots/deep/*.png", "plots/**/x.txt", "out/b.txt", "wd/*.log", "wd/sub/c.log"]
    assert uploads(shared_output_files("0/t", patterns, "link")) == [
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
        shared_output_files("0/t", [pattern], "link")
