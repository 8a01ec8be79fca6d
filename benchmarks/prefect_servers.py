"""What a Prefect server costs that records a map of many task runs: SQLite and PostgreSQL, as they come and batched.

    python -m benchmarks.prefect_servers [--inputs 500] [--rounds 3] [--json] [WORD...]

Each row is a server of its own with a new database, told of by ``azure-batch-map --group-size 1`` over so many inputs
(four task runs for each) on simulated nodes, with the log of a deployment. Rows take turns, and medians are shown. The
words choose rows whose names hold one of them. PostgreSQL has to be installed; as root it runs as the user postgres.

run        seconds of the map flow's process
recorded   seconds from its end until the server knows of all task runs, or knows of no more
lost       task runs whose end it never knew of
CPU        seconds of the server, and of the database if that is a process of its own
"""

import argparse
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx
import psutil

from benchmarks.arguments import amount, refuse_unknown
from benchmarks.findings import show
from benchmarks.simulated_map import make_files
from benchmarks.trial import heed_signals
from localbatch.launcher import CONNECTION_VARIABLE, LocalAzure
from prefect_azure_batch.flows.environment import RECORDING

QUIET = {"PREFECT_LOGGING_LEVEL": "WARNING"}
AS_DEPLOYED = {"PREFECT_LOGGING_LEVEL": "INFO"}
STAGES = ("Upload inputs: ", "Add tasks: ", "Wait for tasks: ", "Collect outputs: ")
_STALLED_SECONDS, _LIMIT = 30.0, 1800.0


@dataclass(frozen=True)
class Row:
    """A server, and how the flow logs."""

    name: str
    postgres: bool
    server: Mapping[str, str]
    client: Mapping[str, str]


ROWS = [
    Row("SQLite, as it comes", False, {}, AS_DEPLOYED),
    Row("SQLite, batched", False, RECORDING, AS_DEPLOYED),
    Row("PostgreSQL, as it comes", True, {}, AS_DEPLOYED),
    Row("PostgreSQL, batched", True, RECORDING, AS_DEPLOYED),
    Row("PostgreSQL, batched, warnings logged alone", True, RECORDING, QUIET),
]


@dataclass(frozen=True)
class Measured:
    """One run on one server."""

    run: float
    recorded: float
    lost: float
    server_cpu: float
    database_cpu: float


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def postgres(home: Path) -> Iterator[tuple[str, int]]:
    """A PostgreSQL server of its own: the URL of its database, and the id of its process."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    folder = programs[-1] if programs else Path(shutil.which("pg_ctl") or "").parent
    owner = "postgres" if os.getuid() == 0 else None  # it refuses to run as root
    data, port = home / "data", free_port()
    if owner:
        shutil.chown(home, owner)
        home.chmod(0o755)
    make = [
        str(folder / "initdb"),
        "--pgdata",
        str(data),
        "--auth",
        "trust",
        "--username",
        "prefect",
        "--encoding",
        "UTF8",
    ]
    subprocess.run(make, user=owner, cwd=home, check=True, capture_output=True)
    listen = ["-p", str(port), "-c", "listen_addresses=127.0.0.1", "-k", str(home)]
    command = [str(folder / "postgres"), "-D", str(data), *listen]
    with (home / "log").open("w") as log:
        process = subprocess.Popen(command, user=owner, cwd=home, stdout=log, stderr=log)
    try:
        make = [str(folder / "createdb"), "--host", str(home), "--port", str(port), "--username", "prefect", "prefect"]
        deadline = time.monotonic() + 60
        while subprocess.run(make, cwd=home, capture_output=True, check=False).returncode:
            if time.monotonic() > deadline:
                raise SystemExit((home / "log").read_text())
            time.sleep(0.2)
        yield f"postgresql+asyncpg://prefect@127.0.0.1:{port}/prefect", process.pid
    finally:
        process.terminate()
        process.wait()


@contextmanager
def prefect(home: Path, settings: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    """A Prefect server of its own: the URL of its API, and the id of its process."""
    port = free_port()
    own = {"PREFECT_HOME": str(home), "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1"}
    command = [sys.executable, "-m", "prefect", "server", "start", "--port", str(port)]
    with (home.parent / "prefect.log").open("w") as log:
        process = subprocess.Popen(command, env={**unset(), **own, **settings}, stdout=log, stderr=log)
    try:
        url, deadline = f"http://127.0.0.1:{port}/api", time.monotonic() + 300
        while not answers(url):
            if time.monotonic() > deadline or process.poll() is not None:
                raise SystemExit((home.parent / "prefect.log").read_text())
            time.sleep(0.5)
        yield url, process.pid
    finally:
        process.terminate()
        process.wait()


def answers(url: str) -> bool:
    """Whether a server is there."""
    try:
        return httpx.get(f"{url}/health", timeout=10, trust_env=False).is_success
    except httpx.TransportError:
        return False


def unset() -> dict[str, str]:
    """The environment without what somebody has set for Prefect."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}


def busy(pid: int) -> float:
    """CPU seconds of a process and its children; of those that have ended their parent knows."""
    process, total = psutil.Process(pid), 0.0
    for each in (process, *process.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            times = each.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def ended(url: str) -> int:
    """Task runs of the stages of inputs whose end the server knows of."""
    total = 0
    for stage in STAGES:
        states = {"type": {"any_": ["COMPLETED", "FAILED", "CRASHED"]}}
        total += count_runs(url, {"task_runs": {"name": {"like_": stage}, "state": states}})
    return total


def count_runs(url: str, asked: Mapping[str, object]) -> int:
    """Task runs that the server knows of; it is asked again where SQLite is locked."""
    while True:
        answer = httpx.post(f"{url}/task_runs/count", json=asked, timeout=120, trust_env=False)
        if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
            return int(answer.raise_for_status().json())


def run_map(azure: LocalAzure, folder: Path, url: str, count: int, client: Mapping[str, str]) -> float:
    """Seconds of a map over so many inputs."""
    connection, inputs = folder / "azure.json", folder / "inputs"
    connection.write_text(azure.endpoints.to_line())
    make_files(inputs, count)
    own = {CONNECTION_VARIABLE: str(connection), "PREFECT_API_URL": url, "PREFECT_HOME": str(folder / "client")}
    command = [
        sys.executable, "-m", "prefect_azure_batch.flows.map_flow", "--inputs", str(inputs), "--command", "true",
        "--group-size", "1", "--nodes", "50", "--slots", "8", "--results", str(folder / "results"),
    ]  # fmt: skip
    begun = time.perf_counter()
    with (folder / "map.log").open("w") as log:
        subprocess.run(command, env={**unset(), **own, **client}, stdout=log, stderr=log, check=False, timeout=_LIMIT)
    seconds = time.perf_counter() - begun
    with (folder / "results" / "index.jsonl").open("rb") as lines:
        if sum(1 for _ in lines) != count:
            raise SystemExit((folder / "map.log").read_text()[-2000:])
    return seconds


def wait_until_recorded(url: str, expected: int) -> tuple[float, int]:
    """Seconds until a server knows of so many ends, or stops getting to know of more; and how many it knows of."""
    begun = last_change = time.perf_counter()
    known = 0
    while known < expected and time.perf_counter() - last_change < _STALLED_SECONDS:
        now_known = ended(url)
        if now_known > known:
            known, last_change = now_known, time.perf_counter()
        time.sleep(0.2)
    return last_change - begun, known


def measure(row: Row, azure: LocalAzure, count: int) -> Measured:
    """One run."""
    with tempfile.TemporaryDirectory(prefix="servers-") as temporary:
        folder = Path(temporary)
        folder.chmod(0o755)
        (folder / "postgres").mkdir()
        (folder / "home").mkdir()
        with postgres(folder / "postgres") if row.postgres else nullcontext(("", 0)) as (database, database_pid):
            where = {"PREFECT_API_DATABASE_CONNECTION_URL": database} if database else {}
            with prefect(folder / "home", {**row.server, **where}) as (url, pid):
                before = busy(pid), busy(database_pid) if database_pid else 0.0
                seconds = run_map(azure, folder, url, count, row.client)
                recorded, known = wait_until_recorded(url, count * len(STAGES))
                after = busy(pid), busy(database_pid) if database_pid else 0.0
    return Measured(seconds, recorded, count * len(STAGES) - known, after[0] - before[0], after[1] - before[1])


def medians(runs: list[Measured]) -> Measured:
    """The median of each number."""
    names = asdict(runs[0])
    return Measured(**{name: statistics.median(asdict(run)[name] for run in runs) for name in names})


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("words", nargs="*")
    parser.add_argument("--inputs", type=amount, default=500)
    parser.add_argument("--rounds", type=amount, default=3)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args(arguments)
    refuse_unknown(parser, asked.words, [row.name for row in ROWS])
    heed_signals()
    rows = [row for row in ROWS if not asked.words or any(word in row.name for word in asked.words)]
    found: dict[str, list[Measured]] = {row.name: [] for row in rows}
    with LocalAzure(driver="simulated", attach=False) as azure:
        for number in range(asked.rounds):
            for row in rows:
                found[row.name].append(measure(row, azure, asked.inputs))
                print(f"round {number + 1}: {row.name}: {found[row.name][-1]}", file=sys.stderr, flush=True)
    rows_found = [{"server": name, **asdict(medians(runs))} for name, runs in found.items()]
    show(rows_found, as_json=asked.json)


if __name__ == "__main__":
    main()
