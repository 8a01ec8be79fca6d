"""``python -m flows.map_flow`` and ``python -m flows.mpi_flow``, as a user runs them."""

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from prefect_azure_batch.flows.entries import MAP, MPI
from prefect_azure_batch.flows.examples import example
from prefect_azure_batch.flows.main import main
from tests.e2e.conftest import environment, run_flow
from tests.support.prefect_server import running_prefect
from tests.support.processes import descendants, wait_until
from tests.support.terminal import record


def test_json_is_the_last_thing_on_standard_output(two_files: Path, tmp_path: Path, prefect_server: str) -> None:
    done = run_flow(
        "map_flow", "--inputs", str(two_files), "--command", "wc -c < {input}", "--results", str(tmp_path / "out"),
        "--json", PREFECT_API_URL=prefect_server,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["counts"] == {"succeeded": 2, "failed": 0, "skipped": 0}
    assert [int(Path(task["stdout"]).read_text()) for task in result["tasks"]] == [5, 10]


def test_json_of_an_mpi_run_has_the_exit_code_and_every_subtask(tmp_path: Path, prefect_server: str) -> None:
    done = run_flow(
        "mpi_flow", "--nodes", "2", "--results", str(tmp_path), "--json", PREFECT_API_URL=prefect_server
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["counts"] == {"succeeded": 1, "failed": 0, "skipped": 0}
    assert (result["exit_code"], result["tasks"][0]["exit_code"]) == (0, 0)
    (subtask,) = result["subtasks"]
    assert (subtask["id"], subtask["state"], subtask["exit_code"]) == (1, "completed", 0)
    assert subtask["node_id"] not in (None, result["tasks"][0]["node_id"])
    assert "Total sum = 23" in Path(result["tasks"][0]["stdout"]).read_text()
    assert Path(subtask["stdout"]).parent == tmp_path / result["tasks"][0]["task_id"] / "subtask-1"


def test_a_plan_is_printed_and_one_that_cannot_be_gives_status_2(two_files: Path, prefect_server: str) -> None:
    asked = ("--inputs", str(two_files), "--command", "wc -c < {input}", "--plan", "--json")
    done = run_flow("map_flow", *asked, PREFECT_API_URL=prefect_server)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["inputs"]["ours"] == 2
    done = run_flow("map_flow", *asked, "--pool", "none-such", PREFECT_API_URL=prefect_server)
    assert (done.returncode, done.stderr.splitlines()[-1].startswith("map_flow: ")) == (2, True)


def test_a_failed_task_gives_status_1_and_its_exit_code(two_files: Path, tmp_path: Path, prefect_server: str) -> None:
    done = run_flow(
        "map_flow", "--inputs", str(two_files), "--command", "grep alpha {input} || exit 3", "--results", str(tmp_path),
        "--follow", "a*", "--json", PREFECT_API_URL=prefect_server,
    )  # fmt: skip
    assert done.returncode == 1
    assert [task["exit_code"] for task in json.loads(done.stdout)["tasks"]] == [0, 3]
    assert done.stderr.count("exit code 3") == 1
    followed = [
        line.partition(" after ")[0] for line in done.stderr.splitlines() if line.startswith(("a.txt", "b.txt"))
    ]
    assert followed == ["a.txt | alpha", "a.txt: ended with exit code 0"]


def test_a_rank_that_fails_gives_status_1_and_its_exit_code(tmp_path: Path, prefect_server: str) -> None:
    done = run_flow(
        "mpi_flow", "--app", str(example("mpi") / "app"), "--nodes", "2", "--results", str(tmp_path), "--json",
        "--command", "python3 -m mpi4py {app}/ring.py --fail-rank 1 --exit-code 7", PREFECT_API_URL=prefect_server,
    )  # fmt: skip
    assert done.returncode == 1
    assert json.loads(done.stdout)["exit_code"] == 7
    assert "exit code 7" in done.stderr


@pytest.mark.parametrize(
    ("flow", "arguments"),
    [
        ("map_flow", ("--inputs", "/no/such/*.csv", "--command", "cat {input}")),
        ("map_flow", ("--inputs", "README.md", "--command", "cat {inptu}")),
        ("map_flow", ("--inputs", "README.md", "--command", "{app}/x", "--app", "/no/such/program")),
        ("map_flow", ("--inputs", "README.md", "--command", "cat", "--nodes", "0")),
        ("map_flow", ("--inputs", "README.md", "--command", "cat", "--slots", "-1")),
        ("map_flow", ("--inputs", "README.md", "--command", "cat", "--outputs", "../x")),
        ("map_flow", ("--inputs", "README.md")),
        ("map_flow", ("--inputs", "", "--command", "cat {input}")),
        ("map_flow", ("--inputs", "README.md", "--command", "cat {input}", "--app", "")),
        ("map_flow", ("--inputs", "README.md", "--command", "cat {input}", "--results", "README.md/below")),
        ("mpi_flow", ("--nodes", "2", "--instances", "3")),
        ("mpi_flow", ("--nodes", "0")),
        ("mpi_flow", ("--ranks-per-node", "-1")),
        ("mpi_flow", ("--mpi", "lam")),
        ("mpi_flow", ("--slots", "2")),
        ("mpi_flow", ("--command", "./solve", "--inputs", "no/such/mesh.txt")),
        ("mpi_flow", ("--command", "./solve {input}")),
        ("mpi_flow", ("--command", "./solve", "--application-command", "mpirun ./solve")),
    ],
)
def test_bad_input_gives_status_2_and_one_line(
    flow: str, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    status = main({"map_flow": MAP, "mpi_flow": MPI}[flow], arguments)
    said = capsys.readouterr()
    assert (status, said.out) == (2, "")
    assert said.err.startswith(f"{flow}: ")
    assert len(said.err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("flow", "arguments"),
    [
        ("map_flow", ("--inputs", "README.md")),
        ("map_flow", ("--inputs", "README.md", "README.md", "--command", "cat {input}")),
        ("mpi_flow", ("--nodes", "2", "--instances", "3")),
    ],
)
def test_so_does_a_process_of_its_own(flow: str, arguments: tuple[str, ...], prefect_server: str) -> None:
    done = run_flow(flow, *arguments, PREFECT_API_URL=prefect_server)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"{flow}: ")
    assert len(done.stderr.strip().splitlines()) == 1


def test_help_shows_every_option_once_and_what_can_be_typed() -> None:
    done = run_flow("map_flow", "--help")
    options = re.findall(r"^  (--[a-z-]+)", done.stdout, re.MULTILINE)
    assert done.returncode == 0
    assert {"--inputs", "--reduce", "--budget", "--plan", "--json"} <= set(options)
    assert len(options) == len(set(options))
    text = " ".join(done.stdout.split())
    assert all(end in text for end in ("fails. Default: 0.", "not at all. Default: 7.", "in hours. Default: 24."))
    assert "python -m flows.map_flow --inputs data --command 'wc -c < {input}'" in done.stdout


def test_all_flows_are_listed_and_tell_their_version() -> None:
    listed = subprocess.run([sys.executable, "-m", "flows"], capture_output=True, text=True, timeout=60, check=True)
    names = re.findall(r"python -m flows\.(\w+)", listed.stdout)
    assert {"map_flow", "mpi_flow", "upkeep_flow", "check_flow", "explain", "prices"} == set(names)
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", run_flow("map_flow", "--version").stdout)


def test_the_default_run_prints_each_input_node_and_output(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "flows.map_flow", "--results", str(tmp_path)]
    done = record(command, environment(PREFECT_HOME=str(tmp_path / "prefect")), 80, pipes_stdout=True)
    *_, (_, shown) = done.screens()
    assert done.status == 0, shown
    assert [line.split()[0] for line in shown if line] == ["Starting", "Status", *"✓✓✓✓✓✓"]
    assert "\x1b" not in done.stdout
    assert done.stdout.count("Input: ") == done.stdout.count("Node: ") == done.stdout.count("Host IP: ") == 4
    assert "The first reading" in done.stdout
    assert "4 succeeded, 0 failed" in done.stdout
    assert recorded_task_runs(tmp_path / "prefect") == {"COMPLETED": 4 * 4 + 7}


def recorded_task_runs(home: Path) -> dict[str, int]:
    """Task runs by state in the database that Prefect's temporary server has left."""
    with closing(sqlite3.connect(home / "prefect.db")) as database:
        return dict(database.execute("SELECT state_type, count(*) FROM task_run GROUP BY state_type"))


def test_the_default_mpi_run_prints_the_sum_and_a_table_of_subtasks(tmp_path: Path, prefect_server: str) -> None:
    done = run_flow("mpi_flow", "--results", str(tmp_path), PREFECT_API_URL=prefect_server)
    assert done.returncode == 0, done.stderr
    assert "Total sum = 36" in done.stdout
    table = done.stdout.partition("Subtask ")[2].splitlines()
    assert [line.split()[:3] for line in table[1:3]] == [["1", "completed", "0"], ["2", "completed", "0"]]
    assert done.stdout.endswith("1 succeeded, 0 failed, 0 skipped\n")


def test_the_example_of_a_flow_of_ones_own_maps_solves_and_maps_again(tmp_path: Path, prefect_server: str) -> None:
    command = [sys.executable, str(example("pipeline") / "flow.py"), str(tmp_path)]
    variables = environment(PREFECT_API_URL=prefect_server)
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    pictures = [Path(line) for line in done.stdout.splitlines()]
    assert [picture.name for picture in pictures] == ["autumn.svg", "spring.svg", "summer.svg", "winter.svg"]
    days = [re.search(r">\w+: (\d+) days<", picture.read_text()) for picture in pictures]
    readings = (path.read_text() for path in (example("pipeline") / "inputs").iterdir())
    assert sum(int(found[1]) for found in days if found) == sum(len(text.splitlines()) for text in readings)


@pytest.mark.parametrize(
    ("flow", "signals"),
    [
        ("map_flow", [signal.SIGKILL]),
        ("map_flow", [signal.SIGINT, signal.SIGTERM]),
        ("mpi_flow", [signal.SIGHUP]),
    ],
)
def test_no_process_is_left_when_the_flow_is_killed(
    flow: str, signals: list[signal.Signals], prefect_home: Callable[[], Path], two_files: Path, tmp_path: Path
) -> None:
    marker = tmp_path / "started"
    script = f"touch {marker}; sleep 300"
    command = [
        sys.executable, "-m", f"flows.{flow}", "--inputs", str(two_files), "--results", str(tmp_path / "out"),
        "--command", script if flow == "map_flow" else f"/bin/bash -c '{script}'",
    ]  # fmt: skip
    variables = environment(PREFECT_HOME=str(prefect_home()))
    process = subprocess.Popen(command, env=variables, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        wait_until(marker.exists, 120)
        ours = descendants(process.pid)
        assert len(ours) > 4
        for number in signals:
            os.killpg(process.pid, number)  # as Ctrl-C in a terminal does
            time.sleep(0.2)
        said = process.communicate(timeout=30)[1]
        wait_until(lambda: not any(one.alive() for one in ours), 10)
        if signals != [signal.SIGKILL]:
            assert process.returncode == 128 + signals[0]
            assert said.splitlines()[-1] == f"{flow}: interrupted; no pool or job of the run is left."
    finally:
        process.kill()


def test_the_result_does_not_hang_on_prefects_server(
    prefect_home: Callable[[], Path], two_files: Path, tmp_path: Path
) -> None:
    marker, many = tmp_path / "began", 12  # most of whose stages have not begun when Prefect goes
    for number in range(many):
        (two_files / f"{number}").write_text(str(number))
    command = [
        sys.executable, "-m", "flows.map_flow", "--inputs", str(two_files), "--results", str(tmp_path / "out"),
        "--json", "--command", f"touch {marker}; sleep 1; cat {{input}}",
    ]  # fmt: skip
    with running_prefect(prefect_home(), Path.cwd()) as prefect:
        variables = prefect.environment | {"PREFECT_CLIENT_MAX_RETRIES": "0"}
        process = subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        wait_until(marker.exists, 120)
        prefect.kill()
        printed, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert json.loads(printed)["counts"] == {"succeeded": 2 + many, "failed": 0, "skipped": 0}
    assert "Prefect's server cannot be reached" in said.splitlines()[-1]
    assert "Traceback" not in said
