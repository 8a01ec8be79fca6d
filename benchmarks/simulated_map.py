"""A map over very many inputs on simulated nodes, by the map flow's own code: what it takes of time, memory and calls.

    python -m benchmarks.simulated_map [--inputs 1000 10000] [--nodes 50] [--slots 8] [--files] [--no-logs] [--json]

Each row is ``python -m flows.map_flow`` with a Prefect server and a local Azure of its own. Inputs are the values of a
sweep or, with ``--files``, files that are read and uploaded. Each task is over at once and leaves its two logs in
storage, from where the flow collects them. With ``--no-logs`` nodes leave nothing, so that two million blobs
need not be written for a million tasks; then each task is told to have failed, which is the longer way for the flow.

seconds                 until the flow's process has ended
flow CPU, flow MiB      its CPU seconds, and the memory that it has taken at most
bytes each              by how much more that is for each input beyond those of the row before
service, Azurite,       the same of the Batch service, of the Blob service and of the Prefect server
Prefect
Batch calls, each       requests of the flow to Batch, and how many that is for each input
Blob calls              those to Blob storage, without what nodes send there. They are counted for up to 100,000 inputs,
                        for what counts them takes a millisecond for each
flow runs ...           rows of the Prefect server's database after the run
"""

import argparse
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import psutil

from benchmarks.arguments import amount
from benchmarks.counting import counted
from benchmarks.findings import Target, at_most, show
from benchmarks.trial import heed_signals
from localbatch.launcher import CONNECTION_VARIABLE, LocalAzure
from localbatch.wire.connection import Endpoints

MIB = 1 << 20
MOST_BLOBS_COUNTED = 100_000
_IN_ONE_DIRECTORY = 10_000
_LOOK_AGAIN_SECONDS = 0.5
FAILED_TASKS = 1
RECORDS = {"flow runs": "flow_run", "task runs": "task_run", "events": "events", "log lines": "log"}


def make_files(folder: Path, count: int) -> None:
    """Makes so many files, no two with the same content."""
    for number in range(count):
        if number % _IN_ONE_DIRECTORY == 0:
            (folder / f"{number // _IN_ONE_DIRECTORY:03}").mkdir(parents=True)
        (folder / f"{number // _IN_ONE_DIRECTORY:03}" / f"{number:07}.txt").write_text(f"{folder} {number}")


@dataclass
class Spent:
    """What a process has spent: CPU seconds, and bytes of memory at most."""

    cpu: float = 0.0
    peak: int = 0

    def look(self, process: psutil.Process) -> None:
        """Takes what a process has spent so far; one that has ended has said it before."""
        with suppress(psutil.Error, OSError, StopIteration):
            times = process.cpu_times()
            self.cpu = times.user + times.system
            lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
            self.peak = max(self.peak, next(int(line.split()[1]) * 1024 for line in lines if "VmHWM" in line))


@contextmanager
def watched(flow: int, service: int) -> Iterator[Mapping[str, Spent]]:
    """What the processes of a run spend while it goes: those of the flow and of the service, and a child of each."""
    spent = {name: Spent() for name in ("flow", "prefect", "service", "azurite")}
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(_LOOK_AGAIN_SECONDS):
            for number, own, child in ((flow, "flow", "prefect"), (service, "service", "azurite")):
                with suppress(psutil.Error):
                    process = psutil.Process(number)
                    spent[own].look(process)
                    for each in process.children()[:1]:
                        spent[child].look(each)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield spent
    finally:
        ended.set()
        watcher.join()


@contextmanager
def counting(azure: LocalAzure, *, blobs: bool) -> Iterator[tuple[Endpoints, Counter[str], Counter[str]]]:
    """The way to a local Azure by what counts requests, those to Blob storage only if asked to."""
    with counted(azure.endpoints, blobs=blobs) as (endpoints, batch, blob):
        yield endpoints, batch, blob


def command(asked: argparse.Namespace, count: int, folder: Path) -> list[str]:
    """The map over so many inputs."""
    given = ["--sweep", f"n=1..{count}", "--command", "true {n}"]
    if asked.files:
        make_files(folder / "inputs", count)
        given = ["--inputs", str(folder / "inputs"), "--command", "true"]
    return [
        sys.executable, "-m", "prefect_azure_batch.flows.map_flow", *given, "--results", str(folder / "results"),
        "--nodes", str(asked.nodes), "--slots", str(asked.slots),
    ]  # fmt: skip


def simulation(asked: argparse.Namespace, folder: Path) -> tuple[str, ...]:
    """Options of the local Azure that say what its nodes do."""
    if not asked.no_logs:
        return ()
    file = folder / "simulation.yaml"
    file.write_text("stdout: null\nstderr: null\n")
    return (f"--simulation={file}",)


def records(home: Path) -> dict[str, int]:
    """What a Prefect server has written."""
    with closing(sqlite3.connect(f"file:{home / 'prefect.db'}?mode=ro", uri=True)) as database:
        return {
            name: int(database.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
            for name, table in RECORDS.items()
        }


def measure(asked: argparse.Namespace, count: int) -> dict[str, object]:
    """A run, as a row without what compares it with others.

    Raises:
        SystemExit: it failed.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (
            LocalAzure(driver="simulated", attach=False, options=simulation(asked, folder)) as azure,
            counting(azure, blobs=count <= MOST_BLOBS_COUNTED) as (endpoints, batch, blob),
        ):
            words = command(asked, count, folder)
            (folder / "azure.json").write_text(endpoints.to_line())
            unset = {key: value for key, value in os.environ.items() if not key.startswith("PREFECT_")}
            own = {CONNECTION_VARIABLE: str(folder / "azure.json"), "PREFECT_HOME": str(folder / "prefect")}
            begun = time.perf_counter()
            with (folder / "said").open("wb") as said:
                process = subprocess.Popen(words, env=unset | own, stdout=said, stderr=said)
                try:
                    with watched(process.pid, azure.endpoints.pid) as spent:
                        status = process.wait()
                finally:
                    process.kill()
            seconds = time.perf_counter() - begun
        check(folder, count, status, FAILED_TASKS if asked.no_logs else 0)
        columns = {"flow": "flow", "service": "service", "azurite": "Azurite", "prefect": "Prefect"}
        return {
            "inputs": count, "seconds": round(seconds, 1),
            **{f"{title} CPU": round(spent[name].cpu, 1) for name, title in columns.items()},
            **{f"{title} MiB": round(spent[name].peak / MIB, 1) for name, title in columns.items()},
            "bytes each": None,
            "Batch calls": batch.total(), "each": round(batch.total() / count, 4),
            "Blob calls": sum(number for kind, number in blob.items() if "nodes" not in kind) if blob else None,
            **records(folder / "prefect"),
        }  # fmt: skip


def check(folder: Path, count: int, status: int, wanted: int) -> None:
    """Refuses a run that has not ended as it should, or whose results are not all there."""
    index = folder / "results" / "index.jsonl"
    ended = 0
    if index.exists():
        with index.open("rb") as lines:
            ended = sum(1 for _ in lines)
    if status != wanted or ended != count:
        kept = Path(tempfile.gettempdir(), f"simulated-map-{count}.log")
        shutil.copy(folder / "said", kept)
        raise SystemExit(f"{ended} of {count} results are there; the flow ended with {status}: see {kept}")


def compared(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """The rows, each with the bytes for each input beyond those of the one before."""
    for before, row in pairwise(rows):
        more = _number(row, "inputs") - _number(before, "inputs")
        if more > 0:
            row["bytes each"] = round((_number(row, "flow MiB") - _number(before, "flow MiB")) * MIB / more)
    return rows


def targets(rows: Sequence[Mapping[str, object]]) -> list[Target]:
    """What is wanted of the rows."""
    found = []
    for before, row in zip([None, *rows], rows, strict=False):
        count = int(_number(row, "inputs"))
        if count >= 10_000:  # of fewer tasks, those of pool and job are more than the rest
            found.append(at_most(0.02, _number(row, "each"), f"calls to Batch for each of {count:,} tasks"))
        if count >= 100_000:
            found.append(at_most(512, _number(row, "flow MiB"), f"MiB of the flow's process at {count:,} inputs"))
        if before is not None and _number(before, "inputs") >= 10_000 and row["bytes each"] is not None:
            found.append(at_most(200, _number(row, "bytes each"), f"bytes for each input, up to {count:,}"))
    return found


def _number(row: Mapping[str, object], name: str) -> float:
    value = row[name]
    assert isinstance(value, int | float)
    return value


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the table and the targets."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--inputs", nargs="+", type=amount, default=[1000, 10_000], help="how many, a row for each")
    parser.add_argument("--nodes", type=amount, default=50)
    parser.add_argument("--slots", type=amount, default=8, help="of each node")
    parser.add_argument("--files", action="store_true", help="inputs are files instead of values")
    parser.add_argument("--no-logs", action="store_true", help="tasks leave nothing in storage, and have failed")
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse_args(arguments)
    heed_signals()
    rows = []
    for count in asked.inputs:
        rows.append(measure(asked, count))
        print(", ".join(f"{name} {value}" for name, value in rows[-1].items()), file=sys.stderr, flush=True)
    show(compared(rows), targets(rows), as_json=asked.json)


if __name__ == "__main__":
    main()
