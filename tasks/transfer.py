"""Blobs to and from files: streamed, several at a time, all on one bounded set of threads."""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import cache
from itertools import islice
from pathlib import Path
from typing import IO, Any, TypeVar

from azure.core import MatchConditions
from azure.core.credentials import AzureSasCredential
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import (
    BlobClient,
    BlobProperties,
    BlobServiceClient,
    BlobType,
    ContainerClient,
    ContentSettings,
    StorageStreamDownloader,
)

from prefect_azure_batch.blocks.bulk_blobs import MOST_BYTES, BulkBlobs
from prefect_azure_batch.tasks.errors import ResultsUnwritable, ServiceFailure
from prefect_azure_batch.tasks.names import digest
from prefect_azure_batch.tasks.records import KeptFile, Place

_THREADS = 16
_PARALLEL_BLOCKS = 4
_PIECE = 1 << 20
# The most that one request takes. Source: "Blob Batch", Azure Storage REST reference.
_DELETED_AT_ONCE = 256

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_THREADS, thread_name_prefix="transfer")


def each(work: Callable[[_Item], _Result], items: Iterable[_Item]) -> list[_Result]:
    """Does the work for each item on the transfer threads; results in the order of the items.

    The first failure is raised once the work already begun has ended; what has not begun is dropped.
    """
    futures = [_threads().submit(work, item) for item in items]
    try:
        return [future.result() for future in futures]
    finally:
        for future in futures:
            future.cancel()


def some_at_a_time(items: Iterable[_Item], number: int) -> Iterator[list[_Item]]:
    """Cuts items into lists of so many."""
    rest = iter(items)
    while some := list(islice(rest, number)):
        yield some


def ensure_container(service: BlobServiceClient, name: str) -> ContainerClient:
    """The container of that name, made if it is missing."""
    container = service.get_container_client(name)
    try:
        container.create_container()
    except ResourceExistsError as error:
        if getattr(error, "error_code", None) != "ContainerAlreadyExists":
            raise
    return container


def joined(pieces: Iterable[bytes], most: int = _PIECE) -> Iterator[bytes]:
    """The same content in fewer pieces, of so many bytes at most; a larger one stays as it is.

    The SDK's time to send many small pieces grows with the square of their number.
    """
    gathered = bytearray()
    for piece in pieces:
        if gathered and len(gathered) + len(piece) > most:
            yield bytes(gathered)
            gathered.clear()
        gathered += piece
    if gathered:
        yield bytes(gathered)


def write_blob(
    service: BlobServiceClient, container: str, name: str, content: Iterable[bytes], content_type: str | None = None
) -> None:
    """Writes a blob from pieces of its content, over what it held; its container is made if it is missing."""
    settings = ContentSettings(content_type=content_type) if content_type else None
    ensure_container(service, container).upload_blob(name, joined(content), overwrite=True, content_settings=settings)


def stream_lines(blob: BlobClient) -> Iterator[bytes]:
    """The lines of a blob, as a stream; what follows the last line end is left out.

    Raises:
        ResourceNotFoundError: it is not there.
    """
    first = blob.download_blob(offset=0, length=_PIECE)
    return _lines(_pieces(blob, first))


def _pieces(blob: BlobClient, first: StorageStreamDownloader[bytes]) -> Iterator[bytes]:
    """One after the other, each a request of its own: the SDK's are larger, and do not stand a blob that grows."""
    found = first.properties
    condition: dict[str, Any] = {}
    if found.blob_type != BlobType.AppendBlob:
        condition = {"etag": found.etag, "match_condition": MatchConditions.IfNotModified}
    yield first.readall()
    size = int(str(found.content_range).rpartition("/")[2]) if found.content_range else 0  # none of an empty one
    for offset in range(_PIECE, size, _PIECE):
        yield blob.download_blob(offset=offset, length=_PIECE, **condition).readall()


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        text, begin = rest + chunk, 0
        while (end := text.find(b"\n", begin)) >= 0:
            yield text[begin:end]
            begin = end + 1
        rest = text[begin:]


def send_file(bulk: BulkBlobs, container: str, name: str, path: Path) -> int:
    """Uploads a file to a blob that is named by the file's content, unless the blob is there.

    Args:
        bulk: of the storage account.
        container: name of a container that is there.
        name: of the blob.
        path: the file.

    Returns:
        Bytes sent; 0 if the blob was there.

    Raises:
        ServiceFailure: the file changed while it was being sent.
    """
    before = path.stat()
    try:
        if before.st_size > MOST_BYTES:
            return _send_in_blocks(bulk.service.get_blob_client(container, name), path, before)
        content = path.read_bytes()
        if _has_changed(path, before):
            raise changed(path)
        bulk.put(container, name, content)
    except ResourceExistsError as error:
        if getattr(error, "error_code", None) != "BlobAlreadyExists":
            raise
        return 0
    return before.st_size


def _send_in_blocks(blob: BlobClient, path: Path, before: os.stat_result) -> int:
    if blob.exists():
        return 0
    with path.open("rb") as file:
        blob.upload_blob(file, length=before.st_size, validate_content=True, max_concurrency=_PARALLEL_BLOCKS)
    if _has_changed(path, before):
        blob.delete_blob()
        raise changed(path)
    return before.st_size


def _has_changed(path: Path, before: os.stat_result) -> bool:
    now = path.stat()
    return (before.st_mtime_ns, before.st_size) != (now.st_mtime_ns, now.st_size)


def changed(path: Path) -> ServiceFailure:
    """The error of a file that is not what it was when the run began."""
    return ServiceFailure(f"The file {str(path)!r} changed while it was being uploaded: run again.")


def fetch_kept(bulk: BulkBlobs, place: Place, file: KeptFile, path: Path) -> KeptFile:
    """Downloads a file of a task, which appears under its name only when it is whole, unless it is here already.

    Args:
        bulk: of the storage account.
        place: where the files of the task lie.
        file: what was kept.
        path: where it goes.

    Returns:
        The same with the MD5 of its content.

    Raises:
        ServiceFailure: what was downloaded has another size or MD5 than what was kept.
        ResultsUnwritable: it cannot be written.
    """
    if file.md5 and path.is_file() and path.stat().st_size == file.size and file_md5(path) == file.md5:
        return file
    name = f"{place.folder}/{file.name}"
    if file.size <= MOST_BYTES:
        content = bulk.get(place.container, name) if file.size else b""
        found = _checked(name, file, len(content), hashlib.md5(content, usedforsecurity=False).hexdigest())
        write_whole(path, lambda target: target.write(content))
        return replace(file, md5=found)
    blob = bulk.service.get_blob_client(place.container, name)

    def download(target: IO[bytes]) -> None:
        nonlocal found
        blob.download_blob(max_concurrency=_PARALLEL_BLOCKS).readinto(target)
        target.flush()
        whole = Path(target.name)  # pieces come in any order, so the stream stands anywhere
        found = _checked(name, file, whole.stat().st_size, file_md5(whole))

    found = ""
    write_whole(path, download)
    return replace(file, md5=found)


def _checked(name: str, file: KeptFile, size: int, md5: str) -> str:
    if size != file.size or file.md5 not in ("", md5):
        raise ServiceFailure(f"The blob {name!r} did not arrive as it was kept: run again.", retryable=True)
    return md5


def content_md5(blob: BlobProperties) -> str:
    """What storage says of a blob's MD5, in hexadecimal digits; empty if it does not know it."""
    content = blob.content_settings.content_md5
    return bytes(content).hex() if content else ""


def is_kept(size: int, md5: str, file: KeptFile) -> bool:
    """Whether a blob is what was kept: by its size and, where both are known, its MD5."""
    return size == file.size and (md5 == file.md5 or "" in (md5, file.md5))


def file_md5(path: Path) -> str:
    """MD5 of a file's content, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def write_whole(path: Path, write: Callable[[IO[bytes]], object]) -> Path:
    """Writes a file, which appears under its name only when it is whole; its directory is made if it is missing.

    Raises:
        ResultsUnwritable: it cannot be written.
    """
    partial = path.with_name(f".{digest(path.name)[:16]}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            write(file)
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise ResultsUnwritable(f"Could not write {str(path)!r}: {error.strerror or error}.") from error
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    return path


def delete_folder(service: BlobServiceClient, container: str, folder: str) -> None:
    """Deletes the blobs below a folder, many in a request; a container that is gone already is fine."""
    client = service.get_container_client(container)
    try:
        names = (blob.name for blob in client.list_blobs(name_starts_with=f"{folder}/"))
        for some in some_at_a_time(names, _DELETED_AT_ONCE):
            if isinstance(client.credential, AzureSasCredential):
                each(lambda name: _delete(client.get_blob_client(name)), some)  # Azurite fails a batch with a SAS
                continue
            # What is gone in the meantime is answered by a failure of its own, which is none here.
            for answer in client.delete_blobs(*some, raise_on_any_failure=False):
                if answer.status_code not in (202, 404):
                    raise ServiceFailure(f"Could not delete blobs below {folder!r}: status {answer.status_code}.")
    except ResourceNotFoundError:
        return


def _delete(blob: BlobClient) -> None:
    with suppress(ResourceNotFoundError):
        blob.delete_blob()
