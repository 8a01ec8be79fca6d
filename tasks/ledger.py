"""The ledger of a work: how each of its tasks ended, in storage, for every run that comes later.

<work>/<run>/ledger.jsonl is an append blob for each run: a line that says its format, then a line for each task that
was seen to end. Nobody writes into the ledger of another run, so that runs at the same time cannot garble each other's.
<work>/ledger.jsonl, where upkeep has made it, is the sum of those of many runs: its first line names them.
"""

import json
import logging
import sqlite3
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from itertools import chain
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.storage.blob import BlobClient, BlobPrefix, ContainerClient
from pydantic import TypeAdapter, ValidationError

from prefect_azure_batch.blocks.azure_storage import AzureStorageCredentials
from prefect_azure_batch.blocks.containers import WORK_CONTAINER
from prefect_azure_batch.tasks import transfer
from prefect_azure_batch.tasks.errors import BadInput, translated
from prefect_azure_batch.tasks.records import KeptFile, Place, Run, Subtask

LEDGER_NAME = "ledger.jsonl"
FORMAT = 1

# Of an append blob. Source: "Append Block", Azure Storage REST reference.
_LARGEST_APPEND = 4 << 20
# Of a run; then the oldest are forgotten, for a ledger that cannot be written is not to fill the memory.
_MOST_WAITING = 10_000

_logger = logging.getLogger(__name__)
# Among threads: the line that says the format comes first.
_writing = threading.Lock()
# Ledgers whose first line is known to be there.
_begun = set[str]()


@dataclass(frozen=True)
class Outcome:
    """How a task ended, as a line of a ledger.

    Attributes:
        label: what the user called its input.
        run_id: the run that made it.
        folder: where its files lie.
        retries: how often Batch had repeated it.
        files: what it has left there.
        container: of the folder.
        subtasks: of a multi-instance task; their files lie in ``subtask-<n>`` of the folder.
    """

    task_id: str
    label: str
    succeeded: bool
    exit_code: int | None
    failure: str
    node_id: str
    started: datetime | None
    ended: datetime | None
    run_id: str
    folder: str
    retries: int = 0
    files: tuple[KeptFile, ...] = ()
    container: str = WORK_CONTAINER
    subtasks: tuple[Subtask, ...] = ()

    @property
    def place(self) -> Place:
        """Where its files lie."""
        return Place(self.container, self.folder)


_LINES = TypeAdapter(Outcome)


def record_outcomes(
    storage: AzureStorageCredentials, run: Run, outcomes: Sequence[Outcome], keep: timedelta = timedelta(days=7)
) -> None:
    """Adds lines to the ledger of a run, many in a request.

    Args:
        storage: the storage account.
        run: the run.
        outcomes: how tasks ended. A line that is written twice does no harm.
        keep: how long what the tasks have left is to stay.

    Raises:
        ServiceFailure: Storage refused or failed a request.
    """
    service = storage.get_client()
    with _writing, translated(f"write the ledger of run {run.run_id!r}"):
        blob = service.get_blob_client(run.container, f"{run.folder}/{LEDGER_NAME}")
        lines = (_LINES.dump_json(outcome) + b"\n" for outcome in outcomes)
        for piece in transfer.joined(lines, _LARGEST_APPEND):
            try:
                if blob.url not in _begun:
                    _begin(blob, run, keep)
                blob.append_block(piece)
            except ResourceNotFoundError:
                transfer.ensure_container(service, run.container)
                _begin(blob, run, keep)
                blob.append_block(piece)


class Ledgers:
    """Writes into the ledgers of runs, from several threads; what cannot be written waits for the next time.

    Args:
        storage: the storage account.
        keep: how long what the tasks have left is to stay.
    """

    def __init__(self, storage: AzureStorageCredentials, keep: timedelta) -> None:
        self._storage, self._keep = storage, keep
        self._lock = threading.Lock()
        self._waiting: dict[str, tuple[Run, deque[Outcome]]] = {}

    def add(self, run: Run, outcomes: Sequence[Outcome]) -> None:
        """Adds lines to the ledger of a run, and writes what waits.

        Raises:
            ServiceFailure: Storage refused or failed a request.
        """
        with self._lock:
            self._waiting.setdefault(run.run_id, (run, deque(maxlen=_MOST_WAITING)))[1].extend(outcomes)
            for run_id, (whose, due) in list(self._waiting.items()):
                record_outcomes(self._storage, whose, list(due), self._keep)
                del self._waiting[run_id]

    def waiting(self) -> list[Run]:
        """Runs with lines that have not been written."""
        with self._lock:
            return [run for run, _ in self._waiting.values()]


def _begin(blob: BlobClient, run: Run, keep: timedelta) -> None:
    head = {"ledger": FORMAT, "run": run.run_id, "begun": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}",
            "keep_days": keep / timedelta(days=1)}  # fmt: skip
    # A request whose answer was lost has done its work, and so may one of somebody who was killed then.
    with suppress(ResourceExistsError, ResourceModifiedError):
        blob.create_append_blob(match_condition=MatchConditions.IfMissing)
    try:
        blob.append_block(json.dumps(head).encode() + b"\n", appendpos_condition=0)
    except HttpResponseError as error:
        if error.status_code != HTTPStatus.PRECONDITION_FAILED:
            raise
    _begun.add(blob.url)


def read_successes(storage: AzureStorageCredentials, container: str, work: str) -> Iterator[Outcome]:
    """Reads which tasks of a work have succeeded, in all of its runs; ledgers are read as streams.

    Args:
        storage: the storage account.
        container: of works.
        work: the work's id.

    Yields:
        Each success; a task may have several.

    Raises:
        BadInput: a ledger has a format that this version does not know.
        ServiceFailure: Storage refused or failed a request.
    """
    client = storage.get_client().get_container_client(container)
    with translated(f"read the ledger of work {work!r}"):
        summed, outcomes = _read(client.get_blob_client(f"{work}/{LEDGER_NAME}"))
        yield from outcomes
        for folder in run_folders(client, work):
            if folder.rpartition("/")[2] not in summed:
                yield from successes_of(client, folder)


def successes_of(client: ContainerClient, folder: str) -> Iterator[Outcome]:
    """Reads which tasks have succeeded in one run, from its own ledger; as ``read_successes``."""
    _, outcomes = _read(client.get_blob_client(f"{folder}/{LEDGER_NAME}"))
    return (outcome for outcome in outcomes if outcome.succeeded)


def sum_ledgers(client: ContainerClient, work: str, run_ids: Sequence[str]) -> bool:
    """Puts the ledgers of several runs that have ended together in one of the work, which later runs read instead.

    Those of the runs stay. Where two have a success of the same task, the later run's is taken.

    Args:
        client: of the container of works.
        work: the work's id.
        run_ids: the runs, in the order in which they began; fewer than two are not worth a sum.

    Returns:
        Whether there was something to do.

    Raises:
        BadInput: a ledger has a format that this version does not know.
        ServiceFailure: Storage refused or failed a request.
    """
    blob = client.get_blob_client(f"{work}/{LEDGER_NAME}")
    with translated(f"put the ledgers of work {work!r} together"):
        summed, _ = _read(blob)
        wanted = list(run_ids) if len(run_ids) > 1 else []
        if summed == wanted:
            return False
        try:
            condition = _unchanged(blob) if summed else {"match_condition": MatchConditions.IfMissing}
            if wanted:
                head = json.dumps({"ledger": FORMAT, "runs": wanted}).encode() + b"\n"
                lines = chain([head], _last_successes(client, work, wanted))
                blob.upload_blob(transfer.joined(lines), overwrite=True, **condition)
            else:
                blob.delete_blob(**condition)
        except (ResourceExistsError, ResourceModifiedError, ResourceNotFoundError):
            return False  # somebody else does the same
        return True


def _unchanged(blob: BlobClient) -> dict[str, Any]:
    """Options of a request that is to fail if the blob is not what it is now."""
    return {"etag": blob.get_blob_properties().etag, "match_condition": MatchConditions.IfNotModified}


def _last_successes(client: ContainerClient, work: str, run_ids: Sequence[str]) -> Iterator[bytes]:
    with closing(sqlite3.connect("")) as seen:
        seen.execute("create table seen (task text primary key) without rowid")
        for run_id in reversed(run_ids):
            for outcome in successes_of(client, f"{work}/{run_id}"):
                if seen.execute("insert or ignore into seen values (?)", [outcome.task_id]).rowcount:
                    yield _LINES.dump_json(outcome) + b"\n"


def read_run(storage: AzureStorageCredentials, run: Run) -> Iterator[Outcome]:
    """Reads how the tasks of one run have ended; those that failed, too.

    Raises:
        BadInput: the ledger has a format that this version does not know.
        ServiceFailure: Storage refused or failed a request.
    """
    with translated(f"read the ledger of run {run.run_id!r}"):
        blob = storage.get_client().get_blob_client(run.container, f"{run.folder}/{LEDGER_NAME}")
        yield from _read(blob)[1]


def run_folders(client: ContainerClient, work: str) -> list[str]:
    """Folders of all runs of a work."""
    try:
        entries = list(client.walk_blobs(name_starts_with=f"{work}/", delimiter="/"))
    except ResourceNotFoundError:
        return []
    return [entry.name.rstrip("/") for entry in entries if isinstance(entry, BlobPrefix)]


def _read(blob: BlobClient) -> tuple[list[str], Iterator[Outcome]]:
    """The runs that a ledger says to be the sum of, and its lines; none of either if it is not there."""
    try:
        lines = transfer.stream_lines(blob)
        head = next(lines, None)
    except ResourceNotFoundError:
        return [], iter(())  # of a run that has not seen a task end
    except HttpResponseError as error:
        if error.status_code != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        return [], iter(())  # of one that is about to write its first line
    if head is None:
        return [], iter(())
    found = _head(head)
    if found.get("ledger") != FORMAT:
        raise BadInput(
            f"The ledger {blob.blob_name!r} has format {found.get('ledger', 'unknown')}, and this version knows "
            f"{FORMAT}: use a newer version, or --no-resume."
        )
    return found.get("runs", []), _outcomes(blob.blob_name, lines)


def _outcomes(name: str, lines: Iterator[bytes]) -> Iterator[Outcome]:
    unreadable = 0
    for line in lines:
        try:
            yield _LINES.validate_json(line)
        except ValidationError:
            unreadable += 1
    if unreadable:
        _logger.warning("%d lines of the ledger %r cannot be read: what they say is done again.", unreadable, name)


def _head(line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
