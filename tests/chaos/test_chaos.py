"""Runs on services that fail all the time, ended in every way at any moment, and run again.

Each round is made from its seed: the faults, the way to end the run and the moment. CHAOS_ROUNDS says how many there
are, CHAOS_SEED the first seed; a round that failed is repeated by its own.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
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
INPUTS = int(os.environ.get("CHAOS_INPUTS", "24"))
LIMIT = 240

FAULTS = [
    ("--fault=throttle=0.15", "--fault=busy=0.15", "--fault=fail=0.1", "--fault=reset=0.1", "--fault=item=0.1"),
    ("--blob-fault=throttle=0.1", "--blob-fault=busy=0.1", "--blob-fault=fail=0.05", "--blob-fault=reset=0.05"),
    ("--fault=reset=0.3", "--blob-fault=reset=0.1"),
    ("--fault=throttle=0.3", "--blob-fault=throttle=0.2", "--latency-ms=20"),
]
ENDINGS = [None, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL]


@dataclass(frozen=True)
class Round:
    """A local Azure that fails, and a directory."""

    azure: LocalAzure
    directory: Path
    server: str

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

    def left(self) -> list[str]:
        """Pools and jobs that are there when all has ended."""
        return left_behind(local_account(self.azure))


def answer(process: "subprocess.Popen[str]") -> dict[str, Any]:
    printed, said = process.communicate(timeout=LIMIT)
    assert process.returncode == 0, said
    result: dict[str, Any] = json.loads(printed)
    return result


@pytest.mark.timeout(2 * LIMIT)
@pytest.mark.parametrize("seed", range(FIRST_SEED, FIRST_SEED + ROUNDS))
def test_every_input_comes_out_right_and_nothing_is_left(seed: int, tmp_path: Path, prefect_server: str) -> None:
    chance = random.Random(seed)
    options = (*FAULTS[seed % len(FAULTS)], f"--fault-seed={seed}")
    ending, log, inputs = ENDINGS[(seed * 2 + 2) % len(ENDINGS)], tmp_path / "ran", tmp_path / "inputs"
    inputs.mkdir()
    for number in range(INPUTS):
        (inputs / f"{number:04}.txt").write_text(f"{tmp_path} {number}")
    command = f"echo {{stem}} >> {log}; sleep 0.3; tr a-z A-Z < {{input}} > {{stem}}.out"
    arguments = ("--inputs", str(inputs), "--command", command, "--outputs", "*.out", "--slots", "4")
    with LocalAzure(attach=False, options=options) as azure:
        work = Round(azure, tmp_path, prefect_server)
        first = work.start("map_flow", *arguments)
        if ending is not None:
            moment = chance.randrange(INPUTS // 2)
            wait_until(lambda: log.exists() and len(log.read_text().splitlines()) > moment, LIMIT)
            os.killpg(first.pid, ending)
            said = first.communicate(timeout=60)[1]
            assert first.returncode in (128 + ending, -ending), said
            if ending != signal.SIGKILL:
                assert work.left() == []
        result = answer(first if ending is None else work.start("map_flow", *arguments))
        assert result["counts"]["failed"] == 0
        assert work.left() == []
    for task, number in zip(result["tasks"], range(INPUTS), strict=True):
        assert Path(task["outputs"][0]).read_text() == f"{tmp_path} {number}".upper()


def test_an_mpi_program_comes_out_right(tmp_path: Path, prefect_server: str) -> None:
    options = ("--fault=throttle=0.1", "--fault=fail=0.1", "--fault=reset=0.1", "--blob-fault=busy=0.1")
    with LocalAzure(attach=False, options=(*options, f"--fault-seed={FIRST_SEED}")) as azure:
        work, begun = Round(azure, tmp_path, prefect_server), time.monotonic()
        result = answer(work.start("mpi_flow"))
        assert "Total sum = 36" in Path(result["tasks"][0]["stdout"]).read_text()
        assert [subtask["exit_code"] for subtask in result["subtasks"]] == [0, 0]
        assert work.left() == []
        assert time.monotonic() - begun < LIMIT
