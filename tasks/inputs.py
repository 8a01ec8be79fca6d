"""Finding inputs: local files, globs and directories, and blobs."""

import glob
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from prefect_azure_batch.tasks.errors import BadInput
from prefect_azure_batch.tasks.records import InputItem

if TYPE_CHECKING:
    from azure.storage.blob import BlobProperties

BLOB_SCHEME = "az://"

BlobLister = Callable[[str, str], Iterable[tuple[str, str]]]
"""Lists ``(blob name, ETag)`` of a container's blobs whose names start with a prefix."""


def find_inputs(patterns: Sequence[str], list_blobs: BlobLister) -> list[InputItem]:
    """Finds the inputs of a run, in the order of the patterns, each pattern's finds sorted by name.

    Args:
        patterns: local files, globs or directories (searched to the bottom, hidden files left out), or
            ``az://container/prefix``.
        list_blobs: lists the blobs of a container.

    Returns:
        At least one input, numbered from 0.

    Raises:
        BadInput: a pattern matches nothing, an input is found twice, or one cannot be read.
    """
    if not patterns:
        raise BadInput("No inputs were named: give files, globs, directories or az://container/prefix.")
    found: list[InputItem] = []
    seen: dict[str, str] = {}
    for pattern in patterns:
        if not pattern:
            raise BadInput("An input is an empty text: name a file, a glob, a directory or az://container/prefix.")
        items = list(_find_blobs(pattern, list_blobs) if pattern.startswith(BLOB_SCHEME) else _find_files(pattern))
        if not items:
            raise BadInput(f"No input matches {pattern!r}.")
        for item in items:
            identity = f"{item.container}/{item.blob}" if item.path is None else os.path.realpath(item.path)
            if identity in seen:
                raise BadInput(_complaint_about_twins(seen[identity], item.label))
            seen[identity] = item.label
            found.append(replace(item, index=len(found)))
    return found


def _complaint_about_twins(first: str, second: str) -> str:
    if first == second:
        return f"The input {first!r} is listed twice: name each input once."
    return f"The inputs {first!r} and {second!r} are one file, by a link or another spelling: name it once."


def is_folder(blob: "BlobProperties") -> bool:
    """Whether a blob stands for a directory, as in storage accounts with hierarchical namespace.

    Source: "Known issues with Azure Data Lake Storage Gen2", Microsoft Learn: listings show directories as empty blobs
    with this metadata.
    """
    return str((blob.metadata or {}).get("hdi_isfolder", "")).lower() == "true"


def _find_files(pattern: str) -> Iterator[InputItem]:
    path = Path(pattern)
    if path.is_dir():
        paths = _files_below(path)
    elif path.exists() or path.is_symlink():
        paths = [path]
    else:
        paths = [Path(match) for match in sorted(glob.glob(pattern, recursive=True)) if not os.path.isdir(match)]
    for file in paths:
        _check_file(file)
        yield InputItem(0, str(file), file.name, path=file)


def _files_below(directory: Path) -> list[Path]:
    files: list[Path] = []
    for folder, names, file_names in os.walk(directory):
        names[:] = sorted(name for name in names if not name.startswith("."))
        files += [Path(folder, name) for name in sorted(file_names) if not name.startswith(".")]
    return files


def _check_file(path: Path) -> None:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise BadInput(f"The input {os.fsencode(path)!r} has a name that is not UTF-8: rename it.") from None
    if not path.is_file():
        raise BadInput(f"The input {str(path)!r} is not a file.")
    if not os.access(path, os.R_OK):
        raise BadInput(f"The input {str(path)!r} cannot be read: check its permissions.")


def _find_blobs(pattern: str, list_blobs: BlobLister) -> Iterator[InputItem]:
    container, _, prefix = pattern.removeprefix(BLOB_SCHEME).partition("/")
    if not container:
        raise BadInput(f"{pattern!r} names no container: write az://container/prefix.")
    for blob, etag in sorted(list_blobs(container, prefix)):
        name = blob.rpartition("/")[2]
        if name in (".", ".."):
            raise BadInput(f"The blob {blob!r} in {container!r} has no usable file name: rename it.")
        if name:
            yield InputItem(0, f"{BLOB_SCHEME}{container}/{blob}", name, container=container, blob=blob, etag=etag)
