"""Programs, checked and packed."""

import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from prefect_azure_batch.tasks.errors import BadInput
from prefect_azure_batch.tasks.program import check_program, write_archive, write_zip


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
