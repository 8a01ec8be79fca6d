"""Uploading what a task has written, after its command has ended."""

import os
import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote

from azure.core.exceptions import AzureError, HttpResponseError

from localbatch.bodies.commands import OutputContainer, OutputFile
from localbatch.driver.blob_containers import open_container, reason_of
from localbatch.driver.exchange import LARGEST, Exchange
from localbatch.driver.failures import CommandFailed, upload_failure, without_signature
from localbatch.driver.layout import TaskDirectory
from localbatch.driver.node_paths import NodePaths
from localbatch.driver.patterns import ANY_DIRECTORIES, Pattern, parse_pattern
from localbatch.driver.threads import Threads

# Source: "Naming and referencing containers, blobs, and metadata", Azure Storage. Azurite takes them, and from then on
# can list nothing beside them.
_UNFIT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_UNFIT_NAME = "The name of a blob has no control characters"
NO_IDENTITY = "The pool has no such managed identity, or it has no access"
# A block that comes with its MD5 costs Azurite a fifth of the work, and larger blocks less still.
_BLOCK_BYTES = 8 << 20
_BLOCKS_AT_ONCE = 2
_BLOB_HEADERS = {
    "Content-Type": "application/octet-stream",
    "x-ms-blob-type": "BlockBlob",
    "x-ms-version": "2025-01-05",
}


@dataclass(frozen=True)
class Upload:
    """One file to upload.

    Attributes:
        file: its place, symbolic links resolved.
        blob: name of the blob.
    """

    file: Path
    blob: str
    container: OutputContainer


@dataclass(frozen=True)
class Carriers:
    """What uploads files.

    Attributes:
        exchange: takes small files to a service on this machine.
        threads: run what takes all others.
    """

    exchange: Exchange
    threads: Threads


async def upload_output_files(
    files: Iterable[OutputFile],
    directory: TaskDirectory,
    variables: Mapping[str, str],
    carriers: Carriers,
    *,
    succeeded: bool,
) -> None:
    """Uploads the output files of a command whose condition holds, several at a time, and writes the logs.

    Raises:
        CommandFailed: a file could not be uploaded.
    """
    chosen = [file for file in files if applies(file.upload_options.upload_condition, succeeded)]
    if not chosen:
        return
    # Before the logs are made, which a pattern such as ../*.txt would match.
    uploads = await _find_all(chosen, directory, variables, carriers.threads)
    log = _Log(directory)

    async def upload(each: Upload, _: threading.Event) -> None:
        if await _sent_at_once(each, carriers.exchange):
            log.uploaded(each)
        else:
            await carriers.threads.call(_upload, each, log)

    try:
        await carriers.threads.each(upload, uploads)
    finally:
        log.close()


async def _find_all(
    files: Sequence[OutputFile], directory: TaskDirectory, variables: Mapping[str, str], threads: Threads
) -> list[Upload]:
    def find_all() -> list[Upload]:
        return [upload for file in files for upload in find(file, directory, variables)]

    # A name is found at once; a search may take as long as there are files.
    is_search = any(parse_pattern(file.file_pattern, variables).has_wildcard for file in files)
    return await threads.call(find_all) if is_search else find_all()


async def _sent_at_once(upload: Upload, exchange: Exchange) -> bool:
    """Sends a small file to a service on this machine; false if it is to be sent with more patience."""
    link = _blob_link(upload)
    try:
        if link is None or upload.file.stat().st_size > LARGEST:
            return False
        body = upload.file.read_bytes()
    except OSError:
        return False  # who tries again finds the same, and tells it
    answer = await exchange.ask("PUT", link, body, _BLOB_HEADERS | headers_of(upload.container))
    return answer is not None and answer.status == HTTPStatus.CREATED


def _blob_link(upload: Upload) -> str | None:
    """Returns the link to a blob, if its container's is one that leads to ``/account/container``."""
    container = upload.container
    link, _, signature = container.container_url.partition("?")
    path = link.partition("://")[2].partition("/")[2].rstrip("/")
    is_plain = container.identity_reference is None and path.count("/") == 1 and "#" not in container.container_url
    if not is_plain or _UNFIT.search(upload.blob):
        return None
    return f"{link.rstrip('/')}/{quote(upload.blob, safe='~/')}?{signature}"


def find(file: OutputFile, directory: TaskDirectory, variables: Mapping[str, str]) -> list[Upload]:
    """Returns the files that an output file stands for, in the order of their names."""
    container = file.destination.container
    pattern = parse_pattern(file.file_pattern, variables)
    if container is None or not pattern.parts:
        return []
    start = Path(os.path.normpath(directory.working / pattern.fixed))
    # Names of blobs begin at the working directory; for a pattern that starts elsewhere, where it starts.
    base = directory.working if start.is_relative_to(directory.working) else start
    walk = _Walk(directory.node, pattern)
    found = {path: file for path, file in walk.below(start) if file.is_relative_to(directory.node.root)}
    return [
        Upload(file, blob_name(container.path, path.relative_to(base), pattern), container)
        for path, file in sorted(found.items())
    ]


def blob_name(path: str | None, relative: Path, pattern: Pattern) -> str:
    """Returns the name of the blob for a file.

    Args:
        path: the path that the destination names: with a wildcard in the pattern a directory, without the whole name.
        relative: the file's place, as it is to be kept below that directory.
        pattern: what has found it.
    """
    if not pattern.has_wildcard:
        return path or relative.name
    return f"{path.rstrip('/')}/{relative.as_posix()}" if path else relative.as_posix()


def applies(condition: str, succeeded: bool) -> bool:
    """Tells whether the files of a task that has succeeded, or failed, are to be uploaded."""
    return condition.lower() in ("taskcompletion", "tasksuccess" if succeeded else "taskfailure")


@dataclass(frozen=True)
class _Walk:
    """A search for the files that a pattern means, links followed as they lead on the node."""

    node: NodePaths
    pattern: Pattern

    def below(self, start: Path) -> Iterator[tuple[Path, Path]]:
        """Finds files below a directory: each as it is named, and where it really lies.

        Nothing is searched twice for the same part of the pattern, however many of its parts are ``**``.
        """
        pending = [(start, self.node.resolve(start), 0)]
        seen = set()
        while pending:
            directory, place, index = pending.pop()
            if (directory, index) in seen:
                continue
            seen.add((directory, index))
            part, is_last = self.pattern.parts[index], index == len(self.pattern.parts) - 1
            if part == ANY_DIRECTORIES and not is_last:
                pending.append((directory, place, index + 1))
            for entry in _entries(place):
                if not self.pattern.matches(index, entry.name):
                    continue
                named, found = directory / entry.name, self._follow(place, entry)
                if part == ANY_DIRECTORIES:
                    # Links to directories are left out here, for they may lead back.
                    if entry.is_dir(follow_symlinks=False):
                        pending.append((named, found, index))
                    elif is_last and _is_file(found):
                        yield named, found
                elif is_last and _is_file(found):
                    yield named, found
                elif not is_last:
                    pending.append((named, found, index + 1))

    def _follow(self, place: Path, entry: os.DirEntry[str]) -> Path:
        found = place / entry.name
        return self.node.resolve(found) if entry.is_symlink() else found


def _entries(directory: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as entries:
            return list(entries)
    except OSError:
        return []  # not there, or not a directory, or not to be read: nothing matches


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False  # its path is longer than the system allows


class _Log:
    """The two files in which a task's owner reads what became of the output files."""

    def __init__(self, directory: TaskDirectory) -> None:
        self._lock = threading.Lock()
        self._done = directory.upload_log.open("w", errors="surrogateescape")
        self._failed = directory.upload_errors.open("w", errors="surrogateescape")

    def uploaded(self, upload: Upload) -> None:
        target = without_signature(upload.container.container_url)
        with self._lock:
            self._done.write(f"uploaded {upload.file.name} to {target} as {upload.blob}\n")

    def failed(self, upload: Upload, reason: str) -> None:
        target = without_signature(upload.container.container_url)
        with self._lock:
            self._failed.write(f"could not upload {upload.file.name} to {target} as {upload.blob}: {reason}\n")

    def close(self) -> None:
        with self._lock:
            self._done.close()
            self._failed.close()


def _upload(upload: Upload, log: _Log) -> None:
    try:
        upload_file(upload)
    except CommandFailed as error:
        log.failed(upload, dict(error.failure.details)["Message"])
        raise
    log.uploaded(upload)


def upload_file(upload: Upload) -> None:
    """Uploads one file.

    Raises:
        CommandFailed: it could not be uploaded.
    """
    link = upload.container.container_url
    if upload.container.identity_reference is not None:
        raise CommandFailed(upload_failure(403, link, upload.file.name, NO_IDENTITY))
    if _UNFIT.search(upload.blob):
        raise CommandFailed(upload_failure(400, link, upload.file.name, _UNFIT_NAME))
    try:
        _send(upload)
    except (AzureError, OSError, ValueError) as error:
        status = error.status_code if isinstance(error, HttpResponseError) else None
        raise CommandFailed(upload_failure(status, link, upload.file.name, reason_of(error))) from error


def _send(upload: Upload) -> None:
    sizes = {"max_single_put_size": _BLOCK_BYTES, "max_block_size": _BLOCK_BYTES}
    with upload.file.open("rb") as stream, open_container(upload.container.container_url, **sizes) as container:
        container.upload_blob(
            upload.blob,
            stream,
            overwrite=True,
            validate_content=True,
            max_concurrency=_BLOCKS_AT_ONCE,
            headers=headers_of(upload.container),
        )


def headers_of(container: OutputContainer) -> dict[str, str]:
    """Returns the headers that uploads to a container are to have."""
    given = (container.model_extra or {}).get("uploadHeaders") or []
    return {str(header["name"]): str(header.get("value", "")) for header in given}
