"""How fast the local Batch service is: tasks, requests, adds and lists in a second, and what they take of the machine.

    python -m benchmarks.service_rates [--tasks 1000] [--rounds 3] [--mebibytes 256] [--sizes 1000 100000] [--json]

A lean client (``lean_client.py``) asks, so that it isn't the client that is measured. CPU milliseconds are those of the
service with all its processes, tasks included; Azurite's stand beside them. The most memory is the service's own.

true        tasks of `/bin/true` on 4 nodes with 4 slots, from their adding to the last end; `xargs -P 16` starts the
            same program as often, in turns
files       tasks of `wc -c` that fetch a blob and upload their standard output and error
GET         requests for a job over 4 connections
MiB up/down one large file to a blob and from it
N: ...      a job of N tasks: added by the hundred, the last tenth counted (small jobs again and again); all of them
            listed, whole and with their ids alone; looked through by a filter that none passes; counted; deleted
"""

import argparse
import os
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
from azure.storage.blob import BlobServiceClient, ContainerSasPermissions, generate_container_sas

from benchmarks.arguments import amount, amount_or_none
from benchmarks.findings import Target, at_least, show
from benchmarks.lean_client import LeanClient
from benchmarks.trial import heed_signals
from localbatch.launcher import LocalAzure
from localbatch.wire.connection import Endpoints

_NODES, _SLOTS = 4, 4
_POOL = "rates"
_PROGRAM = "/bin/true"
_AT_ONCE = 100
_CONNECTIONS = 4
_REQUESTS = 4000
_POLL_SECONDS = 0.1
_MEBIBYTE = 1 << 20
_LEAST_ADDED = 10_000
_COUNTS = 100
_SHARE_OF_XARGS = 0.5
_SHARE_OF_SMALL_JOB = 0.8

Tasks = list[dict[str, object]]
Row = dict[str, object]


class Service:
    """A running service, and a client of it.

    Args:
        azure: the service.
    """

    def __init__(self, azure: LocalAzure) -> None:
        self.endpoints = azure.endpoints
        self.client = LeanClient(azure.endpoints)
        self._process = psutil.Process(azure.endpoints.pid)

    def busy(self) -> tuple[float, float]:
        """The seconds of processor time so far: of the service with its tasks, and of Azurite."""
        ours = theirs = 0.0
        for process in [self._process, *self._process.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                times, words = process.cpu_times(), process.cmdline()
                if any(word.endswith("serve.cjs") for word in words):
                    theirs += times.user + times.system
                else:
                    ours += times.user + times.system + times.children_user + times.children_system
        return ours, theirs

    def peak(self) -> int:
        """The most memory it had so far, in MiB."""
        lines = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM:"))


@dataclass(frozen=True)
class Cost:
    """What so many things of one kind took."""

    count: int
    seconds: float
    service: float
    azurite: float = 0.0

    @property
    def rate(self) -> float:
        """How many there were in a second."""
        return self.count / self.seconds

    def row(self, what: str, peak: int | None = None) -> Row:
        """A row of the table."""
        return {
            "what": what,
            "count": self.count,
            "per second": round(self.rate),
            "CPU ms each": round(self.service / self.count * 1000, 3),
            "Azurite ms each": round(self.azurite / self.count * 1000, 3),
            "most MiB": "" if peak is None else peak,
        }


def measure(service: Service, count: int, act: Callable[[], object]) -> Cost:
    """Does something that counts for so many things."""
    begun, before = time.perf_counter(), service.busy()
    act()
    seconds, after = time.perf_counter() - begun, service.busy()
    return Cost(count, seconds, after[0] - before[0], after[1] - before[1])


def add(service: Service, job: str, tasks: Sequence[dict[str, object]]) -> None:
    """Adds tasks by the hundred."""
    for begin in range(0, len(tasks), _AT_ONCE):
        service.client.add_tasks(job, tasks[begin : begin + _AT_ONCE])


def run_tasks(service: Service, tasks: Tasks) -> None:
    """Adds a job with these tasks and waits until all of them have succeeded."""
    job = f"job-{time.monotonic_ns()}"
    service.client.add_job(job, _POOL)
    add(service, job, tasks)
    while (counts := service.client.count_completed(job))[0] < len(tasks):
        time.sleep(_POLL_SECONDS)
    assert not counts[1], f"{counts[1]} tasks failed"


def plain_tasks(count: int, first: int = 0) -> Tasks:
    """Tasks that do nothing."""
    return [{"id": f"task-{number:07}", "commandLine": _PROGRAM} for number in range(first, first + count)]


def xargs(count: int) -> Cost:
    """The same program without any Batch, so many times."""
    line = f"seq {count} | xargs -P {_NODES * _SLOTS} -n 1 {_PROGRAM}"
    begun, before = time.perf_counter(), os.times()
    subprocess.run(["/bin/sh", "-c", line], check=True)
    after = os.times()
    busy = after.children_user + after.children_system - before.children_user - before.children_system
    return Cost(count, time.perf_counter() - begun, busy)


class Blobs:
    """A container with one small blob.

    Args:
        endpoints: of the local Azure.
    """

    def __init__(self, endpoints: Endpoints) -> None:
        with BlobServiceClient.from_connection_string(endpoints.storage_connection_string) as client:
            container = client.create_container("rates")
            container.upload_blob("input", b"some bytes\n")
        signature = generate_container_sas(
            endpoints.storage_account,
            "rates",
            account_key=endpoints.storage_key,
            permission=ContainerSasPermissions(read=True, write=True, list=True),
            expiry=datetime.now(UTC) + timedelta(hours=6),
        )
        self._url, self._signature = f"{endpoints.blob_endpoint}/rates", signature

    def source(self, blob: str) -> dict[str, object]:
        """A resource file."""
        return {"httpUrl": f"{self._url}/{blob}?{self._signature}", "filePath": "input"}

    def output(self, pattern: str, blob: str) -> dict[str, object]:
        """An output file."""
        container = {"containerUrl": f"{self._url}?{self._signature}", "path": blob}
        options = {"uploadCondition": "taskcompletion"}
        return {"filePattern": pattern, "destination": {"container": container}, "uploadOptions": options}

    def tasks(self, count: int) -> Tasks:
        """Tasks with one resource file and two output files."""
        return [
            {
                "id": (name := f"task-{number:07}"),
                "commandLine": "/bin/sh -c 'wc -c < input'",
                "resourceFiles": [self.source("input")],
                "outputFiles": [self.output(f"../std{end}.txt", f"{name}/std{end}.txt") for end in ("out", "err")],
            }
            for number in range(count)
        ]

    def up(self, mebibytes: int) -> Tasks:
        """A task that makes a large file, which is uploaded."""
        return [
            {"id": "up", "commandLine": f"truncate -s {mebibytes}M big", "outputFiles": [self.output("big", "big")]}
        ]

    def down(self) -> Tasks:
        """A task for which that file is fetched."""
        return [{"id": "down", "commandLine": _PROGRAM, "resourceFiles": [self.source("big")]}]


def measure_tasks(service: Service, blobs: Blobs, count: int, rounds: int) -> tuple[list[Row], Target]:
    """What tasks cost, and how fast they are beside `xargs`."""
    turns = [
        (measure(service, count, lambda: run_tasks(service, plain_tasks(count))), xargs(count)) for _ in range(rounds)
    ]
    ours, theirs = (sorted(column, key=lambda cost: cost.rate)[rounds // 2] for column in zip(*turns, strict=True))
    share = statistics.median(mine.rate / other.rate for mine, other in turns)
    files = [measure(service, count, lambda: run_tasks(service, blobs.tasks(count))) for _ in range(rounds)]
    with_files = sorted(files, key=lambda cost: cost.rate)[rounds // 2]
    rows = [
        ours.row("true", service.peak()),
        theirs.row("true by xargs"),
        with_files.row("files", service.peak()),
    ]
    return rows, at_least(_SHARE_OF_XARGS, share, "tasks a second of those that xargs starts")


def measure_requests(service: Service) -> Row:
    """What a request for a job costs."""
    service.client.add_job("asked", _POOL)

    def ask(_: int) -> None:
        client = LeanClient(service.endpoints)
        for _ in range(_REQUESTS // _CONNECTIONS):
            client.call("GET", "/jobs/asked")

    def ask_all() -> None:
        with ThreadPoolExecutor(_CONNECTIONS) as threads:
            list(threads.map(ask, range(_CONNECTIONS)))

    return measure(service, _REQUESTS, ask_all).row("GET", service.peak())


def measure_transfers(service: Service, blobs: Blobs, mebibytes: int) -> list[Row]:
    """What it costs to carry one large file."""
    ways = {"MiB up": blobs.up(mebibytes), "MiB down": blobs.down()}
    return [
        measure(service, mebibytes, lambda tasks=tasks: run_tasks(service, tasks)).row(name, service.peak())  # type: ignore[misc]
        for name, tasks in ways.items()
    ]


def measure_real_nodes(tasks: int, rounds: int, mebibytes: int) -> tuple[list[Row], Target]:
    """All that needs processes and blobs."""
    with LocalAzure(attach=False) as azure:
        service, blobs = Service(azure), Blobs(azure.endpoints)
        service.client.add_pool(_POOL, _NODES, _SLOTS)
        run_tasks(service, plain_tasks(_AT_ONCE))
        rows, target = measure_tasks(service, blobs, tasks, rounds)
        return [*rows, measure_requests(service), *measure_transfers(service, blobs, mebibytes)], target


def measure_size(size: int) -> tuple[list[Row], float]:
    """What a job of so many tasks costs; how many tasks can be added in a second of processor time."""
    with LocalAzure(storage=False, driver="simulated", attach=False) as azure:
        service = Service(azure)
        client = service.client
        jobs = [f"large-{number}" for number in range(max(1, _LEAST_ADDED // size))]
        last = min(size, max(_LEAST_ADDED, size // 10))
        for job in jobs:
            client.add_job(job, "none")
            for first in range(0, size - last, _AT_ONCE):
                client.add_tasks(job, plain_tasks(_AT_ONCE, first))
        tasks = plain_tasks(last, size - last)
        steps: dict[str, tuple[int, Callable[[str], object]]] = {
            "add": (last, lambda job: add(service, job, tasks)),
            "list": (size, client.list_tasks),
            "list ids": (size, lambda job: client.list_tasks(job, "$select=id")),
            "filter": (size, lambda job: client.list_tasks(job, "$filter=id%20ge%20%27u%27")),
            "count": (_COUNTS, lambda job: [client.count_completed(job) for _ in range(_COUNTS)]),
            "delete": (size, client.delete_job),
        }
        rows, costs = list[Row](), dict[str, Cost]()
        for name, (count, act) in steps.items():
            costs[name] = measure(service, count * len(jobs), lambda act=act: [act(job) for job in jobs])  # type: ignore[misc]
            rows.append(costs[name].row(f"{size}: {name}", service.peak()))
        return rows, costs["add"].count / costs["add"].service


def measure_sizes(sizes: Sequence[int]) -> tuple[list[Row], list[Target]]:
    """What a job costs when it is small and when it is large."""
    found = [measure_size(size) for size in sizes]
    rows = [row for rows, _ in found for row in rows]
    if len(sizes) == 1:
        return rows, []
    wanted = f"tasks added in a second of processor time to a job of {sizes[-1]}, of those to one of {sizes[0]}"
    return rows, [at_least(_SHARE_OF_SMALL_JOB, found[-1][1] / found[0][1], wanted)]


def main(arguments: Sequence[str] | None = None) -> None:
    """Reads the command line and measures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument(
        "--tasks", type=amount_or_none, default=1000, help="tasks of a job on real nodes; 0 leaves them out"
    )
    parser.add_argument("--rounds", type=amount, default=3, help="turns of the service and xargs")
    parser.add_argument("--mebibytes", type=amount, default=256, help="size of the large file")
    parser.add_argument("--sizes", type=amount, nargs="*", default=[1000, 10_000, 100_000], help="tasks of a job")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    heed_signals()
    rows, targets = list[Row](), list[Target]()
    if options.tasks:
        measured, target = measure_real_nodes(options.tasks, options.rounds, options.mebibytes)
        rows += measured
        targets.append(target)
    if options.sizes:
        of_sizes, met = measure_sizes(options.sizes)
        rows += of_sizes
        targets += met
    show(rows, targets, as_json=options.json)


if __name__ == "__main__":
    main()
