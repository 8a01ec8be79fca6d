"""What simulated tasks leave, found by the patterns of output files as real files would be."""

import pytest

from localbatch.bodies.commands import OutputFile
from localbatch.driver.simulated_files import find

FILES = {
    "../stdout.txt": "simulated\n",
    "../stderr.txt": "",
    "result.csv": "1,2\n",
    "out/a.csv": "a",
    "out/deep/b.csv": "b",
    ".hidden.csv": "h",
    ".state/x": "s",
}


def output(pattern: str, path: str | None = "kept", condition: str = "taskcompletion") -> OutputFile:
    container = {"containerUrl": "https://account.blob.core.windows.net/box?sig=x", "path": path}
    return OutputFile.model_validate(
        {
            "filePattern": pattern,
            "destination": {"container": container},
            "uploadOptions": {"uploadCondition": condition},
        }
    )


@pytest.mark.parametrize(
    ("pattern", "blobs"),
    [
        ("../std*.txt", ["kept/stderr.txt", "kept/stdout.txt"]),
        ("../stdout.txt", ["kept"]),
        ("$AZ_BATCH_TASK_DIR/std*.txt", ["kept/stderr.txt", "kept/stdout.txt"]),
        ("$AZ_BATCH_TASK_WORKING_DIR/*.csv", ["kept/result.csv"]),
        ("*.csv", ["kept/result.csv"]),
        ("**/*.csv", ["kept/out/a.csv", "kept/out/deep/b.csv", "kept/result.csv"]),
        ("out/**", ["kept/out/a.csv", "kept/out/deep/b.csv"]),
        ("out/*", ["kept/out/a.csv"]),
        (".state/*", ["kept/.state/x"]),
        ("out/deep/b.csv", ["kept"]),
        ("nothing/*", []),
        ("../*.csv", []),
        ("../../*", []),
    ],
)
def test_patterns_find_what_they_would_find_on_a_node(pattern: str, blobs: list[str]) -> None:
    assert [file.blob for file in find(output(pattern), FILES, succeeded=True)] == blobs


def test_a_file_without_wildcard_takes_the_name_it_is_given_or_its_own() -> None:
    (file,) = find(output("out/a.csv", path=None), FILES, succeeded=True)
    assert (file.blob, file.text) == ("a.csv", "a")


@pytest.mark.parametrize(
    ("condition", "succeeded", "count"),
    [("tasksuccess", True, 1), ("tasksuccess", False, 0), ("taskfailure", False, 1), ("taskcompletion", False, 1)],
)
def test_the_condition_of_an_output_file_holds(condition: str, succeeded: bool, count: int) -> None:
    assert len(find(output("result.csv", condition=condition), FILES, succeeded=succeeded)) == count
