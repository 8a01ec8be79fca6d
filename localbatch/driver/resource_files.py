"""The files a task asks for, fetched into its working directory before its command runs."""

import os
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO

from azure.core.exceptions import AzureError, HttpResponseError
from azure.storage.blob import BlobProperties

from localbatch.bodies.commands import ResourceFile
from localbatch.driver.blob_containers import is_folder, open_container, reason_of
from localbatch.driver.downloads import Downloader, DownloadError, refusal_of
from localbatch.driver.exchange import Exchange
from localbatch.driver.failures import CommandFailed, download_failure, resource_file_failure, write_failure
from localbatch.driver.threads import Threads

_DEFAULT_MODE = 0o770
_BUFFER_BYTES = 1 << 20


@dataclass(frozen=True)
class Placement:
    """One file to fetch.

    Attributes:
        link: where from.
        name: where to, relative to the working directory; with a slash at its end it is a directory.
        mode: permission bits.
    """

    link: str
    name: str
    mode: int


async def fetch_resource_files(
    files: Iterable[ResourceFile],
    working: Path,
    downloader: Downloader,
    threads: Threads,
    exchange: Exchange,
    taken: frozenset[str] = frozenset(),
) -> None:
    """Fetches all resource files of a command, several at a time. Of two for the same place the later one wins.

    Args:
        files: what to fetch.
        working: the directory they go to.
        downloader: what fetches links.
        threads: what it runs in.
        exchange: what fetches small files that lie on this machine.
        taken: names in that directory that no file may have.

    Raises:
        CommandFailed: one of them could not be fetched or written, or would leave the working directory.
    """
    wanted: dict[str, Placement] = {}
    for file in files:
        found = placements(file) if file.storage_container_url is None else await threads.call(placements, file)
        wanted |= _by_place(found)
    for name in sorted(taken & wanted.keys()):
        raise CommandFailed(resource_file_failure(name, "The name belongs to a file of Batch's own."))

    async def fetch(placement: Placement, given_up: threading.Event) -> None:
        answer = None if placement.name.endswith("/") else await exchange.ask("GET", placement.link)
        if answer is not None and answer.status == HTTPStatus.OK:
            _write(placement, working, answer.body)
            return
        refusal = refusal_of(answer.status) if answer and answer.status >= HTTPStatus.BAD_REQUEST else None
        await threads.call(
            _fetch, placement, working, lambda stream: downloader.fetch(placement.link, stream, given_up, refusal)
        )

    await threads.each(fetch, list(wanted.values()))


def placements(file: ResourceFile) -> list[Placement]:
    """Returns what a resource file stands for: one link, or every blob of a container with the given prefix.

    Raises:
        CommandFailed: the container could not be listed, or the mode is not an octal number.
    """
    name = file.file_path or ""
    mode = _mode(file, name)
    if file.http_url is not None:
        return [Placement(file.http_url, name, mode)]
    if file.storage_container_url is None:
        raise CommandFailed(resource_file_failure(name, "The resource file names no source."))
    return _container_placements(file.storage_container_url, file.blob_prefix, name, mode)


def place_inside(working: Path, name: str) -> Path:
    """Returns where a file of that name belongs, and makes its directory.

    Raises:
        CommandFailed: the place lies outside the working directory, be it by a symbolic link.
    """
    try:
        if name.startswith("/") or os.path.normpath(name) in (".", "..") or os.path.normpath(name).startswith("../"):
            raise CommandFailed(resource_file_failure(name, "The path leads out of the working directory."))
        path = working / name
        home = working.resolve(strict=True)  # not made anew by a thread that is late
        if path.parent == working:
            return home / path.name
        if not path.parent.resolve().is_relative_to(home):
            raise CommandFailed(resource_file_failure(name, "The path leads out of the working directory."))
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.parent.resolve() / path.name
    except (OSError, ValueError) as error:
        raise CommandFailed(resource_file_failure(name, _words(error))) from error


def _by_place(found: Iterable[Placement]) -> dict[str, Placement]:
    return {os.path.normpath(placement.name): placement for placement in found}


def _mode(file: ResourceFile, name: str) -> int:
    if not file.file_mode:
        return _DEFAULT_MODE
    try:
        return int(file.file_mode, 8) & 0o7777
    except ValueError as error:
        raise CommandFailed(resource_file_failure(name, "The file mode is not an octal number.")) from error


def _container_placements(link: str, prefix: str | None, directory: str, mode: int) -> list[Placement]:
    try:
        with open_container(link) as container:
            return [
                Placement(container.get_blob_client(blob.name).url, os.path.join(directory, _local_name(blob)), mode)
                for blob in container.list_blobs(name_starts_with=prefix or None, include=["metadata"])
            ]
    except (AzureError, ValueError) as error:
        status = error.status_code if isinstance(error, HttpResponseError) else None
        raise CommandFailed(download_failure(status, link, directory, reason_of(error))) from error


def _local_name(blob: BlobProperties) -> str:
    return f"{blob.name.rstrip('/')}/" if is_folder(blob) else blob.name


def _write(placement: Placement, working: Path, body: bytes) -> None:
    try:
        with _create(place_inside(working, placement.name), placement) as stream:
            stream.write(body)
    except OSError as error:
        raise CommandFailed(write_failure(placement.name, error)) from error


def _fetch(placement: Placement, working: Path, download: Callable[[BinaryIO], None]) -> None:
    path = place_inside(working, placement.name)
    if placement.name.endswith("/"):
        path.mkdir(exist_ok=True)
        return
    try:
        with _create(path, placement) as stream:
            download(stream)
    except DownloadError as error:
        raise CommandFailed(download_failure(error.status, placement.link, placement.name, str(error))) from error
    except OSError as error:
        raise CommandFailed(write_failure(placement.name, error)) from error


def _create(path: Path, placement: Placement) -> BinaryIO:
    try:
        # Anew, for a file of the run before may be read-only or a symbolic link.
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.fchmod(descriptor, placement.mode)
    except (OSError, ValueError) as error:
        raise CommandFailed(resource_file_failure(placement.name, _words(error))) from error
    return os.fdopen(descriptor, "wb", _BUFFER_BYTES)


def _words(error: OSError | ValueError) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)
