"""Application packages on a node: fetched and unpacked once, then shared by all its tasks.

Each lies in ``applications/<id><version><time>``. Which package lies where is kept in ``volatile/packages.json``, so
that a restarted service still knows.
"""

import asyncio
import itertools
import json
import lzma
import shutil
import stat
import tempfile
import threading
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from localbatch.driver.downloads import Downloader, DownloadError, DownloadGivenUp
from localbatch.driver.failures import CommandFailed, package_failure
from localbatch.driver.interface import Package
from localbatch.driver.threads import Threads
from localbatch.store.removal import remove_tree

_PIECE_BYTES = 1 << 20
_MOST_ENTRIES = 1_000_000
_ALWAYS_SET = 0o755


class BadArchive(Exception):
    """An archive that must not be unpacked."""


# What zipfile raises for archives that are damaged or made with a method that it does not know.
BAD_ARCHIVE = (BadArchive, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, ValueError)


@dataclass(frozen=True)
class InstalledPackage:
    """A package on a node.

    Attributes:
        is_default: whether its version is the application's default one.
        for_all: whether it belongs to the pool, so that every task may use it.
    """

    application_id: str
    version: str
    directory: Path
    is_default: bool = False
    for_all: bool = False

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from others: names of packages are the same in any case of letters."""
        return self.application_id.lower(), self.version.lower()


class NodePackages:
    """The packages of one node.

    Args:
        root: the node's root.
    """

    def __init__(self, root: Path, downloader: Downloader, threads: Threads) -> None:
        self._applications = root.absolute() / "applications"
        self._index = root.absolute() / "volatile" / "packages.json"
        self._downloader = downloader
        self._threads = threads
        self._lock = asyncio.Lock()
        self._installed = _read_index(self._index)

    async def install_for_all(self, packages: Iterable[Package]) -> None:
        """Sees to it that the pool's packages lie on the node; every command may use them from now on.

        Raises:
            CommandFailed: one could not be fetched or unpacked.
        """
        chosen = [await self._ensure(package) for package in packages]
        keys = {package.key for package in chosen}
        self._installed |= {package.key: replace(package, for_all=True) for package in chosen}
        for package in [package for package in self._installed.values() if package.for_all and package.key not in keys]:
            self._installed[package.key] = replace(package, for_all=False)
        _write_index(self._index, self._installed.values())

    async def install(self, packages: Iterable[Package]) -> list[InstalledPackage]:
        """Sees to it that the packages of one command lie on the node.

        Returns:
            What that command may use: these and those of the pool.

        Raises:
            CommandFailed: one could not be fetched or unpacked.
        """
        wanted = [await self._ensure(package) for package in packages]
        return [package for package in self._installed.values() if package.for_all] + wanted

    async def _ensure(self, package: Package) -> InstalledPackage:
        key = (package.application_id.lower(), package.version.lower())
        async with self._lock:
            if key not in self._installed:
                directory = await self._unpack(package)
                self._installed[key] = InstalledPackage(package.application_id, package.version, directory)
                _write_index(self._index, self._installed.values())
            # Whether it is the default one is a matter of who asks.
            return replace(self._installed[key], is_default=package.is_default)

    async def _unpack(self, package: Package) -> Path:
        given_up = threading.Event()
        try:
            return await self._threads.call(self._fetch_and_unpack, package, given_up)
        finally:
            given_up.set()

    def _fetch_and_unpack(self, package: Package, given_up: threading.Event) -> Path:
        partial = Path(tempfile.mkdtemp(dir=self._index.parent))
        try:
            with tempfile.TemporaryFile(dir=self._index.parent) as archive:
                self._downloader.fetch(package.archive_url, archive, given_up)
                unpack(archive, partial, given_up)
            partial.chmod(0o755)
            return _rename(partial, self._applications, f"{package.application_id}{package.version}")
        except (DownloadError, *BAD_ARCHIVE, OSError) as error:
            # The text of an error of the system names a directory of this machine.
            reason = error.strerror if isinstance(error, OSError) else None
            failure = package_failure(package.application_id, package.version, reason or str(error))
            raise CommandFailed(failure) from error
        finally:
            remove_tree(partial)


def unpack(archive: IO[bytes], directory: Path, given_up: threading.Event) -> None:
    """Unpacks a zip archive.

    Archives made on Windows carry no permissions, so every file becomes executable.

    Raises:
        BadArchive: an entry would leave the directory, or is neither a file nor a directory, or there is no room for
            all of them.
        DownloadGivenUp: the event was set meanwhile.
    """
    with zipfile.ZipFile(archive) as opened:
        _check_room(opened, directory)
        for entry in opened.infolist():
            path = _entry_path(entry, directory)
            if entry.is_dir():
                path.mkdir(parents=True, exist_ok=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            with opened.open(entry) as source, path.open("wb") as target:
                while piece := source.read(_PIECE_BYTES):
                    if given_up.is_set():
                        raise DownloadGivenUp
                    target.write(piece)
            path.chmod((entry.external_attr >> 16) & 0o777 | _ALWAYS_SET)


def _check_room(opened: zipfile.ZipFile, directory: Path) -> None:
    entries = opened.infolist()
    if len(entries) > _MOST_ENTRIES:
        raise BadArchive(f"It has {len(entries)} entries; {_MOST_ENTRIES} are the most.")
    # No entry is read beyond the size it declares.
    size, free = sum(entry.file_size for entry in entries), shutil.disk_usage(directory).free
    if size > free:
        raise BadArchive(f"Unpacked it takes {size} bytes, and {free} are free.")


def _entry_path(entry: zipfile.ZipInfo, directory: Path) -> Path:
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise BadArchive(f"{entry.filename!r} is neither a file nor a directory.")
    if entry.flag_bits & 1:
        raise BadArchive(f"{entry.filename!r} is encrypted.")
    if not entry.filename:
        raise BadArchive("An entry has no name.")
    if entry.filename.startswith("/") or ".." in entry.filename.split("/"):
        raise BadArchive(f"{entry.filename!r} would leave the package's directory.")
    return directory / entry.filename


def _rename(partial: Path, applications: Path, name: str) -> Path:
    base = name + datetime.now(UTC).strftime("%Y-%m-%d-%H-%M")
    # Version 1 of "a1" and version 11 of "a" have the same name.
    names = itertools.chain([base], (f"{base}-{number}" for number in itertools.count(2)))
    return partial.rename(next(path for name in names if not (path := applications / name).exists()))


def _read_index(index: Path) -> dict[tuple[str, str], InstalledPackage]:
    try:
        entries = json.loads(index.read_text())
    except FileNotFoundError:
        return {}
    found = [InstalledPackage(**entry | {"directory": Path(entry["directory"])}) for entry in entries]
    return {package.key: package for package in found}


def _write_index(index: Path, packages: Iterable[InstalledPackage]) -> None:
    entries = [asdict(package) | {"directory": str(package.directory)} for package in packages]
    # Renamed into place, so that a service that is killed leaves the old or the new one.
    new = index.with_suffix(".new")
    new.write_text(json.dumps(entries))
    new.replace(index)
