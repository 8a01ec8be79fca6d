"""Blobs to and from files: streamed, several at a time, all on one bounded set of threads."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import IO, TypeVar

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import BlobClient, BlobServiceClient, ContainerClient

from prefect_azure_batch.tasks.errors import ServiceFailure
from prefect_azure_batch.tasks.names import digest

_THREADS = 16
_SINGLE_PUT = 8 << 20
_PARALLEL_BLOCKS = 4

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


def ensure_container(service: BlobServiceClient, name: str) -> ContainerClient:
    """The container of that name, made if it is missing."""
    container = service.get_container_client(name)
    try:
        container.create_container()
    except ResourceExistsError as error:
        if getattr(error, "error_code", None) != "ContainerAlreadyExists":
            raise
    return container


def send_file(blob: BlobClient, path: Path) -> int:
    """Uploads a file to a blob that is named by the file's content, unless the blob is there.

    Returns:
        Bytes sent; 0 if the blob was there.

    Raises:
        ServiceFailure: the file changed while it was being sent.
    """
    before = path.stat()
    if before.st_size > _SINGLE_PUT and blob.exists():
        return 0
    try:
        with path.open("rb") as file:
            blob.upload_blob(file, length=before.st_size, validate_content=True, max_concurrency=_PARALLEL_BLOCKS)
    except ResourceExistsError as error:
        if getattr(error, "error_code", None) != "BlobAlreadyExists":
            raise
        return 0
    after = path.stat()
    if (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size):
        blob.delete_blob()
        raise ServiceFailure(f"The file {str(path)!r} changed while it was being uploaded: run again.", retryable=True)
    return before.st_size


def fetch_blob(blob: BlobClient, size: int, path: Path) -> Path:
    """Downloads a blob to a file, which appears under its name only when it is whole."""

    def download(file: IO[bytes]) -> None:
        if size:
            blob.download_blob(max_concurrency=_PARALLEL_BLOCKS).readinto(file)

    return write_whole(path, download)


def write_whole(path: Path, write: Callable[[IO[bytes]], object]) -> Path:
    """Writes a file, which appears under its name only when it is whole; its directory is made if it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{digest(path.name)[:16]}.part")
    with partial.open("wb") as file:
        write(file)
    partial.replace(path)
    return path


def delete_container(service: BlobServiceClient, name: str) -> None:
    """Deletes a container; one that is gone already is fine."""
    try:
        service.delete_container(name)
    except ResourceNotFoundError:
        return
