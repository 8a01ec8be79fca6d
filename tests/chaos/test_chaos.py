"""Runs on services that fail all the time, ended in every way at any moment, and run again.

Each round is made from its seed: the faults, the way to end the run and the moment; twenty in a row have each ending
with each set of faults. CHAOS_ROUNDS says how many there are, CHAOS_SEED the first seed; a round that failed is
repeated by its own.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from localbatch.launcher import CONNECTION_VARIABLE, LocalAzure
from prefect_azure_batch.flows.account import local_account
from tests.flows.conftest import left_behind
from tests.support.processes import wait_until

FIRST_SEED = int(os.environ.get("CHAOS_SEED", "1"))
ROUNDS = int(os.environ.get("CHAOS_ROUNDS", "1"))
INPUTS = int(os.environ.get("CHAOS_INPUTS", "60"))
LIMIT = 240

FAULTS = [
    ("--fault=throttle=0.15", "--fault=busy=0.15", "--fault=fail=0.1", "--fault=reset=0.1", "--fault=item=0.1"),
    ("--blob-fault=throttle=0.1", "--blob-fault=busy=0.1", "--blob-fault=fail=0.05", "--blob-fault=reset=0.05"),
    ("--fault=reset=0.3", "--blob-fault=reset=0.1"),
    ("--fault=throttle=0.3", "--blob-fault=throttle=0.2", "--latency-ms=20"),
]
ENDINGS = [None, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL]
ROUNDS_TO_PLAY = range(FIRST_SEED, FIRST_SEED + ROUNDS)
RING = Path(__file__).parents[2] / "examples" / "mpi"


@dataclass(frozen=True)
class Round:
    """A local Azure that fails, a directory, and a way to end the first of two runs."""

    azure: LocalAzure
    directory: Path
    server: str
    ending: signal.Signals | None

    def start(self, flow: str, *arguments: str) -> "subprocess.Popen[str]":
        """Starts a flow in a process group of its own."""
        command = [
            sys.executable,
            "-m",
            f"flows.{flow}",
            *arguments,
            "--results",
            str(self.directory / "out"),
            "--json",
        ]
        connection = self.directory / "azure.json"
        connection.write_text(self.azure.endpoints.to_line())
        variables = os.environ | {CONNECTION_VARIABLE: str(connection), "PREFECT_API_URL": self.server}
        return subprocess.Popen(
            command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )

    def play(self, is_time: Callable[[], bool], flow: str, *arguments: str) -> dict[str, Any]:
        """Ends a run when it is time, and starts the same again; the result of that which comes to its end."""
        first = self.start(flow, *arguments)
        if self.ending is None:
            return answer(first)
        wait_until(lambda: is_time() or first.poll() is not None, LIMIT)
        if first.poll() is not None:
            return answer(first)  # it was faster
        os.killpg(first.pid, self.ending)
        said = first.communicate(timeout=60)[1]
        assert first.returncode in (128 + self.ending, -self.ending), said
        if self.ending != signal.SIGKILL:
            assert self.left() == []
        return answer(self.start(flow, *arguments))

    def left(self) -> list[str]:
        """Pools and jobs that are there when all has ended."""
        return left_behind(local_account(self.azure))


def answer(process: "subprocess.Popen[str]") -> dict[str, Any]:
    printed, said = process.communicate(timeout=LIMIT)
    assert process.returncode == 0, said
    result: dict[str, Any] = json.loads(printed)
    return result


def begun(log: Path) -> int:
    return len(log.read_text().splitlines()) if log.exists() else 0


@contextmanager
def failing(seed: int, ending: int, directory: Path, server: str) -> Iterator[Round]:
    """A round of that seed, and with one of the endings."""
    options = (*FAULTS[seed % len(FAULTS)], f"--fault-seed={seed}")
    with LocalAzure(attach=False, options=options) as azure:
        yield Round(azure, directory, server, ENDINGS[ending % len(ENDINGS)])


@pytest.mark.timeout(2 * LIMIT)
@pytest.mark.parametrize("seed", ROUNDS_TO_PLAY)
def test_every_input_comes_out_right_and_nothing_is_left(seed: int, tmp_path: Path, prefect_server: str) -> None:
    moment, log, inputs = random.Random(seed).randrange(INPUTS // 2), tmp_path / "ran", tmp_path / "inputs"
    inputs.mkdir()
    for number in range(INPUTS):
        (inputs / f"{number:04}.txt").write_text(f"{tmp_path} {number}")
    command = f"echo {{stem}} >> {log}; sleep 0.3; tr a-z A-Z < {{input}} > {{stem}}.out"
    arguments = ("--inputs", str(inputs), "--command", command, "--outputs", "*.out", "--slots", "4")
    with failing(seed, 2 * seed + 2, tmp_path, prefect_server) as work:
        result = work.play(lambda: begun(log) > moment, "map_flow", *arguments)
        assert result["counts"]["failed"] == 0
        assert work.left() == []
    for task, number in zip(result["tasks"], range(INPUTS), strict=True):
        assert Path(task["outputs"][0]).read_text() == f"{tmp_path} {number}".upper()


@pytest.mark.timeout(2 * LIMIT)
@pytest.mark.parametrize("seed", ROUNDS_TO_PLAY)
def test_an_mpi_program_comes_out_right(seed: int, tmp_path: Path, prefect_server: str) -> None:
    command = "python3 -m mpi4py {app}/ring.py numbers.txt numbers2.txt"
    arguments = ("--app", str(RING / "app"), "--inputs", str(RING / "inputs"), "--command", command)
    with failing(seed, 2 * seed, tmp_path, prefect_server) as work:
        moment = time.monotonic() + random.Random(seed).uniform(3, 12)
        result = work.play(lambda: time.monotonic() > moment, "mpi_flow", *arguments)
        assert "Total sum = 36" in Path(result["tasks"][0]["stdout"]).read_text()
        assert [subtask["exit_code"] for subtask in result["subtasks"]] == [0, 0]
        assert work.left() == []
