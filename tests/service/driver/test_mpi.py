"""MPI on the local Azure, with every MPI that installs: each rank on its own node, and no end without a code."""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from azure.batch import models
from azure.core.exceptions import HttpResponseError

from localbatch.host.mpi_runtime import FLAVOURS, MpiError, ensure_installed
from localbatch.launcher import LocalAzure
from localbatch.wire.connection import Endpoints
from tests.support.account import Account, open_account
from tests.support.nodes import processes_below
from tests.support.processes import wait_until

RANKS = Path(__file__).resolve().parents[2] / "programs" / "ranks.py"
NODES = 3
SECONDS = 20
"""Longest time in which a failure must have ended the task; each takes one to three, on a busy machine more."""


@pytest.fixture(scope="module", params=FLAVOURS)
def mpi(request: pytest.FixtureRequest) -> str:
    flavour: str = request.param
    if flavour == "mpich":
        pytest.importorskip("mpi4py", reason="the extra `local` is not installed")
        return flavour
    try:
        ensure_installed(flavour)
    except MpiError as error:
        pytest.skip(str(error))
    return flavour


@pytest.fixture(scope="module")
def azure(mpi: str) -> Iterator[Endpoints]:
    with LocalAzure(storage=False, attach=False, options=(f"--mpi={mpi}",)) as azure:
        yield azure.endpoints


@pytest.fixture
def batch(azure: Endpoints) -> Iterator[Account]:
    with open_account(azure) as account:
        account.make_pool(nodes=NODES, enable_inter_node_communication=True)
        account.make_job()
        yield account
        mount = Path(azure.root) / "mnt" / "batch" / "tasks"
        roots = (Path(azure.root) / "nodes", mount)
        wait_until(lambda: not any(processes_below(root) for root in roots), SECONDS)


def launcher(mpi: str, ranks_per_node: int = 1) -> str:
    """The line that a user of that MPI writes; nothing in it is of the local Azure."""
    ranks = NODES * ranks_per_node
    if mpi == "openmpi":
        hosts = f"${{AZ_BATCH_HOST_LIST//,/:{ranks_per_node},}}:{ranks_per_node}"
        return f"mpirun -np {ranks} --host {hosts} --map-by ppr:{ranks_per_node}:node -wdir $AZ_BATCH_TASK_SHARED_DIR"
    return f"mpirun -np {ranks} -ppn {ranks_per_node} -hosts $AZ_BATCH_HOST_LIST -wdir $AZ_BATCH_TASK_SHARED_DIR"


def add(batch: Account, script: str, **options: Any) -> None:
    settings = models.MultiInstanceSettings(number_of_instances=NODES, coordination_command_line="/bin/true")
    batch.client.create_task(
        "job",
        models.BatchTaskCreateOptions(
            id="task", command_line=f"/bin/bash -c '{script}'", multi_instance_settings=settings, **options
        ),
    )


def run(batch: Account, script: str, **options: Any) -> models.BatchTaskExecutionInfo:
    """Runs a task to its end, which must come in time."""
    add(batch, script, **options)
    began = monotonic()
    info = batch.await_task().execution_info
    assert info is not None
    assert monotonic() - began < SECONDS
    return info


def node_ids(batch: Account) -> list[str]:
    """The task's nodes, the primary's first."""
    task = batch.client.get_task("job", "task")
    infos = [task.node_info, *(each.node_info for each in batch.client.list_subtasks("job", "task"))]
    return [str(info.node_id) for info in infos if info]


def rank_files(batch: Account, node_id: str) -> list[str]:
    """What the ranks have left in the task's directory on a node."""
    names = [str(file.name) for file in batch.client.list_node_files("pool", node_id, recursive=True)]
    return sorted(Path(name).name for name in names if name.startswith("workitems/job/job-1/task/rank-"))


@pytest.mark.parametrize("ranks_per_node", [1, 2])
def test_each_rank_runs_exactly_once_and_on_its_own_node(batch: Account, mpi: str, ranks_per_node: int) -> None:
    info = run(batch, f"{launcher(mpi, ranks_per_node)} {sys.executable} {RANKS}")
    assert info.exit_code == 0, batch.read("stderr.txt")
    said = sorted((json.loads(line) for line in batch.stdout().splitlines()), key=lambda each: int(each["rank"]))
    ranks = NODES * ranks_per_node
    assert [each["rank"] for each in said] == list(range(ranks))
    assert {(each["size"], each["sum"]) for each in said} == {(ranks, sum(range(ranks)))}
    nodes = node_ids(batch)
    assert Counter(each["node"] for each in said) == dict.fromkeys(nodes, ranks_per_node)
    assert len({each["host"] for each in said}) in (NODES, 1)  # 1 where there are no namespaces
    for node in nodes:
        expected = sorted(f"rank-{each['rank']}" for each in said if each["node"] == node)
        assert rank_files(batch, node) == expected


@pytest.mark.parametrize(("fate", "code"), [("before", 7), ("exit", 7), ("kill", 137)])
def test_a_rank_that_fails_ends_the_task_with_its_code(batch: Account, mpi: str, fate: str, code: int) -> None:
    info = run(batch, f"{launcher(mpi)} {sys.executable} {RANKS} {fate}")
    assert info.exit_code == code
    assert info.failure_info is not None
    assert info.failure_info.code == "FailureExitCode"


def test_a_program_that_is_missing_on_the_nodes_ends_the_task(batch: Account, mpi: str) -> None:
    # Open MPI has a code of its own for it; the others end with that of a shell.
    assert run(batch, f"{launcher(mpi)} ./no-such-program").exit_code == (132 if mpi == "openmpi" else 127)


def test_a_time_limit_ends_all_ranks(batch: Account, mpi: str) -> None:
    constraints = models.BatchTaskConstraints(max_wall_clock_time=timedelta(seconds=3))
    info = run(batch, f"{launcher(mpi)} {sys.executable} {RANKS} wait", constraints=constraints)
    assert info.failure_info is not None
    assert info.failure_info.code == "TaskEnded"


@pytest.mark.parametrize(("option", "state"), [("terminate", "completed"), ("requeue", "active")])
def test_a_node_lost_in_the_middle_takes_the_task_along(batch: Account, mpi: str, option: str, state: str) -> None:
    add(batch, f"{launcher(mpi)} {sys.executable} {RANKS} wait")
    batch.wait_until(lambda: batch.client.get_task("job", "task").state == "running" and ranks_are_up(batch))
    removal = models.BatchNodeRemoveOptions(node_ids=[node_ids(batch)[1]], node_deallocation_option=option)
    batch.client.begin_remove_nodes("pool", removal)
    info = batch.await_task(state=state).execution_info
    assert info is not None
    assert (info.requeue_count, info.result) == ((1, None) if option == "requeue" else (0, "failure"))


def ranks_are_up(batch: Account) -> bool:
    try:
        return batch.stdout().count('"rank"') == NODES
    except HttpResponseError:  # there are no files yet
        return False


def test_one_node_reaches_the_others_of_its_task_by_ssh_and_no_machine_else(batch: Account) -> None:
    batch.make_pool("other", nodes=1)
    (stranger,) = batch.await_nodes(pool_id="other")
    script = (
        "for host in ${AZ_BATCH_HOST_LIST//,/ }; do ssh -o BatchMode=yes user@$host echo \\$AZ_BATCH_NODE_ID; done; "
        f"ssh {stranger.ip_address} true; echo code $?; ssh localhost true; echo code $?; ssh ../x true; echo code $?; "
        "ssh ${AZ_BATCH_HOST_LIST##*,} exit 5; echo code $?; "
        'ssh ${AZ_BATCH_HOST_LIST##*,} "setsid sleep 600 > /dev/null 2>&1 &"'
    )
    info = run(batch, script)
    assert info.exit_code == 0
    lines = batch.stdout().splitlines()
    assert lines[:NODES] == node_ids(batch)
    assert lines[NODES:] == ["code 255"] * 3 + ["code 5"]


def test_ssh_passes_on_input_output_and_exit_codes_also_many_at_a_time(batch: Account) -> None:
    script = (
        "other=${AZ_BATCH_HOST_LIST##*,}; printf \\\\001x | ssh $other cat | od -c | head -1; "
        "echo echo typed on \\$AZ_BATCH_NODE_ID | ssh $other; "
        "for n in 1 2 3 4 5 6 7 8; do (for m in 1 2 3 4; do ssh $other exit 42; echo code $?; done) & "
        "done; wait"
    )
    assert run(batch, script).exit_code == 0
    lines = batch.stdout().splitlines()
    assert lines[0].split() == ["0000000", "001", "x"]
    assert lines[1] == f"typed on {node_ids(batch)[-1]}"
    assert lines[2:] == ["code 42"] * 32


@pytest.mark.parametrize("temporary", [False, True])
def test_a_root_directory_may_have_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, temporary: bool) -> None:
    pytest.importorskip("mpi4py", reason="the extra `local` is not installed")
    root = tmp_path / 'it\'s a "root" ü'
    root.mkdir()
    if temporary:
        monkeypatch.setenv("TMPDIR", str(root))
    chosen = None if temporary else root
    with LocalAzure(root=chosen, storage=False, attach=False) as azure, open_account(azure.endpoints) as batch:
        batch.make_pool(nodes=NODES, enable_inter_node_communication=True)
        batch.make_job()
        info = run(batch, f"{launcher('mpich')} {sys.executable} {RANKS}")
        assert info.exit_code == 0, batch.read("stderr.txt")
