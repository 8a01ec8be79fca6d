"""The sessions in examples/sdk whose client is installed here; `make clients` runs those of all clients."""

import subprocess
import sys
from pathlib import Path

from localbatch.launcher import LocalAzure

SESSIONS = Path(__file__).resolve().parents[2] / "examples" / "sdk"
SECONDS = 120


def start(session: str, connection: Path) -> subprocess.Popen[str]:
    command = [sys.executable, str(SESSIONS / session), str(connection)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_sessions_of_the_sdk_go_well_at_the_same_time(tmp_path: Path) -> None:
    connection = tmp_path / "azure.json"
    with LocalAzure(attach=False) as azure:
        connection.write_text(azure.endpoints.to_line())
        names = ("azure_batch_15.py", "azure_batch_15_async.py")
        running = {name: start(name, connection) for name in names}
        ended = {name: process.communicate(timeout=SECONDS) for name, process in running.items()}
    assert [(name, ended[name][1]) for name, process in running.items() if process.returncode] == []
    by_hand, at_once = (ended[name][0].splitlines() for name in names)
    for line in (
        "created twice: PoolExists",
        "changed since: 412",
        "succeeded: 250 failed: 1",
        "failed: fails 3 FailureExitCode None",
        "pages of 100: [100, 100, 51]",
        "stdout: HELLO FROM A BLOB",
        "outputs: 250",
        "missing: TaskNotFound",
        "scheduled: managed hourly:job-1",
        "job ended: enough - task: TaskEnded",
        "too late: 409 JobCompleted",
        "nodes left: 1",
    ):
        assert line in by_hand
    for line in (
        "first: added 50, succeeded 49, failed 1",
        "second: added 30, succeeded 29, failed 1",
        "first: through the node task 49 of first",
        "second: completed enough",
    ):
        assert line in at_once
