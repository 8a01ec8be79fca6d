"""``python -m flows.map_flow``, as a user runs it."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.processes import descendants, wait_until

LIMIT = 240


def environment(**changes: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "LOCALBATCH_"))}
    return kept | {"PREFECT_HOME": os.environ["PREFECT_HOME"]} | changes


def map_flow(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "flows.map_flow", *arguments]
    return subprocess.run(
        command, env=environment(**variables), capture_output=True, text=True, timeout=LIMIT, check=False
    )


def test_json_is_the_last_thing_on_standard_output(two_files: Path, tmp_path: Path, prefect_server: str) -> None:
    done = map_flow(
        "--inputs", str(two_files), "--command", "wc -c < {input}", "--results", str(tmp_path / "out"), "--json",
        PREFECT_API_URL=prefect_server,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["counts"] == {"succeeded": 2, "failed": 0, "skipped": 0}
    assert [int(Path(task["stdout"]).read_text()) for task in result["tasks"]] == [5, 10]


def test_a_failed_task_gives_status_1_and_its_exit_code(two_files: Path, tmp_path: Path, prefect_server: str) -> None:
    done = map_flow(
        "--inputs", str(two_files), "--command", "grep alpha {input} || exit 3", "--results", str(tmp_path), "--json",
        PREFECT_API_URL=prefect_server,
    )  # fmt: skip
    assert done.returncode == 1
    assert [task["exit_code"] for task in json.loads(done.stdout)["tasks"]] == [0, 3]
    assert "exit code 3" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("--inputs", "/no/such/*.csv", "--command", "cat {input}"),
        ("--inputs", "README.md", "README.md", "--command", "cat {input}"),
        ("--inputs", "README.md", "--command", "cat {inptu}"),
        ("--inputs", "README.md", "--command", "{app}/x", "--app", "/no/such/program"),
        ("--inputs", "README.md", "--command", "cat", "--nodes", "0"),
        ("--inputs", "README.md", "--command", "cat", "--slots", "-1"),
        ("--inputs", "README.md", "--command", "cat", "--outputs", "../x"),
        ("--inputs", "README.md"),
        ("--inputs", "", "--command", "cat {input}"),
        ("--inputs", "README.md", "--command", "cat {input}", "--app", ""),
        ("--inputs", "README.md", "--command", "cat {input}", "--results", "README.md/below"),
    ],
)
def test_bad_input_gives_status_2_and_one_line(arguments: tuple[str, ...]) -> None:
    done = map_flow(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.strip().splitlines()) == 1


def test_the_default_run_prints_each_input_node_and_output(tmp_path: Path) -> None:
    done = map_flow("--results", str(tmp_path), PREFECT_HOME=str(tmp_path / "prefect"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Input: ") == done.stdout.count("Node: ") == done.stdout.count("Host IP: ") == 4
    assert "The first reading" in done.stdout
    assert "4 succeeded, 0 failed" in done.stdout
    assert recorded_task_runs(tmp_path / "prefect") == {"COMPLETED": 4 * 4 + 5}


def recorded_task_runs(home: Path) -> dict[str, int]:
    """Task runs by state in the database that Prefect's temporary server has left."""
    with closing(sqlite3.connect(home / "prefect.db")) as database:
        return dict(database.execute("SELECT state_type, count(*) FROM task_run GROUP BY state_type"))


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_process_is_left_when_the_flow_is_killed(how: signal.Signals, two_files: Path, tmp_path: Path) -> None:
    marker = tmp_path / "started"
    command = [
        sys.executable, "-m", "flows.map_flow", "--inputs", str(two_files), "--results", str(tmp_path / "out"),
        "--command", f"touch {marker}; sleep 300",
    ]  # fmt: skip
    variables = environment(PREFECT_HOME=str(tmp_path / "prefect"))
    flow = subprocess.Popen(command, env=variables, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        wait_until(marker.exists, 120)
        ours = descendants(flow.pid)
        assert len(ours) > 4
        os.killpg(flow.pid, how)  # as Ctrl-C in a terminal does
        said = flow.communicate(timeout=30)[1]
        wait_until(lambda: not any(process.alive() for process in ours), 10)
        if how == signal.SIGINT:
            assert flow.returncode == 130
            assert said.splitlines()[-1] == "map_flow: interrupted; what the run had made has been deleted."
    finally:
        flow.kill()
