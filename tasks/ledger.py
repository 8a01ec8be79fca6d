"""The ledger of a work: how each of its tasks ended, in storage, for every run that comes later.

<work>/<run>/ledger.jsonl is an append blob for each run: a line that says its format, then a line for each task that
was seen to end. Nobody writes into the ledger of another run, so that runs at the same time cannot garble each other's.
"""

import json
import logging
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.storage.blob import BlobClient, BlobPrefix, ContainerClient
from pydantic import TypeAdapter, ValidationError

from prefect_azure_batch.blocks.azure_storage import AzureStorageCredentials
from prefect_azure_batch.tasks import transfer
from prefect_azure_batch.tasks.errors import BadInput, translated
from prefect_azure_batch.tasks.records import WORK_CONTAINER, KeptFile, Place, Run

LEDGER_NAME = "ledger.jsonl"
FORMAT = 1

# Of an append blob. Source: "Append Block", Azure Storage REST reference.
_LARGEST_APPEND = 4 << 20

_logger = logging.getLogger(__name__)
# Among threads: the line that says the format comes first.
_writing = threading.Lock()


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
        for piece in _pieces(_LINES.dump_json(outcome) + b"\n" for outcome in outcomes):
            try:
                blob.append_block(piece)
            except ResourceNotFoundError:
                transfer.ensure_container(service, run.container)
                _begin(blob, run, keep)
                blob.append_block(piece)


def _begin(blob: BlobClient, run: Run, keep: timedelta) -> None:
    head = {"ledger": FORMAT, "run": run.run_id, "begun": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "keep_days": keep / timedelta(days=1)}  # fmt: skip
    try:
        blob.create_append_blob(match_condition=MatchConditions.IfMissing)
    except (ResourceExistsError, ResourceModifiedError):
        return
    blob.append_block(json.dumps(head).encode() + b"\n")


def _pieces(lines: Iterable[bytes]) -> Iterator[bytes]:
    piece = bytearray()
    for line in lines:
        if piece and len(piece) + len(line) > _LARGEST_APPEND:
            yield bytes(piece)
            piece.clear()
        piece += line
    if piece:
        yield bytes(piece)


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
        for folder in run_folders(client, work):
            outcomes = _outcomes(client.get_blob_client(f"{folder}/{LEDGER_NAME}"))
            yield from (outcome for outcome in outcomes if outcome.succeeded)


def read_run(storage: AzureStorageCredentials, run: Run) -> Iterator[Outcome]:
    """Reads how the tasks of one run have ended; those that failed, too.

    Raises:
        BadInput: the ledger has a format that this version does not know.
        ServiceFailure: Storage refused or failed a request.
    """
    with translated(f"read the ledger of run {run.run_id!r}"):
        blob = storage.get_client().get_blob_client(run.container, f"{run.folder}/{LEDGER_NAME}")
        yield from _outcomes(blob)


def run_folders(client: ContainerClient, work: str) -> list[str]:
    """Folders of all runs of a work."""
    try:
        entries = list(client.walk_blobs(name_starts_with=f"{work}/", delimiter="/"))
    except ResourceNotFoundError:
        return []
    return [entry.name.rstrip("/") for entry in entries if isinstance(entry, BlobPrefix)]


def _outcomes(blob: BlobClient) -> Iterator[Outcome]:
    unreadable = 0
    for line in _lines(blob):
        try:
            yield _LINES.validate_json(line)
        except ValidationError:
            unreadable += 1
    if unreadable:
        _logger.warning(
            "%d lines of the ledger %r cannot be read: what they say is done again.", unreadable, blob.blob_name
        )


def _lines(blob: BlobClient) -> Iterator[bytes]:
    """The lines of a ledger after its first, which says the format."""
    try:
        chunks = blob.download_blob().chunks()
        lines = _split(chunks)
        head = next(lines, None)
    except ResourceNotFoundError:
        return  # a run that has not seen a task end
    if head is None:
        return
    found = _format(head)
    if found != FORMAT:
        raise BadInput(
            f"The ledger {blob.blob_name!r} has format {found}, and this version knows {FORMAT}: use a newer version, "
            "or --no-resume."
        )
    yield from lines


def _format(head: bytes) -> object:
    try:
        return json.loads(head).get("ledger")
    except (ValueError, AttributeError):
        return "unknown"


def _split(chunks: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
