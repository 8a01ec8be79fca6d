"""A real Prefect server, and the command line that talks to it."""

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx

from tests.support.processes import wait_until

LIMIT = 300


@dataclass(frozen=True)
class Prefect:
    """Prefect as a user has it in a directory, with a server that is there.

    Attributes:
        environment: variables that name the server and a home directory.
        directory: where commands are run.
        python: the Python of the environment that they are run in.
        server: the process of the server, with a process group of its own.
    """

    environment: dict[str, str]
    directory: Path
    python: str = sys.executable
    server: "subprocess.Popen[bytes] | None" = None

    def kill(self) -> None:
        """Kills the server with all its processes."""
        assert self.server is not None
        os.killpg(self.server.pid, signal.SIGKILL)
        self.server.wait()

    def start(self, *arguments: str, own_group: bool = False, **variables: str) -> subprocess.Popen[bytes]:
        """Starts a command of Prefect that goes on until it is stopped."""
        return subprocess.Popen(
            [self.python, "-m", "prefect", *arguments],
            cwd=self.directory,
            env=self.environment | variables,
            stdin=subprocess.DEVNULL,
            start_new_session=own_group,
        )

    def run(self, *arguments: str) -> str:
        """Runs a command of Prefect to its end and returns what it printed."""
        return self.run_python("-m", "prefect", "--no-prompt", *arguments)

    def run_python(self, *arguments: str) -> str:
        """Does the same with Python itself."""
        done = subprocess.run(
            [self.python, *arguments],
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def scheduled(self, flow_name: str) -> int:
        """How many runs of a flow are to begin later."""
        asked = {
            "flows": {"name": {"any_": [flow_name]}},
            "flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}},
        }
        url = f"{self.environment['PREFECT_API_URL']}/flow_runs/count"
        return int(httpx.post(url, json=asked, timeout=30, trust_env=False).raise_for_status().text)

    @contextmanager
    def worker(self, pool: str) -> Iterator[None]:
        """A worker that runs as long as the context, and looks for work each second instead of all ten."""
        worker = self.start("worker", "start", "--pool", pool, PREFECT_WORKER_QUERY_SECONDS="1")
        try:
            yield
        finally:
            worker.terminate()
            worker.wait(60)


def make_home(shared: Path, home: Path) -> Path:
    """Makes a home directory of Prefect whose database is there, which takes long and is done once for all workers.

    Args:
        shared: directory that all workers of the tests share.
        home: what to make.
    """
    made = shared / "prefect-home"
    with (shared / "prefect-home.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            new = made.with_suffix(".new")
            command = [sys.executable, "-m", "prefect", "server", "database", "upgrade", "--yes"]
            variables = _unset() | {"PREFECT_HOME": str(new)}
            subprocess.run(command, env=variables, check=True, capture_output=True, timeout=LIMIT)
            new.rename(made)
    shutil.copytree(made, home)
    return home


def _unset() -> dict[str, str]:
    """The environment of a user who has set nothing for Prefect or localbatch."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "LOCALBATCH_"))}


@contextmanager
def running_prefect(home: Path, directory: Path) -> Iterator[Prefect]:
    """Prefect with a server of its own.

    Args:
        home: directory of all that Prefect keeps.
        directory: where commands are run.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = probe.getsockname()
    settings = {
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": f"http://127.0.0.1:{address[1]}/api",
        "PREFECT_SERVER_API_PORT": str(address[1]),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        # Tests that ask for events would wait five seconds for each.
        "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_FLUSH_INTERVAL": "0.5",
    }
    prefect = Prefect(_unset() | settings, directory)
    server = prefect.start("server", "start", own_group=True)
    try:
        wait_until(lambda: _answers(settings["PREFECT_API_URL"]), 120)
        yield replace(prefect, server=server)
    finally:
        server.terminate()
        server.wait(30)


def _answers(url: str) -> bool:
    try:  # a connection alone says nothing: one to a free port of this machine can be answered by itself
        return httpx.get(f"{url}/health", timeout=10, trust_env=False).is_success
    except httpx.TransportError:
        return False
