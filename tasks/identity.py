"""What names an input's content, so that the same input is known again, on whatever machine."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from prefect_azure_batch.tasks import transfer
from prefect_azure_batch.tasks.errors import BadInput
from prefect_azure_batch.tasks.link_versions import link_version
from prefect_azure_batch.tasks.names import file_digest
from prefect_azure_batch.tasks.records import InputItem


def identify(inputs: Sequence[InputItem]) -> list[InputItem]:
    """Finds the version of each input: a digest of a local file's content, a blob's ETag, or what a server says.

    Files are read several at a time. Inputs with the same name and content are counted, for each is work of its own.

    Args:
        inputs: what to look at; what has a version already keeps it.

    Returns:
        The same inputs, in the same order.
    """
    seen: Counter[tuple[str, str]] = Counter()
    found = []
    for item in transfer.each(with_version, inputs):
        twins = seen[item.name, item.version]
        seen[item.name, item.version] += 1
        found.append(item if item.twin else replace(item, twin=twins))
    return found


def stamp(path: Path) -> tuple[int, int]:
    """Time of change, in nanoseconds, and size of a file: if they are the same, so is its content."""
    status = path.stat()
    return status.st_mtime_ns, status.st_size


def with_version(item: InputItem) -> InputItem:
    """The input with what names its content.

    Raises:
        BadInput: its file cannot be read, or its link is refused.
        ServiceFailure: its link has no answer.
    """
    if item.version:
        return item
    if item.url is not None:
        return replace(item, version=link_version(item.url))
    if item.path is None:
        return replace(item, version=item.etag.strip('"'))
    try:
        before = stamp(item.path)
        return replace(item, version=file_digest(item.path), stamp=before)
    except OSError as error:
        raise BadInput(f"The input {item.label!r} cannot be read: {error.strerror}.") from None
