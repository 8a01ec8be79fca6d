"""Where the streams of a task lie: on its node while that is there, in storage once it has ended.

Sizes are asked for by lists, for the SDK logs a traceback when a node does not have a file whose properties are asked
for; and a range that begins at the end of a file is refused.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from azure.batch import BatchClient, models
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.storage.blob import BlobServiceClient

from prefect_azure_batch.tasks.names import LOG_FOLDER
from prefect_azure_batch.tasks.node_files import GONE
from prefect_azure_batch.tasks.records import Place
from prefect_azure_batch.tasks.task_directory import STDERR, STDOUT

STREAMS = (STDOUT, STDERR)

_COMMON = "std"
_NO_SUCH_RANGE = 416


class StreamFiles(Protocol):
    """The streams of one task at one place. All errors but those of what is not there are raised."""

    def sizes(self) -> dict[str, int]:
        """How long each is by now; empty if there are none: not yet, or not any more."""
        ...

    def read(self, name: str, begin: int, end: int) -> bytes:
        """A part of one; empty if it is gone."""
        ...


@dataclass(frozen=True)
class OfTask:
    """On the node of a task, or of a multi-instance task's primary."""

    client: BatchClient
    job_id: str
    task_id: str

    def sizes(self) -> dict[str, int]:
        """See ``StreamFiles``."""
        where = f"startswith(name,'{_COMMON}')"
        return _sizes(self.client.list_task_files(self.job_id, self.task_id, filter=where))

    def read(self, name: str, begin: int, end: int) -> bytes:
        """See ``StreamFiles``."""
        return _read(self.client.download_task_file, (self.job_id, self.task_id, name), begin, end)


@dataclass(frozen=True)
class OfSubtask:
    """In the directory of a subtask, on its own node."""

    client: BatchClient
    pool_id: str
    node_id: str
    directory: str

    def sizes(self) -> dict[str, int]:
        """See ``StreamFiles``."""
        where = f"startswith(name,'{self.directory}/{_COMMON}')"
        return _sizes(self.client.list_node_files(self.pool_id, self.node_id, filter=where, recursive=True))

    def read(self, name: str, begin: int, end: int) -> bytes:
        """See ``StreamFiles``."""
        path = f"{self.directory}/{name}"
        return _read(self.client.download_node_file, (self.pool_id, self.node_id, path), begin, end)


@dataclass(frozen=True)
class InStorage:
    """In the folder of a task that has ended."""

    service: BlobServiceClient
    place: Place

    def sizes(self) -> dict[str, int]:
        """See ``StreamFiles``."""
        prefix = f"{self.place.folder}/{LOG_FOLDER}/"
        try:
            found = list(self.service.get_container_client(self.place.container).list_blobs(f"{prefix}{_COMMON}"))
        except ResourceNotFoundError:
            return {}
        return {blob.name.removeprefix(prefix): blob.size for blob in found}

    def read(self, name: str, begin: int, end: int) -> bytes:
        """See ``StreamFiles``."""
        blob = self.service.get_blob_client(self.place.container, f"{self.place.folder}/{LOG_FOLDER}/{name}")
        try:
            return blob.download_blob(offset=begin, length=end - begin).readall()
        except ResourceNotFoundError:
            return b""


def _sizes(entries: Iterable[models.BatchNodeFile]) -> dict[str, int]:
    try:
        found = {(entry.name or "").rpartition("/")[2]: entry.properties for entry in entries}
    except HttpResponseError as error:
        if error.status_code in GONE:
            return {}
        raise
    return {name: known.content_length for name, known in found.items() if name in STREAMS and known}


def _read(download: Callable[..., Iterable[bytes]], file: tuple[str, str, str], begin: int, end: int) -> bytes:
    try:
        return b"".join(download(*file, ocp_range=f"bytes={begin}-{end - 1}"))
    except HttpResponseError as error:
        if error.status_code in GONE | {_NO_SUCH_RANGE}:
            return b""
        raise
