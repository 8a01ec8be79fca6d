"""What a job's preparation task does on each node."""

import shlex
import subprocess
from pathlib import Path

import pytest

from prefect_azure_batch.tasks.command import shell_command
from prefect_azure_batch.tasks.job import preparation_script
from prefect_azure_batch.tasks.program import write_archive
from prefect_azure_batch.tasks.records import JobPlan, Program

SHIPPED = Program("digest", "AZ_BATCH_JOB_PREP_WORKING_DIR", "container", "blob")
PACKAGE = Program("digest", "AZ_BATCH_APP_PACKAGE_app_1", package=("app", "1"))


def script(program: Program | None, setup: str | None) -> str | None:
    return preparation_script(JobPlan("job", "pool", "run", program, setup=setup))


def run(text: str | None, directory: Path) -> subprocess.CompletedProcess[str]:
    assert text is not None
    return subprocess.run(shlex.split(shell_command(text)), cwd=directory, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("program", [None, PACKAGE])
def test_without_a_shipped_program_or_a_setup_there_is_nothing_to_prepare(program: Program | None) -> None:
    assert script(program, None) is None


def test_a_setup_runs_where_the_program_was_unpacked(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "word").write_text("unpacked")
    node = tmp_path / "node"
    node.mkdir()
    with (node / "program.tar.gz").open("wb") as archive:
        write_archive(source, archive)
    done = run(script(SHIPPED, "cat word; ls"), node)
    assert (done.returncode, done.stdout) == (0, "unpackedword\n")


@pytest.mark.parametrize(
    ("program", "variable"),
    [(SHIPPED, "AZ_BATCH_TASK_WORKING_DIR"), (PACKAGE, "AZ_BATCH_APP_PACKAGE_app_1")],
)
def test_the_setup_finds_the_program_by_the_variable_that_a_preparation_has(program: Program, variable: str) -> None:
    text = script(program, "mpicc {app}/x.c")
    assert text is not None
    assert text.endswith(f"""-c 'mpicc "${{{variable}}}"/x.c'""")


def test_a_setup_may_hold_anything_that_a_script_may(tmp_path: Path) -> None:
    setup = "# it's a comment\ncat <<'END'\n$HOME \"quoted\"\nEND\necho 'last' # no newline"
    assert run(script(None, setup), tmp_path).stdout == '$HOME "quoted"\nlast\n'


def test_a_setup_ends_at_its_first_command_that_fails(tmp_path: Path) -> None:
    done = run(script(PACKAGE, "false\necho reached"), tmp_path)
    assert (done.returncode, done.stdout) == (1, "")


def test_no_setup_runs_where_the_program_could_not_be_unpacked(tmp_path: Path) -> None:
    (tmp_path / "program.tar.gz").write_text("no archive")
    done = run(script(SHIPPED, "echo reached"), tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
