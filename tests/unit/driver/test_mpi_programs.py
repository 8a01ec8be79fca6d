"""What stands before ssh, mpirun and each rank on a node: arguments read and put together."""

from pathlib import Path

import pytest

from localbatch.driver.mpi.agent import Call, parse
from localbatch.driver.mpi.front import find, is_hydra, with_rank_program
from localbatch.driver.mpi.rank import is_watched, own_path


@pytest.mark.parametrize(
    ("arguments", "call"),
    [
        (["host", "true"], Call("host", "true")),
        (["-x", "127.1.0.5", '"/a b/proxy"', "--port", "1"], Call("127.1.0.5", '"/a b/proxy" --port 1')),
        (["-q", "-x", "-l", "user", "host", "cmd"], Call("host", "cmd")),
        (["-oBatchMode=yes", "-o", "StrictHostKeyChecking=no", "me@host", "cmd"], Call("host", "cmd")),
        (["-n", "host", "cmd"], Call("host", "cmd", no_input=True)),
        (["-p", "22", "--", "host", "--", "ls", "-l"], Call("host", "ls -l")),
        (["host"], Call("host", "")),
        ([], Call("", "")),
    ],
)
def test_ssh_takes_options_host_and_command(arguments: list[str], call: Call) -> None:
    assert parse(arguments) == call


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("-np 3 ./prog -np 4", "-np 3 RANK ./prog -np 4"),
        ("-n 3 -ppn 1 -hosts a,b -wdir /x python p.py", "-n 3 -ppn 1 -hosts a,b -wdir /x RANK python p.py"),
        ("-genv A 1 -env B 2 -l prog", "-genv A 1 -env B 2 -l RANK prog"),
        ("--host=a,b -n 2 prog", "--host=a,b -n 2 RANK prog"),
        ("-n 1 a x : -n 2 -env K V b : c", "-n 1 RANK a x : -n 2 -env K V RANK b : RANK c"),
    ],
)
def test_the_program_of_ranks_is_put_before_each_program(line: str, expected: str) -> None:
    assert with_rank_program(line.split(), "RANK") == expected.split()


@pytest.mark.parametrize("line", ["", "-n 3", "-unknown 3 prog", "-configfile x", "-n 1 a :", "-np"])
def test_arguments_that_are_not_understood_stay_as_they_are(line: str) -> None:
    assert with_rank_program(line.split(), "RANK") is None


def test_a_path_in_another_nodes_tree_becomes_the_same_in_ones_own() -> None:
    assert own_path("/r/pool/first/workitems/x", "/r/pool/own") == "/r/pool/own/workitems/x"
    assert own_path("/r/pool/first", "/r/pool/own") == "/r/pool/own"
    assert own_path("/r/pool/own/x", "/r/pool/own") == "/r/pool/own/x"
    for path in ("/usr/bin/python", "./prog", "prog", "/r/other/x"):
        assert own_path(path, "/r/pool/own") == path


def test_only_ranks_of_hydra_are_watched() -> None:
    codes = {"LOCALBATCH_RANK_CODES": "/x"}
    assert is_watched({"PMI_RANK": "0", **codes})
    assert not is_watched({"PMI_RANK": "0"})
    assert not is_watched({"PMI_RANK": "0", "OMPI_COMM_WORLD_RANK": "0", **codes})


def test_the_mpis_own_mpirun_is_the_next_on_the_path(tmp_path: Path) -> None:
    for directory in ("launch/bin", "plain", "mpi"):
        (tmp_path / directory).mkdir(parents=True)
    for name in ("launch/bin/mpirun", "mpi/mpirun", "plain/mpirun"):
        (tmp_path / name).write_text("#!/bin/sh\n")
    for name in ("launch/bin/mpirun", "mpi/mpirun"):
        (tmp_path / name).chmod(0o755)
    path = ":".join(str(tmp_path / each) for each in ("launch/bin", "plain", "none", "mpi"))
    assert find("mpirun", path, tmp_path / "launch") == tmp_path / "mpi" / "mpirun"
    assert find("mpiexec", path, tmp_path / "launch") is None


def test_hydra_is_told_from_other_launchers(tmp_path: Path) -> None:
    for name in ("mpirun", "mpiexec.hydra", "orterun"):
        (tmp_path / name).touch()
    assert is_hydra(tmp_path / "mpirun")
    (tmp_path / "alternative").symlink_to("orterun")
    assert not is_hydra(tmp_path / "alternative")
    (tmp_path / "mpiexec.hydra").unlink()
    assert not is_hydra(tmp_path / "mpirun")
