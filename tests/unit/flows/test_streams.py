"""Standard output and error as a shell may leave them."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys
from prefect_azure_batch.flows.streams import NotWritten, open_standard_streams, write_lines
open_standard_streams()
try:
    write_lines(["a result"])
except NotWritten as error:
    sys.stderr.write(str(error))
    sys.exit(1)
"""


@pytest.mark.parametrize(
    ("redirection", "status", "said"),
    [
        ("", 0, "a result\n"),
        (">&-", 0, ""),
        (">&- 2>&-", 0, ""),
        ("> /dev/full", 1, "The result could not be written to standard output: No space left on device."),
        ("> /dev/full 2>&-", 1, ""),
    ],
)
def test_a_result_is_written_or_one_line_says_why_not(redirection: str, status: int, said: str) -> None:
    line = f'exec "$0" -c "$1" {redirection}'
    ended = subprocess.run(["/bin/sh", "-c", line, sys.executable, PROGRAM], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout + ended.stderr) == (status, said)


@pytest.mark.parametrize(("redirection", "said"), [("2>&1", "True"), ("", "False"), ("2>&1 >&-", "False")])
def test_whether_both_are_read_at_one_place_is_known(redirection: str, said: str, tmp_path: Path) -> None:
    program = """
import sys
from prefect_azure_batch.flows.streams import open_standard_streams, streams_are_one
open_standard_streams()
open(sys.argv[1], "w").write(str(streams_are_one()))
"""
    line = f'exec "$0" -c "$1" "$2" {redirection}'
    subprocess.run(
        ["/bin/sh", "-c", line, sys.executable, program, str(tmp_path / "said")], capture_output=True, check=True
    )
    assert (tmp_path / "said").read_text() == said
