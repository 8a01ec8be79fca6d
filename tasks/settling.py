"""Results that stay in storage: files of tasks, where the user wants them to lie."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobClient, BlobServiceClient

from prefect_azure_batch.blocks.azure_storage import AzureStorageCredentials
from prefect_azure_batch.tasks import transfer
from prefect_azure_batch.tasks.errors import ServiceFailure, translated
from prefect_azure_batch.tasks.intervals import growing_pauses
from prefect_azure_batch.tasks.logs import TAIL_BYTES, last_lines
from prefect_azure_batch.tasks.names import LOG_FOLDER
from prefect_azure_batch.tasks.records import Collected, KeptFile, Place
from prefect_azure_batch.tasks.stage import stage
from prefect_azure_batch.tasks.task_directory import STDERR

_COPY_TIME = timedelta(hours=1)


def settle(
    storage: AzureStorageCredentials, tasks: Sequence[tuple[Place, Iterable[KeptFile]]], results: Place
) -> list[Collected]:
    """Has the files of tasks lie where they are wanted in storage: those that lie elsewhere are copied there.

    Args:
        storage: the storage account.
        tasks: where the files of each task lie, and which.
        results: where they are to lie: ``<results>/<run>/<index>-<task id>/``.

    Returns:
        One record for each task, in the same order.

    Raises:
        ServiceFailure: Storage refused or failed a request.
    """
    service = storage.get_client()
    settled, copies = [], list[tuple[Place, Place, KeptFile]]()
    for place, files in tasks:
        known, where = tuple(files), place
        if not _is_below(place, results):
            where = results / "/".join(place.folder.split("/")[-2:])
            copies += [(place, where, file) for file in known]
        settled.append((where, known))
    if copies:
        transfer.ensure_container(service, results.container)
        transfer.each(lambda copy: _copy(storage, service, *copy), copies)
    return [Collected(None, None, kept=known, place=where) for where, known in settled]


def _is_below(place: Place, results: Place) -> bool:
    folder = f"{results.folder}/" if results.folder else ""
    return place.container == results.container and place.folder.startswith(folder)


def with_end_of_log(service: BlobServiceClient, collected: Collected) -> Collected:
    """Adds the last lines of a task's standard error, read from where it lies in storage."""
    name = f"{LOG_FOLDER}/{STDERR}"
    size = next((file.size for file in collected.kept if file.name == name), 0)
    if not size or collected.place is None:
        return collected
    blob = service.get_blob_client(collected.place.container, f"{collected.place.folder}/{name}")
    return replace(collected, stderr_end=last_lines(blob.download_blob(offset=max(0, size - TAIL_BYTES)).readall()))


def store_files(
    storage: AzureStorageCredentials, files: Sequence[Path], directory: Path, place: Place
) -> list[KeptFile]:
    """Uploads files from below a directory.

    Args:
        storage: the storage account.
        files: what to upload.
        directory: that they are named relative to.
        place: takes them, with the same names.

    Returns:
        One record for each, in the same order.

    Raises:
        ServiceFailure: Storage refused or failed a request.
    """
    service = storage.get_client()

    def send(path: Path) -> KeptFile:
        name = path.relative_to(directory).as_posix()
        with path.open("rb") as file:
            service.get_blob_client(place.container, f"{place.folder}/{name}").upload_blob(file, overwrite=True)
        return KeptFile(name, path.stat().st_size, transfer.file_md5(path))

    with translated(f"store results in container {place.container!r}"):
        transfer.ensure_container(service, place.container)
        return transfer.each(send, files)


def _copy(
    storage: AzureStorageCredentials, service: BlobServiceClient, place: Place, where: Place, file: KeptFile
) -> None:
    blob = service.get_blob_client(where.container, f"{where.folder}/{file.name}")
    if _is_there(blob, file):
        return
    source = storage.sign_blob(place.container, f"{place.folder}/{file.name}", "r", datetime.now(UTC) + _COPY_TIME)
    blob.start_copy_from_url(source)
    status: str | None = None
    for _ in growing_pauses(_COPY_TIME.total_seconds()):
        status = blob.get_blob_properties().copy.status
        if status == "success":
            return
        if status != "pending":
            break
    raise ServiceFailure(f"Could not copy the blob {file.name!r} to {str(where)!r}: {status}.", retryable=True)


def _is_there(blob: BlobClient, file: KeptFile) -> bool:
    try:
        found = blob.get_blob_properties()
    except ResourceNotFoundError:
        return False
    return transfer.is_kept(found.size, transfer.content_md5(found), file) and found.copy.status in (None, "success")


store_files_task = stage(store_files, name="Store results")
