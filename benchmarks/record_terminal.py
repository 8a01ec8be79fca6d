"""Records what a run of 40 inputs shows on a terminal, and puts a few moments of it into docs/progress.md.

python -m benchmarks.record_terminal            writes the page anew
python -m benchmarks.record_terminal --print    prints the moments
"""

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.trial import heed_signals
from localbatch.launcher import CONNECTION_VARIABLE, LocalAzure
from tests.support.terminal import Recording, record

PAGE = Path(__file__).resolve().parent.parent / "docs" / "progress.md"
COLUMNS, INPUTS = 100, 40
COMMAND = "sleep $((2 + {index} % 3)); test {index} != 17 || { echo no signal >&2; exit 3; }; wc -c < {input}"
MOMENTS = (r"\d of 40, \d+ uploaded", r" starting", r"Running .* ([6-9]|1\d) of 40", r"Running .* (2[5-9]|3\d) of 40")
"""What the screen holds for the first time at the moments that are shown."""
BEGIN, END = "<!-- recorded by benchmarks/record_terminal.py -->", "<!-- end of the recording -->"

_LAST_LINES = 6


def run(directory: Path) -> Recording:
    """Runs the map flow on a local Azure whose nodes take their time to come."""
    inputs = directory / "samples"
    inputs.mkdir()
    for number in range(INPUTS):
        (inputs / f"{number:02}.txt").write_text(f"sample {number}\n")
    asked = ["--inputs", "samples", "--command", COMMAND.replace("{ echo", "{{ echo").replace("3; }", "3; }}")]
    asked += ["--nodes", "4", "--slots", "2", "--region", "westeurope", "--results", "out", "--no-resume"]
    with LocalAzure(attach=False, allocation_seconds=3, start_seconds=4) as azure:
        variables = os.environ | {
            CONNECTION_VARIABLE: str(Path(azure.endpoints.root) / "connection.json"),
        }
        command = [sys.executable, "-m", "prefect_azure_batch.flows.map_flow", *asked]
        return record(command, variables, COLUMNS, directory=directory)


def moments(recording: Recording, directory: Path) -> Iterator[str]:
    """The screen at each moment, and the end of what stays on it."""
    wanted = list(MOMENTS)
    lines: list[str] = []
    for seconds, screen in recording.screens():
        lines = [re.sub(r"(/#)\S+", r"\1<token>", line).replace(f"{directory}/", "") for line in screen]
        if wanted and any(re.search(wanted[0], line) for line in lines):
            wanted.pop(0)
            yield _block(f"After {seconds:.0f} seconds", lines)
    begin = next((number for number, line in enumerate(lines) if line.startswith("Task: ")), len(lines))
    cut = [*lines[:begin], "... (20 of the tasks)", *lines[-_LAST_LINES:]]
    yield _block(f"At the end, after {recording.pieces[-1][0]:.0f} seconds", cut)


def _block(title: str, lines: list[str]) -> str:
    text = "\n".join(lines).strip("\n")
    return f"{title}:\n\n```text\n{text}\n```\n"


def main() -> int:
    """Records a run, and shows it."""
    heed_signals()
    with tempfile.TemporaryDirectory() as directory:
        recording = run(Path(directory))
        shown = "\n".join(moments(recording, Path(directory)))
    if "--print" in sys.argv:
        sys.stdout.write(shown)
    else:
        before, _, rest = PAGE.read_text().partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n\n{shown}\n{END}{rest.partition(END)[2]}")
    return recording.status


if __name__ == "__main__":
    sys.exit(main())
