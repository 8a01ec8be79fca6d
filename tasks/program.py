"""A program as the user has it: a file or a directory, checked and packed."""

import gzip
import os
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from prefect_azure_batch.tasks.errors import BadInput

_LONGEST_FIRST_LINE = 512
# How the formats of other systems' programs begin: Mach-O of 64 bits, for several processors, and PE.
_FOREIGN = {b"\xcf\xfa\xed\xfe": "macOS", b"\xca\xfe\xba\xbe": "macOS", b"MZ": "Windows"}


def check_program(path: Path) -> None:
    """Refuses a program that is not there or holds nothing, before anything is created.

    Raises:
        BadInput: says what is wrong.
    """
    if not path.exists():
        raise BadInput(f"The program {str(path)!r} does not exist.")
    if path.is_dir() and not any(entry.is_file() for entry in path.rglob("*")):
        raise BadInput(f"The program directory {str(path)!r} holds no files.")


def doubts_about(path: Path) -> list[str]:
    """What about the files of a program will most likely fail on a node, a sentence for each."""
    return [doubt for file, name in _files(path) if file.is_file() and (doubt := doubt_about(file, name))]


def doubt_about(file: Path, name: str) -> str | None:
    """Why a file cannot be executed on a node of Linux, if that can be seen; None if it cannot.

    Args:
        file: the file.
        name: what the user would call it.
    """
    with file.open("rb") as stream:
        head = stream.readline(_LONGEST_FIRST_LINE)
    if head.startswith(b"#!") and head.endswith(b"\r\n"):
        return (
            f"The script {name!r} has line ends of Windows, so that its node will look in vain for the program that "
            f"its first line names: save it with line ends of Unix, as by: sed -i 's/\\r$//' {name}"
        )
    if os.access(file, os.X_OK):
        for magic, system in _FOREIGN.items():
            if head.startswith(magic):
                return f"The program {name!r} is one of {system}, and nodes are of Linux: build it for Linux."
    return None


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
