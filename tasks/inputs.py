"""Finding inputs: local files, globs and directories, blobs, and links."""

import glob
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from prefect_azure_batch.tasks.errors import BadInput
from prefect_azure_batch.tasks.names import FAILED_FOLDER, INDEX_NAME, LOG_FOLDER, REPORT_NAME, RUN_ID, TASK_FOLDER
from prefect_azure_batch.tasks.patterns import Pattern
from prefect_azure_batch.tasks.records import BLOB_SCHEME, InputItem, Place
from prefect_azure_batch.tasks.web_links import is_link, linked_input, place_of

if TYPE_CHECKING:
    pass

# What runs put beside the outputs in results that stay in storage.
_NO_OUTPUTS = re.compile(
    rf"(?:^|/)(?:{RUN_ID}/(?:{re.escape(INDEX_NAME)}|{re.escape(REPORT_NAME)})"
    rf"|{TASK_FOLDER}/(?:{LOG_FOLDER}/[^/]+|{FAILED_FOLDER}/.+|subtask-\d+/(?:stdout|stderr)\.txt))$"
)

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_WILDCARD = re.compile(r"[*?]")
# Source: "Naming and referencing containers, blobs, and metadata", Azure Storage.
_UNFIT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")

BlobLister = Callable[[str, str], Iterable[tuple[str, str]]]
"""Lists ``(blob name, ETag)`` of a container's blobs whose names start with a prefix."""


@dataclass(frozen=True)
class FoundInput:
    """An input as it was found, with no place in an order yet.

    Attributes:
        item: the input.
        pattern: number of the pattern that it matches, from 0.
        identity: the same for all names of one file or blob.
        turn: of its values, among those that the same file has.
    """

    item: InputItem
    pattern: int
    identity: str
    turn: int = 0


def find_inputs(patterns: Sequence[str], list_blobs: BlobLister) -> list[InputItem]:
    """Finds the inputs of a run, in the order of the patterns, each pattern's finds sorted by name.

    Args:
        patterns: local files, globs or directories (searched to the bottom, hidden files left out), or
            ``az://container/prefix`` (what runs leave besides outputs is left out, unless named whole; ``*``, ``?`` and
            ``**`` match names of blobs as they do those of files), or links.
        list_blobs: lists the blobs of a container.

    Returns:
        At least one input, numbered from 0.

    Raises:
        BadInput: a pattern matches nothing, an input is found twice, or one cannot be read.
    """
    items: list[InputItem] = []
    seen: dict[str, str] = {}
    for found in sorted(search_inputs(patterns, list_blobs), key=lambda found: (found.pattern, found.item.label)):
        if found.identity in seen:
            raise BadInput(complaint_about_twins(seen[found.identity], found.item.label))
        seen[found.identity] = found.item.label
        items.append(replace(found.item, index=len(items)))
    return items


def search_inputs(patterns: Sequence[str], list_blobs: BlobLister) -> Iterator[FoundInput]:
    """Finds the same one after the other, pattern by pattern and else in no order; one may come twice.

    Raises:
        BadInput: a pattern matches nothing, or an input cannot be read.
    """
    if not patterns:
        raise BadInput("No inputs were named: give files, globs, directories, az://container/prefix or links.")
    for number, pattern in enumerate(patterns):
        if not pattern:
            raise BadInput(
                "An input is an empty text: name a file, glob or directory, az://container/prefix or a link."
            )
        matches = False
        for item in _find(pattern, list_blobs):
            matches = True
            yield FoundInput(item, number, _identity(item))
        if not matches:
            raise BadInput(f"No input matches {pattern!r}.")


def _find(pattern: str, list_blobs: BlobLister) -> Iterator[InputItem]:
    if is_link(pattern):
        return iter([linked_input(pattern)])
    if _SCHEME.match(pattern) and not pattern.startswith(BLOB_SCHEME):
        raise BadInput(
            f"{pattern!r} is neither az://container/prefix nor a link: links begin with https:// or http://."
        )
    return _find_blobs(pattern, list_blobs) if pattern.startswith(BLOB_SCHEME) else _find_files(pattern)


def _identity(item: InputItem) -> str:
    if item.url is not None:
        return place_of(item.url)
    return f"{item.container}/{item.blob}" if item.path is None else os.path.realpath(item.path)


def complaint_about_twins(first: str, second: str) -> str:
    """What is wrong with an input that has two names."""
    if first == second:
        return f"The input {first!r} is listed twice: name each input once."
    return f"The inputs {first!r} and {second!r} are one file, by a link or another spelling: name it once."


def _find_files(pattern: str) -> Iterator[InputItem]:
    path = Path(pattern)
    if path.is_dir():
        paths = _files_below(path)
    elif path.exists() or path.is_symlink():
        paths = iter([path])
    else:
        paths = (Path(match) for match in glob.iglob(pattern, recursive=True) if not os.path.isdir(match))
    for file in paths:
        _check_file(file)
        yield InputItem(0, str(file), file.name, path=file)


def _files_below(directory: Path) -> Iterator[Path]:
    folders = []
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if not entry.is_dir():
                    yield directory / entry.name
                elif not entry.is_symlink():
                    folders.append(entry.name)
    except OSError as error:
        raise BadInput(f"The directory {str(directory)!r} cannot be searched ({error.strerror}).") from None
    for name in folders:
        yield from _files_below(directory / name)


def _check_file(path: Path) -> None:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise BadInput(f"The input {os.fsencode(path)!r} has a name that is not UTF-8: rename it.") from None
    if _UNFIT.search(path.name):
        raise BadInput(f"The input {str(path)!r} has a control character in its name, as no blob may: rename it.")
    if not path.is_file():
        raise BadInput(f"The input {str(path)!r} is not a file.")
    if not os.access(path, os.R_OK):
        raise BadInput(f"The input {str(path)!r} cannot be read: check its permissions.")


def _find_blobs(pattern: str, list_blobs: BlobLister) -> Iterator[InputItem]:
    place = Place.parse(pattern)
    container = place.container
    if not container:
        raise BadInput(f"{pattern!r} names no container: write az://container/prefix.")
    for blob, etag in _listed(place, list_blobs):
        name = blob.rpartition("/")[2]
        if name in (".", ".."):
            raise BadInput(f"The blob {blob!r} in {container!r} has no usable file name: rename it.")
        if name and (blob == place.folder or not _NO_OUTPUTS.search(blob)):
            yield InputItem(0, f"{BLOB_SCHEME}{container}/{blob}", name, container=container, blob=blob, etag=etag)


def _listed(place: Place, list_blobs: BlobLister) -> Iterable[tuple[str, str]]:
    """Blobs by prefix, or by pattern where it has wildcards; a blob whose name looks like a pattern is that blob."""
    wildcard = _WILDCARD.search(place.folder)
    if wildcard is None:
        return list_blobs(place.container, place.folder)
    if named := [found for found in list_blobs(place.container, place.folder) if found[0] == place.folder]:
        return named
    # Brackets stand in names of blobs as they are.
    pattern = Pattern(tuple(part.replace("[", "[[]") for part in place.folder.split("/")))
    candidates = list_blobs(place.container, place.folder[: wildcard.start()])
    return (found for found in candidates if pattern.matches(found[0]))
