"""What an MPI run can be asked for, and what is refused in one line."""

from pathlib import Path

import pytest

from prefect_azure_batch.flows.arguments import parse_arguments
from prefect_azure_batch.flows.entries import MPI
from prefect_azure_batch.flows.mpi_parameters import EXAMPLE_COMMAND, MpiParameters
from prefect_azure_batch.tasks.errors import BadInput
from prefect_azure_batch.tasks.launcher import Launch


def asked(*arguments: str) -> MpiParameters:
    run = parse_arguments(MPI, arguments).run
    MPI.check(run)
    assert isinstance(run, MpiParameters)
    return run


def test_no_arguments_ask_for_the_example_on_three_nodes() -> None:
    run = asked()
    assert (run.label, run.pool_nodes, run.task_instances, run.mpi, run.is_example) == (
        EXAMPLE_COMMAND,
        3,
        3,
        "mpich",
        True,
    )


def test_every_option_reaches_its_parameter(tmp_path: Path) -> None:
    (tmp_path / "a.txt").touch()
    run = asked(
        "--inputs", str(tmp_path / "a.txt"), "--command", "./x {shared}", "--nodes", "4", "--instances", "2",
        "--ranks-per-node", "8", "--mpi", "openmpi", "--setup", "make", "--coordination-command", "pwd",
        "--outputs", "*.png", "out/*.txt", "--task-minutes", "2.5", "--retries", "1",
    )  # fmt: skip
    assert (run.nodes, run.task_instances, run.ranks_per_node, run.outputs) == (4, 2, 8, ["*.png", "out/*.txt"])
    assert run.launch == Launch("openmpi", 2, 8)


def test_a_pool_that_exists_may_have_more_nodes_than_are_asked_for() -> None:
    assert asked("--pool", "mine", "--instances", "16", "--command", "x").task_instances == 16


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--nodes", "2", "--instances", "3"), "--instances: 3 are more than the 2 nodes of --nodes"),
        (("--nodes", "0"), "--nodes: "),
        (("--nodes", "-3"), "--nodes: "),
        (("--instances", "0"), "--instances: "),
        (("--ranks-per-node", "-1"), "--ranks-per-node: "),
        (("--nodes", "three"), "argument --nodes: invalid int value"),
        (("--slots", "2"), "--slots: an MPI task needs nodes of 1 slot, not 2"),
        (("--slots", "0"), "--slots: "),
        (("--mpi", "lam"), "--mpi: Input should be 'mpich', 'mvapich', 'openmpi' or 'intel'"),
        (("--mpi", "mvapich"), "The local Azure has no mvapich"),
        (("--fabric", "infiniband"), "The local Azure has no InfiniBand"),
        (("--fabric", "token-ring"), "--fabric: Input should be 'tcp' or 'infiniband'"),
        (("--command", "{input}"), "--command: The command has an unknown placeholder '{input}'"),
        (("--application-command", "{x}"), "--application-command: The command has an unknown placeholder"),
        (("--coordination-command", ""), "--coordination-command: it is empty"),
        (("--command", ""), "--command: it is empty"),
        (("--nodes", "101"), "--nodes: "),
        (("--nodes", "60", "--spot", "60"), "--nodes: a pool for MPI has 100 nodes at most, not 120"),
        (("--task-minutes", "1e12"), "--task-minutes: "),
        (("--results", "x" * 300), "The results directory"),
        (("--coordination-command", "{x}"), "--coordination-command: The command has an unknown placeholder"),
        (("--command", "x", "--setup", "{shared}"), "--setup: The command has an unknown placeholder '{shared}'"),
        (("--command", "{app}/x"), "--command: The command uses {app}, but no program was given"),
        (("--command", "x; y"), "--command: mpirun starts one program"),
        (("--command", "x", "--application-command", "y"), "exclude each other"),
        (("--inputs", "README.md"), "--command is missing"),
        (("--app", "."), "--command is missing"),
        (("--command", "x", "--inputs", "no/such/file"), "No input matches"),
        (("--command", "{app}/x", "--app", "no/such/program"), "does not exist"),
        (("--command", "x", "--outputs", "../*"), "--outputs: The pattern '../*'"),
        (("--command", "x", "--outputs", "/etc/*"), "--outputs: The pattern '/etc/*'"),
    ],
)
def test_what_cannot_run_is_refused_in_one_line(arguments: tuple[str, ...], complaint: str) -> None:
    with pytest.raises(BadInput) as refused:
        asked(*arguments)
    assert complaint in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "name", ["stdout.txt", "stderr.txt", "wd", "certs", "fileuploadout.txt", "fileuploaderr.txt", "1"]
)
def test_a_common_file_named_as_batch_names_its_own_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).touch()
    with pytest.raises(BadInput, match=f"cannot be named '{name}'"):
        asked("--command", "x", "--inputs", str(tmp_path / name))


def test_common_files_of_the_same_name_are_refused(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mesh.txt").touch()
    with pytest.raises(BadInput, match=r"Two common files are named 'mesh\.txt'"):
        asked("--command", "x", "--inputs", str(tmp_path))
