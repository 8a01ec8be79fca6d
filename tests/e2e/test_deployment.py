"""The deployments of the flows: deployed to a Prefect server, picked up by a worker, finished."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes import wait_until

REPOSITORY = Path(__file__).resolve().parents[2]
LIMIT = 300


class Prefect:
    """A Prefect server of its own, and the command line that talks to it."""

    def __init__(self, home: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
        self.environment = kept | {
            "PREFECT_HOME": str(home),
            "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
            "PREFECT_SERVER_API_PORT": str(port),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
        }

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "prefect", *arguments]
        return subprocess.Popen(command, cwd=REPOSITORY, env=self.environment, stdin=subprocess.DEVNULL)

    def run(self, *arguments: str) -> str:
        command = [sys.executable, "-m", "prefect", "--no-prompt", *arguments]
        done = subprocess.run(
            command, cwd=REPOSITORY, env=self.environment, capture_output=True, text=True, timeout=LIMIT, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def answers(self) -> bool:
        address = self.environment["PREFECT_API_URL"].removeprefix("http://").partition("/")[0].split(":")
        try:
            socket.create_connection((address[0], int(address[1])), 1).close()
        except OSError:
            return False
        return True


@pytest.fixture
def prefect(tmp_path: Path) -> Iterator[Prefect]:
    prefect = Prefect(tmp_path / "prefect")
    server = prefect.start("server", "start")
    try:
        wait_until(prefect.answers, 120)
        yield prefect
    finally:
        server.terminate()
        server.wait(30)


def test_the_deployed_flows_are_run_by_a_worker_and_finish(prefect: Prefect, tmp_path: Path) -> None:
    prefect.run("work-pool", "create", "azure-batch", "--type", "process")
    prefect.run("deploy", "--all", "--prefect-file", "deployments/prefect.yaml")
    listed = json.loads(prefect.run("deployment", "inspect", "azure-batch-map/nightly-map", "--output", "json"))
    assert [schedule["schedule"]["cron"] for schedule in listed["schedules"]] == ["15 2 * * *"]
    worker = prefect.start("worker", "start", "--pool", "azure-batch")
    try:
        for name in ("azure-batch-map/nightly-map", "azure-batch-mpi/mpi"):
            run = json.dumps({"results": str(tmp_path / name)})
            prefect.run("deployment", "run", name, "--param", f"run={run}", "--watch")
    finally:
        worker.terminate()
        worker.wait(60)
    assert len(list((tmp_path / "azure-batch-map" / "nightly-map").glob("*/stdout.txt"))) == 4
    (stdout,) = (tmp_path / "azure-batch-mpi" / "mpi").glob("mpi-*/stdout.txt")
    assert "Total sum = 36" in stdout.read_text()
