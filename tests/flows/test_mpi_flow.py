"""The MPI flow, run in this process against a local Azure and a Prefect server."""

import json
import re
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.blocks.pool_description import PoolDescription
from prefect_azure_batch.flows.examples import example
from prefect_azure_batch.flows.mpi_flow import mpi_flow
from prefect_azure_batch.flows.mpi_parameters import MpiParameters
from prefect_azure_batch.flows.results import MpiResult, TasksFailed
from prefect_azure_batch.tasks.cleanup import delete_created
from prefect_azure_batch.tasks.errors import BadInput, PoolUnusable
from prefect_azure_batch.tasks.pool import create_pool
from prefect_azure_batch.tasks.records import Created, PoolPlan
from tests.flows.conftest import left_behind
from tests.support.hostile import HOSTILE_NAMES
from tests.support.processes import wait_until

Run = Callable[..., MpiResult]
MakePool = Callable[..., str]

PATIENCE = 30.0

# Each rank writes a file of its own into the directory it works in.
WRITE = """
import os, pathlib
from mpi4py import MPI
world = MPI.COMM_WORLD
pathlib.Path("ranks").mkdir(exist_ok=True)
pathlib.Path("ranks", f"{world.rank}.txt").write_text(f"{world.size} {os.environ['AZ_BATCH_NODE_ID']}")
world.barrier()
"""


@pytest.fixture
def run(account_name: str | None, tmp_path: Path) -> Run:
    """Runs the flow on the account of the test, results in ``out``."""

    def run(**parameters: object) -> MpiResult:
        given: dict[str, object] = {"account": account_name, "results": str(tmp_path / "out"), **parameters}
        return mpi_flow(MpiParameters.model_validate(given))

    return run


@pytest.fixture
def make_pool(account: AzureBatchAccount) -> Iterator[MakePool]:
    """Makes a pool that is not the run's own."""
    made: list[str] = []

    def make(name: str, nodes: int, slots: int = 1, inter_node: bool = True) -> str:
        made.append(name)
        shape = PoolDescription(nodes=nodes, slots=slots)
        return create_pool(account, PoolPlan(name, shape, run_id=name, instances=1 if inter_node else None))

    yield make
    for name in made:
        delete_created(account, Created(pool_id=name))
    # The next test makes pools of the same names.
    wait_until(lambda: not {pool.id for pool in account.get_client().list_pools()} & set(made), PATIENCE)


def text(result: MpiResult) -> str:
    (task,) = result.tasks
    assert task.stdout
    return Path(task.stdout).read_text()


def nodes(result: MpiResult) -> set[str | None]:
    return {result.tasks[0].node_id, *(subtask.node_id for subtask in result.subtasks)}


def contents(root: Path, paths: list[str]) -> dict[str, str]:
    return {str(Path(path).relative_to(root)): Path(path).read_text() for path in paths}


def test_the_bundled_example_runs_each_rank_once_and_on_a_node_of_its_own(account: AzureBatchAccount, run: Run) -> None:
    result = run()
    said = text(result)
    ranks = re.findall(r"^rank = (\d+) and size = 3 on \S+ \((\S+)\)$", said, re.MULTILINE)
    assert sorted(rank for rank, _ in ranks) == ["0", "1", "2"]
    assert {node for _, node in ranks} == nodes(result)
    for line in ("Process 1 received number 11", "Process 2 received number 12", "Total sum = 36"):
        assert line in said
    assert (result.exit_code, result.counts.succeeded, len(result.subtasks)) == (0, 1, 2)
    assert [(subtask.id, subtask.state, subtask.exit_code) for subtask in result.subtasks] == [
        (1, "completed", 0),
        (2, "completed", 0),
    ]
    assert left_behind(account) == []


def test_prefect_shows_a_table_of_the_nodes(run: Run) -> None:
    result = run(application_command="true", coordination_command="sleep 1", nodes=2)
    (flow_run_id,) = re.findall(r"mpi-(.*)", result.run_id)
    of_run = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[UUID(flow_run_id)]))
    with get_client(sync_client=True) as client:
        tables = {artifact.key: artifact.data for artifact in client.read_artifacts(artifact_filter=of_run)}
    assert set(tables) >= {"batch-mpi-results", "batch-mpi-subtasks", "batch-report", "batch-timeline"}
    rows = json.loads(str(tables["batch-mpi-subtasks"]))
    assert [(row["subtask"], row["state"], row["exit code"]) for row in rows] == [
        ("primary", "completed", 0),
        (1, "completed", 0),
    ]
    assert {row["node"] for row in rows} == nodes(result)
    assert all(row["run seconds"] >= 1 for row in rows)
    assert str(tables["batch-timeline"]).startswith("data:image/svg+xml;base64,")
    assert (result.report or "?") in str(tables["batch-report"])
    (task,) = result.tasks
    assert task.queued
    assert task.started
    assert task.ended
    assert result.application_began
    assert task.queued <= task.started < result.application_began - timedelta(seconds=1) < task.ended
    page = Path(result.report or "").read_text()
    for words in ("subtask 1", "coordination command", "How nodes were used", "idle"):
        assert words in page


def test_a_rank_that_fails_ends_the_run_with_its_exit_code(account: AzureBatchAccount, run: Run) -> None:
    command = "python3 -m mpi4py {app}/ring.py --fail-rank 1 --exit-code 7"
    began = time.monotonic()
    with pytest.raises(TasksFailed) as failed:
        run(app=str(example("mpi") / "app"), command=command)
    result = failed.value.result
    assert isinstance(result, MpiResult)
    assert (result.exit_code, result.tasks[0].exit_code, result.counts.failed) == (7, 7, 1)
    for part in ("exit code 7", result.tasks[0].node_id or "?", "process 1 fails with exit code 7"):
        assert part in str(failed.value)
    assert time.monotonic() - began < 60
    assert left_behind(account) == []


def test_outputs_of_every_node_are_collected(run: Run, tmp_path: Path) -> None:
    (tmp_path / "write.py").write_text(WRITE)
    result = run(
        app=str(tmp_path / "write.py"), setup="cp write.py prepared.py", command="python3 -m mpi4py {app}/prepared.py",
        nodes=2, ranks_per_node=2, outputs=["ranks/*.txt"],
    )  # fmt: skip
    (subtask,) = result.subtasks
    written = {Path(path).stem: Path(path).read_text() for path in (*result.tasks[0].outputs, *subtask.outputs)}
    primary, other = result.tasks[0].node_id, subtask.node_id
    assert [Path(path).stem for path in result.tasks[0].outputs] == ["0", "1"]
    assert written == {"0": f"4 {primary}", "1": f"4 {primary}", "2": f"4 {other}", "3": f"4 {other}"}


def test_common_files_with_any_name_are_on_every_node_and_come_back_from_there(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "inputs"
    folder.mkdir()
    for name in HOSTILE_NAMES:
        (folder / name).write_text(name)
    result = run(inputs=[str(folder)], application_command="true", nodes=2, outputs=["*"])
    root = tmp_path / "out" / result.tasks[0].task_id
    # Azure Storage itself turns backslashes in the names of blobs.
    assert contents(root, result.tasks[0].outputs) == {name.replace("\\", "/"): name for name in HOSTILE_NAMES}
    assert contents(root / "subtask-1", result.subtasks[0].outputs) == {name: name for name in HOSTILE_NAMES}


# In a first attempt each rank leaves a part and changes the common file; a file outside the nodes says which it is.
TRY = """
import pathlib, sys
from mpi4py import MPI
rank, marker = MPI.COMM_WORLD.rank, pathlib.Path(sys.argv[1])
seen = sorted(path.name for path in pathlib.Path().iterdir())
first = not marker.exists()
MPI.COMM_WORLD.barrier()
marker.touch()
pathlib.Path(f"{'part' if first else 'whole'}-{rank}.dat").write_text(pathlib.Path("common.txt").read_text())
pathlib.Path("common.txt").write_text("changed")
assert not any(name.endswith(".dat") for name in seen), seen
sys.exit(3 if first else 0)
"""


# All have left their parts when one ends.
FAIL = """
import pathlib, sys
from mpi4py import MPI
pathlib.Path("a.dat").write_text("part")
MPI.COMM_WORLD.barrier()
sys.exit(3)
"""


def test_what_a_failed_program_has_left_is_kept_apart_on_all_nodes(run: Run, tmp_path: Path) -> None:
    (tmp_path / "fail.py").write_text(FAIL)
    command = "python3 -m mpi4py {app}/fail.py"
    with pytest.raises(TasksFailed) as failed:
        run(app=str(tmp_path / "fail.py"), command=command, nodes=2, outputs=["a.dat"])
    result = failed.value.result
    assert isinstance(result, MpiResult)
    (path,), (other,) = result.tasks[0].outputs, result.subtasks[0].outputs
    assert Path(path).parts[-2:] == ("failed", "a.dat")
    assert Path(other).parts[-3:] == ("failed", "subtask-1", "a.dat")


def test_an_attempt_finds_every_node_as_the_first_one_did(run: Run, tmp_path: Path) -> None:
    (tmp_path / "try.py").write_text(TRY)
    (tmp_path / "common.txt").write_text("common")
    result = run(
        app=str(tmp_path / "try.py"), inputs=[str(tmp_path / "common.txt")], nodes=2, retries=1, outputs=["*.dat"],
        command=f"python3 -m mpi4py {{app}}/try.py {tmp_path}/marker",
    )  # fmt: skip
    (subtask,) = result.subtasks
    root = tmp_path / "out" / result.tasks[0].task_id
    assert contents(root, result.tasks[0].outputs) == {"whole-0.dat": "common"}
    assert contents(root / "subtask-1", subtask.outputs) == {"whole-1.dat": "common"}


def test_the_whole_line_can_be_given_and_the_coordination_too(run: Run) -> None:
    result = run(
        nodes=2,
        coordination_command="echo before > {shared}/before.txt",
        application_command="mpirun -np 2 -ppn 1 -hosts $AZ_BATCH_HOST_LIST -wdir {shared} cat before.txt",
    )
    assert text(result) == "before\nbefore\n"


def test_a_pool_that_exists_is_used_and_kept(account: AzureBatchAccount, run: Run, make_pool: MakePool) -> None:
    pool = make_pool("kept-mpi-pool", 3)
    result = run(pool=pool, instances=2)
    assert (result.pool_id, result.exit_code, len(nodes(result))) == (pool, 0, 2)
    assert account.get_client().get_pool(pool).state == "active"


def test_a_setup_that_fails_is_told_with_its_standard_error(account: AzureBatchAccount, run: Run) -> None:
    with pytest.raises(PoolUnusable, match=r"could not be prepared: .*exit code 3.*stderr ends: no compiler"):
        run(setup="echo no compiler >&2; exit 3", command="x", nodes=1)
    assert left_behind(account) == []


def test_a_setup_that_hangs_ends_with_the_limit_of_a_task(account: AzureBatchAccount, run: Run) -> None:
    with pytest.raises(PoolUnusable, match=r"could not be prepared: .*maximum execution time"):
        run(setup="sleep 600", command="x", nodes=1, task_minutes=0.02)
    assert left_behind(account) == []


def test_a_local_azure_with_another_mpi_is_told_at_once(account: AzureBatchAccount, run: Run) -> None:
    with pytest.raises(BadInput, match=r"has mpich on its nodes: start it by .*--mpi openmpi"):
        run(mpi="openmpi")
    assert left_behind(account) == []


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        ({"pool": "no-such-pool"}, "no pool"),
        ({"pool": "small", "instances": 2}, "has 1 of the 2 nodes that are needed at a time"),
        ({"pool": "mapping", "instances": 1}, "cannot talk to each other"),
        ({"app": "nothing:1.0", "command": "x"}, "no application"),
        ({"account": "no-such-block"}, "no Azure Batch account block"),
        ({"inputs": ["az://no-such-container/x"], "command": "x"}, "container"),
    ],
)
def test_what_does_not_exist_or_fit_is_told_before_anything_is_created(
    account: AzureBatchAccount, run: Run, make_pool: MakePool, parameters: dict[str, object], complaint: str
) -> None:
    make_pool("small", 1)
    make_pool("mapping", 2, 2, inter_node=False)
    with pytest.raises(BadInput, match=complaint) as refused:
        run(**parameters)
    assert "\n" not in str(refused.value)
    assert left_behind(account) == []
