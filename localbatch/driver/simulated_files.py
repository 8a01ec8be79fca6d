"""What simulated tasks leave in storage: files that lie on no disk, found by the patterns of output files."""

import http.client
import posixpath
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from localbatch.bodies.commands import OutputContainer, OutputFile
from localbatch.driver.failures import CommandFailed, upload_failure
from localbatch.driver.output_files import NO_IDENTITY, applies, blob_name, headers_of
from localbatch.driver.patterns import ANY_DIRECTORIES, Pattern, parse_pattern

# The working directory is where the names of simulated files begin.
_VARIABLES = {"AZ_BATCH_TASK_DIR": "..", "AZ_BATCH_TASK_WORKING_DIR": "."}
_HEADERS = {"x-ms-blob-type": "BlockBlob", "x-ms-version": "2024-11-04", "User-Agent": "localbatch"}
_TRIES = 6
_PAUSE_SECONDS = 1.0
_SECONDS = 60.0
_THROTTLED = 429
_FAILED = 500


@dataclass(frozen=True)
class SimulatedFile:
    """One file to be in storage.

    Attributes:
        name: its own name.
        blob: name of the blob.
    """

    name: str
    blob: str
    text: str
    container: OutputContainer


def find(output: OutputFile, files: Mapping[str, str], *, succeeded: bool) -> list[SimulatedFile]:
    """Returns those of a task's files that an output file stands for, in the order of their names.

    Args:
        output: the output file.
        files: what the task has left, by the path of each from the working directory.
        succeeded: whether the task has.
    """
    container = output.destination.container
    pattern = parse_pattern(output.file_pattern, _VARIABLES)
    if container is None or not pattern.parts or not applies(output.upload_options.upload_condition, succeeded):
        return []
    start = posixpath.normpath(pattern.fixed or ".")
    # As with real files: names begin at the working directory, or where a pattern starts that starts elsewhere.
    base = start if start == ".." or start.startswith(("../", "/")) else "."
    below = {path: posixpath.relpath(path, start).split("/") for path in files}
    return [
        SimulatedFile(
            posixpath.basename(path),
            blob_name(container.path, Path(posixpath.relpath(path, base)), pattern),
            files[path],
            container,
        )
        for path, names in sorted(below.items())
        if names[0] != ".." and _fits(pattern, 0, names)
    ]


def _fits(pattern: Pattern, index: int, names: list[str]) -> bool:
    """Tells whether names of directories, and of a file last, fit what follows in a pattern."""
    if not names or index == len(pattern.parts):
        return False
    is_last = index == len(pattern.parts) - 1
    if pattern.parts[index] == ANY_DIRECTORIES:
        if not is_last and _fits(pattern, index + 1, names):
            return True
        if len(names) > 1:
            return pattern.matches(index, names[0]) and _fits(pattern, index, names[1:])
        return is_last and pattern.matches(index, names[0])
    if not pattern.matches(index, names[0]):
        return False
    return len(names) == 1 if is_last else _fits(pattern, index + 1, names[1:])


class Uploader:
    """Sends small files, each thread by a connection of its own: a tenth of the work that a client of the SDK is."""

    def __init__(self) -> None:
        self._kept = threading.local()

    def send(self, file: SimulatedFile) -> None:
        """Makes a blob. It blocks.

        Raises:
            CommandFailed: it could not be made.
        """
        link = file.container.container_url
        if file.container.identity_reference is not None:
            raise CommandFailed(upload_failure(403, link, file.name, NO_IDENTITY))
        status, reason = self._persist(file)
        if status is None or status >= 300:
            raise CommandFailed(upload_failure(status, link, file.name, reason))

    def _persist(self, file: SimulatedFile) -> tuple[int | None, str]:
        status, reason = self._try(file)
        for _ in range(_TRIES - 1):
            if status is not None and status != _THROTTLED and status < _FAILED:
                break
            time.sleep(_PAUSE_SECONDS)
            status, reason = self._try(file)
        return status, reason

    def _try(self, file: SimulatedFile) -> tuple[int | None, str]:
        parts = urlsplit(file.container.container_url)
        target = f"{parts.path.rstrip('/')}/{quote(file.blob)}?{parts.query}"
        connections: dict[str, http.client.HTTPConnection] = vars(self._kept)
        place = f"{parts.scheme}://{parts.netloc}"
        kept = place in connections
        connection = connections.setdefault(place, _connect(parts.scheme, parts.netloc))
        try:
            connection.request("PUT", target, file.text.encode(), _HEADERS | headers_of(file.container))
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException, ValueError):
            connections.pop(place).close()
            # A connection that rested may have been closed by the other side.
            return self._try(file) if kept else (None, "The storage service did not answer")
        return answer.status, f"{answer.status} {answer.headers.get('x-ms-error-code', '')}".rstrip()


def _connect(scheme: str, place: str) -> http.client.HTTPConnection:
    kind = http.client.HTTPSConnection if scheme == "https" else http.client.HTTPConnection
    return kind(place, timeout=_SECONDS)
