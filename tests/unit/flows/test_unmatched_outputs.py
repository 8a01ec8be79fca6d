"""A pattern of outputs that has matched nothing is told, for the files it meant are gone with their nodes."""

from pathlib import Path

import pytest

from prefect_azure_batch.flows.outcomes import unmatched

RESULTS = Path("/results")
OUTPUTS = ["task/a.txt", "task/out/b.csv", "task/subtask-1/far.dat", "task/wd/stdout.txt"]


@pytest.mark.parametrize("pattern", ["a.txt", "*.txt", "out/*", "**/*.csv", "far.dat", "stdout.txt"])
def test_a_pattern_that_some_file_fits_is_not_told(pattern: str) -> None:
    assert unmatched([pattern], RESULTS, [f"{RESULTS}/{path}" for path in OUTPUTS]) == []


@pytest.mark.parametrize("pattern", ["out", "none*", "b.csv", "subtask-2/*"])
def test_a_pattern_that_no_file_fits_is_told(pattern: str) -> None:
    assert unmatched([pattern], RESULTS, [f"{RESULTS}/{path}" for path in OUTPUTS]) == [pattern]
