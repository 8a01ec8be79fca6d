"""The files of nodes and tasks, and nothing outside them.

Names use forward slashes, or backward slashes where no file has one in its name. Links are followed as long as they
stay within the node.
"""

import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from localbatch.driver.node_paths import NodePaths
from localbatch.store.removal import remove_tree
from localbatch.wire.errors import ServiceError

_RANGE = re.compile(r"\s*bytes\s*=([0-9]{1,18})-([0-9]{0,18})\s*", re.IGNORECASE)


@dataclass(frozen=True)
class FileEntry:
    """A file or a directory.

    Attributes:
        name: relative to the listing's root, with forward slashes.
        path: where it really lies, links resolved.
        mode: type and permissions as ``stat`` gives them.
    """

    name: str
    path: Path
    is_directory: bool
    created: datetime
    modified: datetime
    size: int
    mode: int

    @property
    def order(self) -> tuple[int, str]:
        """Shallow before deep, then by name: the order of listings."""
        return self.name.count("/"), self.name


class FileTree:
    """What lies below a directory of a node.

    Args:
        root: the directory names are relative to.
        node: the directory that nothing may lead out of: the node's own.
    """

    def __init__(self, root: Path, node: NodePaths) -> None:
        self._root, self._limit = root, node.root.resolve()
        self._node = NodePaths(self._limit, node.mount)

    def exists(self) -> bool:
        """Tells whether the directory is there."""
        return self._root.is_dir()

    def list(self, *, recursive: bool) -> "list[FileEntry]":
        """Returns files and directories, shallow ones first."""
        return sorted(self._walk(self._root, "", recursive), key=lambda entry: entry.order)

    def _walk(self, directory: Path, prefix: str, recursive: bool) -> Iterator[FileEntry]:
        try:
            found = list(os.scandir(directory))
        except OSError:
            # A directory that went away meanwhile, or that its owner closed, has nothing to show.
            return
        for item in found:
            name = f"{prefix}{item.name}"
            entry = self._look(name, Path(item.path))
            if entry is not None:
                yield entry
                # A link to a directory is shown, but not walked: it may lead in a circle.
                if recursive and entry.is_directory and not item.is_symlink():
                    yield from self._walk(Path(item.path), f"{name}/", recursive)

    def find(self, name: str) -> FileEntry:
        """Returns a file or directory.

        Raises:
            ServiceError: ``FileNotFound``, also for what lies outside the node.
        """
        for spelling in (name, name.replace("\\", "/")):
            entry = self._look(spelling.strip("/"), self._path(spelling))
            if entry is not None:
                return entry
        raise ServiceError("FileNotFound")

    def delete(self, name: str, *, recursive: bool) -> None:
        """Removes a file, or a directory, which must be empty unless ``recursive`` is true.

        Raises:
            ServiceError: ``FileNotFound``, or ``OperationInvalidForCurrentState`` for a directory that is not empty.
        """
        entry = self.find(name)
        named = self._path(entry.name)
        # Links on the way are followed as they lead on the node; of a link that is named itself, the link goes.
        path = self._node.resolve(named.parent) / named.name
        if not path.is_relative_to(self._limit):
            raise ServiceError("FileNotFound")
        try:
            if path.is_symlink() or not entry.is_directory:
                path.unlink()
            elif recursive:
                remove_tree(path)
            else:
                path.rmdir()
        except OSError as error:
            reason = (("Reason", os.strerror(error.errno or 0)),)
            raise ServiceError("OperationInvalidForCurrentState", values=reason) from error

    def _path(self, name: str) -> Path:
        parts = name.strip("/").split("/")
        if any(part in ("", ".", "..") or "\0" in part for part in parts):
            raise ServiceError("FileNotFound")
        return self._root.joinpath(*parts)

    def _look(self, name: str, path: Path) -> FileEntry | None:
        with suppress(OSError, RuntimeError):
            real = self._node.resolve(path)
            if not real.is_relative_to(self._limit):
                return None
            status = real.stat()
            if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
                return None
            return FileEntry(
                name=name,
                path=real,
                is_directory=stat.S_ISDIR(status.st_mode),
                created=datetime.fromtimestamp(status.st_ctime, UTC),
                modified=datetime.fromtimestamp(status.st_mtime, UTC),
                size=status.st_size,
                mode=status.st_mode,
            )
        return None


def parse_range(header: str | None, size: int) -> tuple[int, int]:
    """Reads an ``ocp-range`` header.

    Args:
        header: such as ``bytes=0-99`` or ``bytes=100-``; None is the whole file.
        size: of the file, in bytes.

    Returns:
        The first byte, and the number of bytes.

    Raises:
        ServiceError: ``InvalidRange`` or ``InvalidHeaderValue``.
    """
    if header is None:
        return 0, size
    found = _RANGE.fullmatch(header)
    if found is None:
        values = (("HeaderName", "ocp-range"), ("HeaderValue", header))
        raise ServiceError("InvalidHeaderValue", values=values)
    first, last = found.groups()
    begin = int(first)
    end = min(int(last), size - 1) if last else size - 1
    if begin >= size or (last and int(last) < begin):
        raise ServiceError("InvalidRange")
    return begin, end - begin + 1
