"""Containers of blobs that seem to be mounted on a node.

There is no file system behind them: their blobs are fetched before a command and what has changed is sent after it, so
that what one task has written is there for the next, on whatever node.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError
from azure.storage.blob import ContainerClient

from localbatch.driver.blob_containers import is_folder, open_container, reason_of
from localbatch.driver.failures import CommandFailed, mount_failure
from localbatch.driver.interface import Mount
from localbatch.store.removal import remove_tree

_PARTIAL = ".localbatch-partial"
_BLOCK_BYTES = 8 << 20


@dataclass(frozen=True)
class _Version:
    """A file as it was when it and its blob were last the same."""

    etag: str
    size: int
    modified: int


class MountedDirectory:
    """One mounted file system of a node.

    Args:
        root: the node's root.
        mount: what is mounted, and where.
    """

    def __init__(self, root: Path, mount: Mount) -> None:
        self._directory, self._mount = root.absolute() / "fsmounts" / mount.path, mount
        self._known: dict[str, _Version] = {}
        self._lock = threading.Lock()

    def set_up(self) -> None:
        """Makes the directory anew, with all that lies in the container.

        Raises:
            CommandFailed: the container can't be read.
        """
        remove_tree(self._directory)
        self._directory.mkdir(parents=True)
        self.pull()

    def pull(self) -> None:
        """Fetches the blobs that are new or were changed elsewhere; what commands have changed here stays.

        Raises:
            CommandFailed: the container can't be read.
        """
        with suppress(FileExistsError):  # where a command has removed what on Azure cannot be
            self._directory.mkdir(parents=True, exist_ok=True)
        with self._lock, self._opened() as container:
            if container is None:
                return
            found: dict[str, str] = {}
            for blob in container.list_blobs(include=["metadata"]):
                path = self._place(blob.name)
                if path is not None and is_folder(blob):
                    path.mkdir(parents=True, exist_ok=True)
                elif path is not None:
                    found[blob.name] = str(blob.etag)
            for name in self._known.keys() - found.keys():
                if self._is_unchanged(name):
                    (self._directory / name).unlink()
                    del self._known[name]
            for name, etag in found.items():
                if self._is_stale(name, etag):
                    self._fetch(container, name)

    def push(self) -> None:
        """Sends the files that commands have made or changed, and removes the blobs of those that they have removed.

        Raises:
            CommandFailed: the container can't be written.
        """
        with self._lock, self._opened() as container:
            if container is None:
                return
            present = dict(self._files())
            for name, path in present.items():
                if not self._is_unchanged(name):
                    self._send(container, name, path)
            for name in self._known.keys() - present.keys():
                with suppress(ResourceNotFoundError):  # somebody else was faster
                    container.delete_blob(name)
                del self._known[name]

    def _opened(self) -> "_Opened":
        return _Opened(self._mount)

    def _place(self, name: str) -> Path | None:
        """Where a blob lies; None for a name that no file can have."""
        parts = PurePosixPath(name).parts
        if not parts or name.endswith("/") or parts[0] == "/" or ".." in parts or "\0" in name:
            return None
        return self._directory / name

    def _files(self) -> Iterator[tuple[str, Path]]:
        for folder, _, names in os.walk(self._directory):
            for name in names:
                path = Path(folder, name)
                if not path.is_symlink() and path.is_file() and not name.endswith(_PARTIAL):
                    yield path.relative_to(self._directory).as_posix(), path

    def _is_unchanged(self, name: str) -> bool:
        known = self._known.get(name)
        try:
            now = (self._directory / name).lstat()
        except OSError:
            return False
        return known is not None and (known.size, known.modified) == (now.st_size, now.st_mtime_ns)

    def _is_stale(self, name: str, etag: str) -> bool:
        known = self._known.get(name)
        if known is None:
            return not (self._directory / name).exists()
        return known.etag != etag and self._is_unchanged(name)

    def _fetch(self, container: ContainerClient, name: str) -> None:
        path = self._directory / name
        partial = path.with_name(f"{path.name[:100]}{_PARTIAL}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as stream:
                download = container.download_blob(name)
                download.readinto(stream)
            partial.replace(path)
            self._note(name, path, str(download.properties.etag))
        except OSError as error:
            raise CommandFailed(mount_failure(self._mount.path, f"{name}: {error.strerror}")) from error
        finally:
            partial.unlink(missing_ok=True)

    def _send(self, container: ContainerClient, name: str, path: Path) -> None:
        try:
            before = path.lstat()
            with path.open("rb") as stream:
                sent = container.upload_blob(name, stream, overwrite=True).get_blob_properties()
        except OSError:
            return  # a command has removed it meanwhile, or is at it: its own end brings it
        self._known[name] = _Version(str(sent.etag), before.st_size, before.st_mtime_ns)

    def _note(self, name: str, path: Path, etag: str) -> None:
        now = path.lstat()
        self._known[name] = _Version(etag, now.st_size, now.st_mtime_ns)


class _Opened:
    """The container of a mount, None of one that has none; errors of the service become failures of the mount."""

    def __init__(self, mount: Mount) -> None:
        self._mount = mount
        self._container: ContainerClient | None = None

    def __enter__(self) -> ContainerClient | None:
        if self._mount.link is not None:
            sizes = {"max_single_put_size": _BLOCK_BYTES, "max_block_size": _BLOCK_BYTES}
            self._container = open_container(self._mount.link, **sizes)
        return self._container

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if self._container is not None:
            self._container.close()
        if isinstance(error, (AzureError, ValueError)):
            reason = reason_of(error)
            if isinstance(error, HttpResponseError) and error.status_code == 404:
                reason = "There is no such container"
            raise CommandFailed(mount_failure(self._mount.path, reason)) from error
