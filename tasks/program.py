"""A program as the user has it: a file or a directory, checked and packed."""

import gzip
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from prefect_azure_batch.tasks.errors import BadInput


def check_program(path: Path) -> None:
    """Refuses a program that is not there or holds nothing, before anything is created.

    Raises:
        BadInput: says what is wrong.
    """
    if not path.exists():
        raise BadInput(f"The program {str(path)!r} does not exist.")
    if path.is_dir() and not any(entry.is_file() for entry in path.rglob("*")):
        raise BadInput(f"The program directory {str(path)!r} holds no files.")


def write_archive(path: Path, target: IO[bytes]) -> None:
    """Packs a program as tar.gz: the same content gives the same bytes; execute bits are kept, one file gets them."""
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=target, mtime=0) as compressed,
        tarfile.open(mode="w", fileobj=compressed) as archive,
    ):
        for file, name in _files(path):
            archive.add(file, name, recursive=False, filter=lambda entry: _anonymous(entry, path.is_file()))


def _files(path: Path) -> Iterator[tuple[Path, str]]:
    if path.is_file():
        yield path, path.name
        return
    for entry in sorted(path.rglob("*")):
        if "__pycache__" not in entry.parts:
            yield entry, str(entry.relative_to(path))


def _anonymous(entry: tarfile.TarInfo, executable: bool) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mtime = 0
    entry.mode = 0o755 if executable or entry.isdir() or entry.mode & 0o111 else 0o644
    return entry


def write_zip(path: Path, target: IO[bytes]) -> None:
    """Packs a program as the zip that an application package is made of."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for file, name in _files(path):
            if file.is_file():
                archive.write(file, name)
