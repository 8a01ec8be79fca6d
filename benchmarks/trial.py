"""A map over a few inputs that something happens to, and what is left of it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from azure.batch import BatchClient
from azure.core.credentials import AzureNamedKeyCredential
from azure.core.exceptions import AzureError
from azure.storage.blob import BlobServiceClient

from localbatch.launcher import CONNECTION_VARIABLE, LocalAzure

HOLD_SECONDS = 16
LIMIT = 240.0
_OURS = ("map-", "mpi-")


@dataclass
class Trial:
    """A local Azure that keeps what it has, and a command.

    Attributes:
        home: directory of all that belongs to it.
        options: of the local Azure.
        inputs: how many there are.
        arguments: further ones of the map.
        server: URL of a Prefect server's API.
    """

    home: Path
    server: str
    options: tuple[str, ...] = ()
    inputs: int = 16
    arguments: tuple[str, ...] = ()
    azure: LocalAzure = field(init=False)
    log: Path = field(init=False)
    _runs: "list[subprocess.Popen[str]]" = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self.log = self.home / "begun"
        (self.home / "in").mkdir(parents=True)
        for number in range(self.inputs):
            (self.home / "in" / f"n{number:03}").write_text(f"{self.home.name} {number}")
        self.open_azure(*self.options)

    def open_azure(self, *options: str) -> None:
        """Starts the local Azure, with what it had before."""
        self.azure = LocalAzure(root=self.home / "azure", options=options, attach=False)
        (self.home / "azure.json").write_text(self.azure.endpoints.to_line())

    @property
    def environment(self) -> dict[str, str]:
        """Of commands."""
        return os.environ | {CONNECTION_VARIABLE: str(self.home / "azure.json"), "PREFECT_API_URL": self.server}

    @property
    def parameters(self) -> dict[str, object]:
        """Of the map, but for what its arguments say."""
        command = f"echo {{stem}} >> {self.log}; sleep 0.5; test ! -e {self.home}/spoilt && cat {{input}}"
        return {"inputs": [str(self.home / "in")], "command": command, "results": str(self.home / "out"), "slots": 2}

    def start(self, **variables: str) -> "subprocess.Popen[str]":
        """Starts the map in a process group of its own."""
        options = [
            word
            for name, value in self.parameters.items()
            for word in (f"--{name}", *([value[0]] if isinstance(value, list) else [str(value)]))
        ]
        command = [sys.executable, "-m", "prefect_azure_batch.flows.map_flow", *options, *self.arguments, "--json"]
        with (self.home / "said").open("a") as said, (self.home / "result.json").open("w") as printed:
            run = subprocess.Popen(
                command, env=self.environment | variables, stdout=printed, stderr=said, text=True,
                start_new_session=True,
            )  # fmt: skip
        self._runs.append(run)
        return run

    def stop(self) -> None:
        """Ends the maps that still run, hard, and the local Azure."""
        for run in self._runs:
            if run.poll() is None:
                os.killpg(run.pid, signal.SIGKILL)
                run.wait()
        self.azure.stop()

    def said(self) -> str:
        """What the commands have said so far."""
        return (self.home / "said").read_text()

    def begun(self) -> int:
        """How many times a task was begun."""
        return len(self.log.read_text().split()) if self.log.exists() else 0

    def client(self) -> BatchClient:
        """A client for Batch."""
        found = self.azure.endpoints
        return BatchClient(found.batch_endpoint, AzureNamedKeyCredential(found.batch_account, found.batch_key))

    def blobs(self) -> BlobServiceClient:
        """A client for blobs."""
        return BlobServiceClient.from_connection_string(self.azure.endpoints.storage_connection_string)

    def left(self) -> list[str]:
        """Pools and jobs of runs that are in the account."""
        with self.client() as client:
            names = [f"pool {pool.id}" for pool in client.list_pools() if pool.state != "deleting"]
            names += [f"job {job.id}" for job in client.list_jobs() if job.state != "deleting"]
        return [name for name in names if name.split()[1].startswith(_OURS)]

    def seconds_until_clean(self, limit: float) -> float | None:
        """Waits until nothing is left; None if something stays."""
        begun = time.monotonic()
        while time.monotonic() - begun < limit:
            with suppress(AzureError):
                if not self.left():
                    return time.monotonic() - begun
            time.sleep(0.5)
        return None

    def upkeep(self) -> None:
        """Runs upkeep, once a dead run can be told from one that lives."""
        time.sleep(HOLD_SECONDS)
        command = [sys.executable, "-m", "prefect_azure_batch.flows.upkeep_flow", "--delete"]
        subprocess.run(command, env=self.environment, capture_output=True, check=True)

    def again(self) -> tuple[int, int]:
        """Runs the map again: its exit status, and how many outputs are right."""
        status = self.start().wait(LIMIT)
        with suppress(ValueError):
            tasks = json.loads((self.home / "result.json").read_text())["tasks"]
            read = [(task["stdout"] or os.devnull, task["input"]) for task in tasks]
            return status, sum(Path(out).read_text() == Path(given).read_text() for out, given in read)
        return status, 0

    def twice(self) -> int:
        """How many times a task was begun that had been begun before."""
        times = Counter(self.log.read_text().split()) if self.log.exists() else Counter()
        return times.total() - len(times)


def heed_signals(*, hangup: bool = False) -> None:
    """Has SIGTERM and SIGHUP end this program as an ordinary exit, so that it ends what it has started.

    It and its children heed SIGINT, too, which one in the background of a script is started to ignore.

    Args:
        hangup: heed SIGHUP even if ``nohup`` has this program ignore it.
    """
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _end)
    if hangup or signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        signal.signal(signal.SIGHUP, _end)


def _end(number: int, frame: FrameType | None) -> None:
    for each in (signal.SIGTERM, signal.SIGHUP):  # `timeout` sends twice, and the second must not stop the clearing up
        signal.signal(each, lambda *_: None)
    sys.exit(128 + number)


@contextmanager
def prefect_server(home: Path, port: int) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """A Prefect server: the URL of its API, and its process, which has a group of its own."""
    command = [sys.executable, "-m", "prefect", "server", "start", "--port", str(port)]
    environment = os.environ | {"PREFECT_HOME": str(home)}
    with (home.parent / f"{home.name}.log").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        url = f"http://127.0.0.1:{port}/api"
        check = [sys.executable, "-c", f"import httpx; httpx.get('{url}/health').raise_for_status()"]
        wait_until(lambda: subprocess.run(check, capture_output=True, check=False).returncode == 0, 120)
        yield url, process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def wait_until(holds: Callable[[], object], seconds: float = LIMIT) -> None:
    """Waits until something holds.

    Raises:
        TimeoutError: it does not in time.
    """
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.1)


def line(cells: Sequence[object]) -> str:
    """A line of a table in Markdown."""
    return f"| {' | '.join(str(cell) for cell in cells)} |"
