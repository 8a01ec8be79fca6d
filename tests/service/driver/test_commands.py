"""One command on a node: where it runs, what it finds, and what is said about its end."""

import asyncio
import os
import stat
from pathlib import Path

import pytest

from localbatch.driver.interface import Failure
from tests.support.nodes import TASK, local_node, place

NODE_DIRECTORIES = ["applications", "fsmounts", "shared", "startup", "volatile", "workitems"]
VARIABLES = {
    "AZ_BATCH_ACCOUNT_NAME",
    "AZ_BATCH_ACCOUNT_URL",
    "AZ_BATCH_CERTIFICATES_DIR",
    "AZ_BATCH_NODE_ID",
    "AZ_BATCH_NODE_IS_DEDICATED",
    "AZ_BATCH_NODE_MOUNTS_DIR",
    "AZ_BATCH_NODE_ROOT_DIR",
    "AZ_BATCH_NODE_SHARED_DIR",
    "AZ_BATCH_NODE_STARTUP_DIR",
    "AZ_BATCH_POOL_ID",
    "AZ_BATCH_TASK_DIR",
    "AZ_BATCH_TASK_RESERVED_EPHEMERAL_DISK_SPACE_BYTES",
    "AZ_BATCH_TASK_WORKING_DIR",
    "HOME",
    "LANG",
    "PATH",
}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_a_node_has_the_directories_of_an_azure_node(tmp_path: Path) -> None:
    async with local_node(tmp_path) as node:
        assert sorted(path.name for path in node.place.root.iterdir()) == NODE_DIRECTORIES


async def test_a_task_has_the_directories_and_modes_of_an_azure_task(tmp_path: Path) -> None:
    async with local_node(tmp_path) as node:
        await node.run("true")
        modes = {path.name: mode(path) for path in node.path().iterdir()}
    assert modes == {"certs": 0o700, "wd": 0o750, "stdout.txt": 0o644, "stderr.txt": 0o644}


async def test_a_command_starts_in_its_working_directory_and_writes_to_its_files(tmp_path: Path) -> None:
    async with local_node(tmp_path) as node:
        outcome = await node.run("/bin/sh -c 'pwd; echo trouble >&2'")
        assert (outcome.exit_code, outcome.failure) == (0, None)
        assert node.stdout() == f"{node.path('wd')}\n"
        assert node.path("stderr.txt").read_text() == "trouble\n"
        assert outcome.started <= outcome.ended


async def test_the_start_task_runs_in_startup(tmp_path: Path) -> None:
    async with local_node(tmp_path) as node:
        await node.run("pwd", directory="startup")
        assert node.stdout("startup") == f"{node.place.root}/startup/wd\n"


async def test_no_shell_expands_anything(tmp_path: Path) -> None:
    async with local_node(tmp_path) as node:
        await node.run("echo $HOME * `id` > file; echo 'two  words' ~")
        assert node.stdout() == "$HOME * `id` > file; echo two  words ~\n"
        assert list(node.path("wd").iterdir()) == []


async def test_a_command_finds_the_variables_of_batch_and_no_other_of_the_service(tmp_path: Path) -> None:
    assert "PREFECT_HOME" in os.environ
    async with local_node(tmp_path) as node:
        await node.run("env -0")
        found = dict(line.split("=", 1) for line in node.stdout().rstrip("\0").split("\0"))
        assert set(found) == VARIABLES
        assert found["HOME"] == found["AZ_BATCH_TASK_WORKING_DIR"] == str(node.path("wd"))
        assert found["AZ_BATCH_NODE_ROOT_DIR"] == str(node.place.root)
        assert found["AZ_BATCH_TASK_DIR"] == str(node.path())
        assert (found["LANG"], found["PATH"]) == ("C", os.environ["PATH"])
        assert (found["AZ_BATCH_NODE_ID"], found["AZ_BATCH_NODE_IS_DEDICATED"]) == ("tvm-1", "true")


async def test_the_users_variables_come_as_they_are_but_replace_none_of_batchs(tmp_path: Path) -> None:
    given = {"NOTE": "größe\n$(id) 'x'", "LANG": "C.UTF-8", "AZ_BATCH_NODE_ID": "mine", "AZ_BATCH_JOB_ID": "mine"}
    async with local_node(tmp_path) as node:
        await node.run("env -0", environment=given, variables={"AZ_BATCH_JOB_ID": "job"})
        found = dict(line.split("=", 1) for line in node.stdout().rstrip("\0").split("\0"))
    assert (found["NOTE"], found["LANG"]) == (given["NOTE"], "C.UTF-8")
    assert (found["AZ_BATCH_NODE_ID"], found["AZ_BATCH_JOB_ID"]) == ("tvm-1", "job")


async def test_programs_sort_as_in_the_c_locale(tmp_path: Path) -> None:
    async with local_node(tmp_path) as node:
        await node.run(r"""/bin/sh -c 'printf "b\nB\na\nA\n" | sort'""")
        assert node.stdout().split() == ["A", "B", "a", "b"]


async def test_names_in_utf_8_reach_the_program_byte_by_byte(tmp_path: Path) -> None:
    async with local_node(tmp_path) as node:
        assert (await node.run("touch größe-数据.txt")).exit_code == 0
        assert os.listdir(os.fsencode(node.path("wd"))) == ["größe-数据.txt".encode()]


async def test_standard_input_is_empty(tmp_path: Path) -> None:
    async with local_node(tmp_path) as node:
        assert (await node.run("cat", seconds=10)).exit_code == 0


async def test_a_program_is_looked_up_in_the_path_of_the_command(tmp_path: Path) -> None:
    program = tmp_path / "bin" / "own"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho found")
    program.chmod(0o755)
    async with local_node(tmp_path) as node:
        await node.run("own", environment={"PATH": f"{program.parent}:/usr/bin:/bin"})
        assert node.stdout() == "found\n"


async def test_a_relative_program_is_looked_up_in_the_working_directory(tmp_path: Path) -> None:
    async with local_node(tmp_path) as node:
        await node.run("/bin/sh -c 'printf \"#!/bin/sh\\necho here\" > own; chmod +x own'")
        await node.run("./own", keep_directory=True)
        assert node.stdout() == "here\n"


async def test_an_exit_code_other_than_zero_is_a_failure(tmp_path: Path) -> None:
    async with local_node(tmp_path) as node:
        outcome = await node.run("/bin/sh -c 'exit 3'")
    assert outcome.exit_code == 3
    assert outcome.failure == Failure(
        "usererror",
        "FailureExitCode",
        "The task exited with an exit code representing a failure",
        (
            ("Message", "The task process exited with an unexpected exit code"),
            ("AdditionalErrorCode", "FailureExitCode"),
        ),
    )


@pytest.mark.parametrize(("name", "code"), [("KILL", 137), ("SEGV", 139), ("TERM", 143)])
async def test_a_signal_is_reported_as_a_shell_does(name: str, code: int, tmp_path: Path) -> None:
    async with local_node(tmp_path) as node:
        outcome = await node.run(f"/bin/sh -c 'kill -{name} $$'")
    assert outcome.failure is not None
    assert (outcome.exit_code, outcome.failure.code) == (code, "FailureExitCode")


async def test_a_program_of_a_very_long_name_is_told_as_such(tmp_path: Path) -> None:
    async with local_node(tmp_path) as node:
        outcome = await node.run("\u00e9" * 32_000)
    assert outcome.failure is not None
    assert dict(outcome.failure.details)["Message"].endswith("File name too long")


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("no-such-program", "CommandProgramNotFound"),
        ("./missing", "CommandProgramNotFound"),
        ("/no/such/directory/program", "CommandProgramNotFound"),
        ("/etc/hosts", "CommandLaunchFailed"),
        ("/", "CommandLaunchFailed"),
        ("'unclosed", "CommandLaunchFailed"),
        ("", "CommandLaunchFailed"),
        ("echo a\0b", "CommandLaunchFailed"),
        ("echo \ud800", "CommandLaunchFailed"),
    ],
)
async def test_what_cannot_be_started_has_no_exit_code(line: str, code: str, tmp_path: Path) -> None:
    async with local_node(tmp_path) as node:
        outcome = await node.run(line)
        assert node.started == []
        sessions = asyncio.all_tasks() - {asyncio.current_task()}
        if sessions:
            _ended, left = await asyncio.wait(sessions, timeout=10)
            assert left == set()
    assert outcome.exit_code is None
    assert outcome.failure is not None
    assert (outcome.failure.category, outcome.failure.code) == ("usererror", code)


async def test_a_start_is_announced_once(tmp_path: Path) -> None:
    async with local_node(tmp_path) as node:
        await node.run("true")
        assert node.started == ["true"]


async def test_a_retry_finds_the_files_of_the_run_before_and_fresh_output(tmp_path: Path) -> None:
    async with local_node(tmp_path) as node:
        await node.run("/bin/sh -c 'echo first; touch made'")
        await node.run("ls", keep_directory=True)
        assert node.stdout() == "made\n"


async def test_another_run_finds_nothing_of_the_one_before(tmp_path: Path) -> None:
    async with local_node(tmp_path) as node:
        await node.run("/bin/sh -c 'mkdir -p read/only; touch read/only/file; chmod 500 read/only read'")
        await node.run("ls -a")
        assert node.stdout() == ".\n..\n"


async def test_a_task_directory_is_removed_with_directories_that_are_read_only(tmp_path: Path) -> None:
    async with local_node(tmp_path) as node:
        await node.run("/bin/sh -c 'mkdir -p read/only; touch read/only/file; chmod 500 read/only read'")
        await node.driver.clear_directory(node.place, TASK)
        assert not node.path().exists()
        assert sorted(path.name for path in node.place.root.iterdir()) == NODE_DIRECTORIES


@pytest.mark.parametrize("directory", ["..", "../node-2", ".", ""])
async def test_only_a_directory_below_the_node_can_be_removed(directory: str, tmp_path: Path) -> None:
    async with local_node(tmp_path) as node:
        with pytest.raises(ValueError, match="not a directory of a task"):
            await node.driver.clear_directory(node.place, directory)
        assert node.place.root.is_dir()


async def test_a_removed_node_leaves_nothing(tmp_path: Path) -> None:
    async with local_node(tmp_path) as node:
        await node.run("true")
        await node.driver.remove_node(node.place)
        await node.driver.remove_node(place(tmp_path, 9))
        assert os.listdir(tmp_path) == []
