"""Standard output and error as a shell may leave them."""

import subprocess
import sys

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
