"""Files to blobs and blobs to files: our stages against what else moves them, side by side in one run.

    python -m benchmarks.blob_transfer [--small 1000] [--large 4] [--large-mib 64] [--rounds 3] [--json] [WORD...]

Each contender uploads so many small files (1 to 4 KiB), then downloads two blobs for each into a directory of its own,
as logs of tasks are; and the same with few large ones. They take turns on one local Azure, and medians are shown, with
the processor time of this process alone. The words choose contenders.

ours     the stages ``upload_inputs`` and ``collect_outputs``, which besides name files by their content, list what
         there is, send and check MD5, and let no half file appear under its name
sdk      azure-storage-blob in a loop of 16 threads, by its defaults
raw      http.client on 16 connections, with a signed link: what HTTP and the service let through
obstore  obstore's functions on 16 threads
"""

import argparse
import http.client
import logging
import os
import statistics
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote, urlsplit

import obstore
from azure.storage.blob import ContainerClient
from obstore.store import AzureStore

from benchmarks.arguments import amount, amount_or_none, one_of
from benchmarks.findings import Target, at_least, show
from benchmarks.trial import heed_signals
from localbatch.launcher import LocalAzure
from localbatch.wire.connection import Endpoints
from prefect_azure_batch.blocks.azure_storage import AzureStorageCredentials
from prefect_azure_batch.blocks.credentials import StorageAccountKey
from prefect_azure_batch.tasks.collect import collect_outputs
from prefect_azure_batch.tasks.inputs import find_inputs
from prefect_azure_batch.tasks.names import LOG_FOLDER
from prefect_azure_batch.tasks.records import AddedTask, Run
from prefect_azure_batch.tasks.upload import upload_inputs

THREADS = 16
LOGS = ("stdout.txt", "stderr.txt")
_PIECE = 1 << 20
_VERSION = "2025-05-05"
_FOLDER = "run"


@dataclass(frozen=True)
class Ground:
    """A container and how it is reached."""

    storage: AzureStorageCredentials
    endpoints: Endpoints
    container: str

    def link(self) -> str:
        """A link to the container."""
        return self.storage.sign_container(self.container, "rcw", datetime.now(UTC) + timedelta(hours=2))


Send = Callable[[Ground, Path], object]
Fetch = Callable[[Ground, Sequence[str], Path], object]


def each(work: Callable[[Path], object], items: Iterable[Path]) -> None:
    """Does the work on so many threads as all contenders have."""
    with ThreadPoolExecutor(THREADS) as threads:
        for _ in threads.map(work, items):
            pass


def ours_send(ground: Ground, folder: Path) -> None:
    """Our stage."""
    upload_inputs(ground.storage, find_inputs([str(folder)], lambda container, prefix: []), ground.container)


def ours_fetch(ground: Ground, tasks: Sequence[str], results: Path) -> None:
    """Our stage."""
    added = [AddedTask(number, name, name, f"{_FOLDER}/{name}") for number, name in enumerate(tasks)]
    collect_outputs(ground.storage, Run("run", "job", "pool", ground.container, folder=_FOLDER), added, results)


def _client(ground: Ground) -> ContainerClient:
    """As anybody makes it, and not as our block does."""
    connection = ground.endpoints.storage_connection_string or ""
    return ContainerClient.from_connection_string(connection, ground.container)


def sdk_send(ground: Ground, folder: Path) -> None:
    """The SDK's client in a loop."""
    client = _client(ground)

    def send(path: Path) -> None:
        with path.open("rb") as file:
            client.upload_blob(f"in/{path.name}", file)

    each(send, folder.iterdir())


def sdk_fetch(ground: Ground, tasks: Sequence[str], results: Path) -> None:
    """The SDK's client in a loop."""
    client = _client(ground)

    def fetch(target: Path) -> None:
        with target.open("wb") as file:
            client.download_blob(_blob(target)).readinto(file)

    each(fetch, _targets(tasks, results))


class Raw:
    """One connection for each thread."""

    def __init__(self, link: str) -> None:
        self.parts, self._local = urlsplit(link), threading.local()

    def ask(self, method: str, blob: str, body: object = None, **headers: str) -> http.client.HTTPResponse:
        """Sends a request, whose answer must be good."""
        if not hasattr(self._local, "connection"):
            self._local.connection = http.client.HTTPConnection(self.parts.netloc, blocksize=_PIECE)
        connection: http.client.HTTPConnection = self._local.connection
        sent = {name.replace("_", "-"): value for name, value in headers.items()} | {"x-ms-version": _VERSION}
        connection.request(method, f"{self.parts.path}/{quote(blob)}?{self.parts.query}", body, sent)  # type: ignore[arg-type]
        answer = connection.getresponse()
        if answer.status not in (200, 201):
            raise SystemExit(f"{method} {blob}: {answer.status}")
        return answer


def raw_send(ground: Ground, folder: Path) -> None:
    """HTTP alone; each file in one request."""
    raw = Raw(ground.link())

    def send(path: Path) -> None:
        with path.open("rb") as file:
            length = str(os.fstat(file.fileno()).st_size)
            raw.ask("PUT", f"in/{path.name}", file, Content_Length=length, x_ms_blob_type="BlockBlob").read()

    each(send, folder.iterdir())


def raw_fetch(ground: Ground, tasks: Sequence[str], results: Path) -> None:
    """HTTP alone."""
    raw = Raw(ground.link())

    def fetch(target: Path) -> None:
        answer = raw.ask("GET", _blob(target))
        with target.open("wb") as file:
            while piece := answer.read(_PIECE):
                file.write(piece)

    each(fetch, _targets(tasks, results))


def _store(ground: Ground) -> AzureStore:
    endpoints = ground.endpoints
    return AzureStore(
        ground.container,
        account_name=endpoints.storage_account,
        account_key=endpoints.storage_key,
        endpoint=endpoints.blob_endpoint,
        client_options={"allow_http": True},
    )


def obstore_send(ground: Ground, folder: Path) -> None:
    """Its function, which chooses itself when to send a file in parts."""
    store = _store(ground)
    each(lambda path: obstore.put(store, f"in/{path.name}", path), folder.iterdir())


def obstore_fetch(ground: Ground, tasks: Sequence[str], results: Path) -> None:
    """Its function, whose body comes as a stream."""
    store = _store(ground)

    def fetch(target: Path) -> None:
        with target.open("wb") as file:
            for piece in obstore.get(store, _blob(target)).stream(min_chunk_size=_PIECE):
                file.write(piece)

    each(fetch, _targets(tasks, results))


CONTENDERS: dict[str, tuple[Send, Fetch]] = {
    "ours": (ours_send, ours_fetch),
    "sdk": (sdk_send, sdk_fetch),
    "raw": (raw_send, raw_fetch),
    "obstore": (obstore_send, obstore_fetch),
}


def _blob(target: Path) -> str:
    return f"{_FOLDER}/{target.parent.name}/{LOG_FOLDER}/{target.name}"


def _targets(tasks: Sequence[str], results: Path) -> list[Path]:
    for task in tasks:
        (results / task).mkdir(parents=True)
    return [results / task / name for task in tasks for name in LOGS]


@dataclass(frozen=True)
class Spent:
    """What something has taken: seconds on the wall, and of this process's processor time."""

    wall: float
    processor: float


def spent(work: Callable[[], object]) -> Spent:
    """Does the work."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return Spent(time.perf_counter() - wall, time.process_time() - processor)


def measure(name: str, azure: LocalAzure, count: int, size: int) -> tuple[Spent, Spent]:
    """What a contender takes to send so many files of its own, and to fetch as many bytes again."""
    send, fetch = CONTENDERS[name]
    endpoints = azure.endpoints
    key = StorageAccountKey(account_name=endpoints.storage_account or "", account_key=endpoints.storage_key or "")
    storage = AzureStorageCredentials(account_url=endpoints.blob_endpoint, credential=key)
    with tempfile.TemporaryDirectory() as home:
        ground = Ground(storage, endpoints, f"bench-{uuid.uuid4()}")
        container = storage.get_client().create_container(ground.container)
        files, results = Path(home, "files"), Path(home, "results")
        files.mkdir()
        for number in range(count):
            (files / f"{number:05}.dat").write_bytes(os.urandom(size + number % 4 * 1024))
        tasks = [f"{number:08}-task" for number in range(count if size < _PIECE else max(1, count // len(LOGS)))]
        _fill(Raw(ground.link()), [Path(task, log) for task in tasks for log in LOGS], size)
        sent = spent(lambda: send(ground, files))
        if sum(1 for _ in container.list_blob_names()) != count + len(tasks) * len(LOGS):
            raise SystemExit(f"{name} has not sent all files")
        fetched = spent(lambda: fetch(ground, tasks, results))
        if [path.stat().st_size for path in results.rglob("std*.txt")] != [size] * len(tasks) * len(LOGS):
            raise SystemExit(f"{name} has not fetched all blobs")
        container.delete_container()
    return sent, fetched


def _fill(raw: Raw, targets: Sequence[Path], size: int) -> None:
    def put(target: Path) -> None:
        raw.ask("PUT", _blob(target), os.urandom(size), Content_Length=str(size), x_ms_blob_type="BlockBlob").read()

    each(put, targets)


def rows_of(found: dict[str, list[tuple[Spent, Spent]]], size: str) -> list[dict[str, object]]:
    """The rows of one size: medians, and throughput as a share of the best."""
    rows: list[dict[str, object]] = []
    for way, direction in enumerate(("upload", "collect")):
        walls = {name: statistics.median(one[way].wall for one in rounds) for name, rounds in found.items()}
        for name, rounds in found.items():
            processor = statistics.median(one[way].processor for one in rounds)
            share = round(min(walls.values()) / walls[name], 2)
            rows.append(
                {
                    "files": size,
                    "way": direction,
                    "contender": name,
                    "wall s": round(walls[name], 2),
                    "CPU s": round(processor, 2),
                    "of the best": share,
                }
            )
    return rows


def targets_of(found: dict[str, list[tuple[Spent, Spent]]], size: str) -> list[Target]:
    """What is wanted of our stages; rounds are compared one by one, for the machine's load changes between them."""
    targets = []
    for way, direction in enumerate(("upload", "collect")):
        others = [rounds for name, rounds in found.items() if name != "ours"]
        if "ours" in found and others:
            ours = [one[way].wall for one in found["ours"]]
            best = min(
                (statistics.median(other[way].wall / own for other, own in zip(rounds, ours, strict=True)))
                for rounds in others
            )
            targets.append(at_least(0.9, best, f"{direction} of {size}, throughput against the best alternative"))
    return targets


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "contenders", nargs="*", type=one_of(CONTENDERS), metavar="CONTENDER", help=f"of {', '.join(CONTENDERS)}"
    )
    parser.add_argument("--small", type=amount_or_none, default=1000)
    parser.add_argument("--large", type=amount_or_none, default=4)
    parser.add_argument("--large-mib", type=amount, default=64)
    parser.add_argument("--rounds", type=amount, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    heed_signals()
    # The SDK's own clients keep ten connections, and say of each further one that it is thrown away.
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
    chosen = [name for name in CONTENDERS if not options.contenders or name in options.contenders]
    rows, targets = list[dict[str, object]](), list[Target]()
    with LocalAzure(attach=False) as azure:
        for name in chosen:
            measure(name, azure, 4, 1024)  # what everybody does once: imports, connections, threads
        for count, size in ((options.small, 1024), (options.large, options.large_mib << 20)):
            found: dict[str, list[tuple[Spent, Spent]]] = {name: [] for name in chosen}
            for number in range(options.rounds if count else 0):
                # The order changes, so that nobody always follows the same neighbour.
                for name in chosen[number % len(chosen) :] + chosen[: number % len(chosen)]:
                    found[name].append(measure(name, azure, count, size))
            if count:
                label = f"{count:,} small files" if size < _PIECE else f"{count} files of {size >> 20} MiB"
                rows += rows_of(found, label)
                targets += targets_of(found, label)
    show(rows, targets, as_json=options.json)


if __name__ == "__main__":
    main()
