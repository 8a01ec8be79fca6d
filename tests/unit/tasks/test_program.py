"""Programs, checked and packed."""

import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from prefect_azure_batch.tasks.errors import BadInput
from prefect_azure_batch.tasks.program import check_program, doubts_about, write_archive, write_zip


def archive_of(path: Path) -> bytes:
    target = io.BytesIO()
    write_archive(path, target)
    return target.getvalue()


@pytest.fixture
def program(tmp_path: Path) -> Path:
    folder = tmp_path / "program"
    (folder / "lib").mkdir(parents=True)
    (folder / "run").write_text("#!/bin/sh\n")
    (folder / "run").chmod(0o755)
    (folder / "lib" / "data").write_text("data")
    return folder


def test_the_same_content_makes_the_same_archive_whenever_it_was_written(program: Path) -> None:
    first = archive_of(program)
    os.utime(program / "run", (1, 1))
    assert archive_of(program) == first


def test_execute_bits_are_kept(program: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(archive_of(program))) as archive:
        assert {entry.name: entry.mode for entry in archive} == {"lib": 0o755, "lib/data": 0o644, "run": 0o755}


def test_a_single_file_is_made_executable(program: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(archive_of(program / "lib" / "data"))) as archive:
        assert {entry.name: entry.mode for entry in archive} == {"data": 0o755}


def test_a_package_holds_the_files(program: Path) -> None:
    target = io.BytesIO()
    write_zip(program, target)
    assert sorted(zipfile.ZipFile(target).namelist()) == ["lib/data", "run"]


def test_a_missing_program_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="does not exist"):
        check_program(tmp_path / "none")


def test_an_empty_program_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="holds no files"):
        check_program(tmp_path)


@pytest.mark.parametrize(
    ("content", "mode", "doubt"),
    [
        (b"#!/bin/bash\r\necho hello\r\n", 0o644, "line ends of Windows"),
        (b"#!/usr/bin/env python3\r\n", 0o755, "line ends of Windows"),
        (b"#!/bin/bash\necho hello\n", 0o755, None),
        (b"first,line\r\nof,data\r\n", 0o644, None),
        (b"#!" + b"x" * 5000 + b"\r\n", 0o755, None),
        (b"\xcf\xfa\xed\xfe\x07\0\0\x01", 0o755, "one of macOS"),
        (b"MZ\x90\0", 0o755, "one of Windows"),
        (b"MZ\x90\0", 0o644, None),
        (b"\x7fELF\x02\x01\x01", 0o755, None),
        (b"", 0o755, None),
    ],
)
def test_what_no_node_can_execute_is_doubted_by_name(
    tmp_path: Path, content: bytes, mode: int, doubt: str | None
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "go").write_bytes(content)
    (tmp_path / "bin" / "go").chmod(mode)
    found = doubts_about(tmp_path)
    assert len(found) == (doubt is not None)
    if doubt:
        assert doubt in found[0]
        assert "'bin/go'" in found[0]
