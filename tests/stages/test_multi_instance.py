"""The stages of a task that runs on several nodes at once, from submit to collect."""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.blocks.containers import WORK_CONTAINER
from prefect_azure_batch.blocks.pool_description import PoolDescription
from prefect_azure_batch.tasks.cleanup import delete_created
from prefect_azure_batch.tasks.diagnosis import diagnose_instances
from prefect_azure_batch.tasks.errors import BadInput, PoolUnusable
from prefect_azure_batch.tasks.launcher import Launch
from prefect_azure_batch.tasks.multi_instance import submit_multi_instance
from prefect_azure_batch.tasks.nodes import wait_for_nodes
from prefect_azure_batch.tasks.outputs import list_outputs
from prefect_azure_batch.tasks.pool import check_pool, create_pool
from prefect_azure_batch.tasks.records import (
    AddedTask,
    Created,
    EndedMultiInstanceTask,
    MultiInstancePlan,
    PoolPlan,
    StoredInput,
)
from prefect_azure_batch.tasks.subtasks import collect_subtasks, wait_for_multi_instance
from tests.stages.conftest import Bench

ON_OTHERS = 'test "$AZ_BATCH_IS_CURRENT_NODE_MASTER" = true ||'


@pytest.fixture(scope="module")
def mpi_pool_id(account: AzureBatchAccount) -> Iterator[str]:
    name = f"pool-{uuid.uuid4()}"
    create_pool(account, PoolPlan(name, PoolDescription(nodes=3), run_id=name, instances=3))
    wait_for_nodes(account, name, 3)
    yield name
    delete_created(account, Created(pool_id=name))


class Several(Bench):
    """A job on a pool for tasks of several instances, and the stages applied to it."""

    def submit(
        self,
        application: str,
        coordination: str = "hostname",
        outputs: tuple[str, ...] = (),
        files: Sequence[StoredInput] = (),
        instances: int = 3,
    ) -> AddedTask:
        plan = MultiInstancePlan(application, Launch("mpich", instances), True, coordination, outputs)
        return submit_multi_instance(self.account, self.run, files, plan)

    def follow(self, task: AddedTask, instances: int = 3) -> EndedMultiInstanceTask:
        return wait_for_multi_instance(self.account, self.run, task, instances)


@pytest.fixture
def several(account: AzureBatchAccount, mpi_pool_id: str) -> Iterator[Several]:
    several = Several(account, mpi_pool_id)
    yield several
    delete_created(account, Created(job_id=several.job_id, folders=((WORK_CONTAINER, several.run.folder),)))


def test_the_primary_and_each_subtask_run_on_nodes_of_their_own(
    several: Several, two_files: Path, tmp_path: Path
) -> None:
    several.create_job(setup="echo set up > made")
    coordination = """
        cd "$AZ_BATCH_TASK_SHARED_DIR"; cat a.txt b.txt; mkdir out; echo $AZ_BATCH_NODE_ID > out/node.txt
        echo beside > stdev.txt; cat "$AZ_BATCH_JOB_PREP_WORKING_DIR/made" >&2
    """
    added = several.submit("echo from the primary; echo x > own.txt", coordination, ("out/*.txt", "wd/*.txt"),
                           several.store(two_files))  # fmt: skip
    ended = several.follow(added)
    assert (ended.end.exit_code, [subtask.id for subtask in ended.subtasks]) == (0, [1, 2])
    assert [(subtask.state, subtask.exit_code) for subtask in ended.subtasks] == [("completed", 0)] * 2
    nodes = [ended.end.node_id, *(subtask.node_id for subtask in ended.subtasks)]
    assert len(set(nodes)) == 3

    (collected,) = several.collect([ended], tmp_path / "results")
    assert collected.stdout
    assert collected.stdout.read_text().replace("\n", "") == "alphabeta gammafrom the primary"
    root = tmp_path / "results" / added.task_id
    assert collected.outputs == (root / "out" / "node.txt", root / "wd" / "own.txt")

    listed = list_outputs(several.account.storage, several.run, [ended])
    assert [(item.index, item.name) for item in listed] == [(0, "node.txt"), (1, "own.txt")]

    further = collect_subtasks(several.account, several.run, ended, ["out/*.txt", "wd/*.txt"], tmp_path / "results")
    assert [files.missing for files in further] == ["", ""]
    for subtask, files in zip(ended.subtasks, [found.files for found in further], strict=True):
        assert files.outputs == (root / f"subtask-{subtask.id}" / "out" / "node.txt",)
        assert files.stdout
        assert files.stdout.read_text().strip() == "alphabeta gamma"
        assert files.stderr
        assert files.stderr.read_text() == "set up\n"
    written = [root / "out" / "node.txt", *(found.files.outputs[0] for found in further)]
    assert [path.read_text().strip() for path in written] == nodes


def test_the_exit_code_of_the_application_is_the_result(several: Several) -> None:
    several.create_job()
    ended = several.follow(several.submit("exit 7"))
    assert (ended.end.succeeded, ended.end.exit_code) == (False, 7)
    assert [subtask.state for subtask in ended.subtasks] == ["completed"] * 2


def test_a_coordination_command_that_fails_fails_the_task_and_is_told_by_its_subtask(
    several: Several, tmp_path: Path
) -> None:
    several.create_job()
    added = several.submit("echo ran > ran.txt", f"{ON_OTHERS} {{{{ echo no licence >&2; exit 5; }}}}", ("wd/ran.txt",))
    ended = several.follow(added)
    assert not ended.end.succeeded
    failed = [subtask for subtask in ended.subtasks if subtask.exit_code == 5]
    assert failed
    further = collect_subtasks(several.account, several.run, ended, [], tmp_path)
    stderr = {found.id: found.files.stderr for found in further}[failed[0].id]
    assert stderr
    assert stderr.read_text() == "no licence\n"
    (collected,) = several.collect([ended], tmp_path)
    assert collected.outputs == ()


def test_adding_the_same_task_again_finds_it_and_other_work_is_another_task(several: Several) -> None:
    several.create_job()
    assert several.submit("true", instances=1) == several.submit("true", instances=1)
    assert several.submit("true", "pwd", instances=1) != several.submit("true", instances=1)
    assert len(list(several.account.get_client().list_tasks(several.job_id))) == 2


def test_a_pattern_of_everything_brings_each_log_once(several: Several, tmp_path: Path) -> None:
    several.create_job()
    added = several.submit("echo out", 'echo x > "$AZ_BATCH_TASK_SHARED_DIR/x.txt"', ("**/*.txt",), instances=2)
    ended = several.follow(added, 2)
    (collected,) = several.collect([ended], tmp_path)
    (further,) = collect_subtasks(several.account, several.run, ended, ["**/*.txt"], tmp_path)
    root = tmp_path / added.task_id
    assert collected.outputs == (root / "x.txt",)
    assert further.files.outputs == (root / "subtask-1" / "x.txt",)
    assert further.files.stdout == root / "subtask-1" / "stdout.txt"


def test_a_node_that_is_gone_has_taken_its_files_along(several: Several, tmp_path: Path) -> None:
    several.create_job()
    ended = several.follow(several.submit("true", instances=2), 2)
    lost = replace(ended, subtasks=(replace(ended.subtasks[0], node_id="tvmps_gone_d"),))
    (found,) = collect_subtasks(several.account, several.run, lost, ["*"], tmp_path)
    assert (found.files.stdout, found.missing) == (None, "its node tvmps_gone_d is gone")


def test_common_files_that_cannot_lie_together_are_refused_before_anything_is_created(
    several: Several, two_files: Path
) -> None:
    several.create_job()
    stored = several.store(two_files)
    for files in ([stored[0], stored[0]], [replace(stored[0], name="stdout.txt")]):
        with pytest.raises(BadInput, match="common file"):
            several.submit("true", files=files)
    with pytest.raises(BadInput, match="ask for 1 or more"):
        several.submit("true", instances=0)
    assert not several.account.storage.get_client().get_container_client(several.job_id).exists()
    assert list(several.account.get_client().list_tasks(several.job_id)) == []


def test_a_task_that_the_pool_can_never_start_is_told_instead_of_waited_for(bench: Bench) -> None:
    several = Several(bench.account, bench.pool_id)
    bench.job_id = several.job_id
    several.create_job()
    with pytest.raises(PoolUnusable, match=r"would wait for ever: the nodes of pool .* cannot talk to each other"):
        several.follow(several.submit("true", instances=1), 1)


def test_more_instances_than_nodes_are_told(account: AzureBatchAccount, mpi_pool_id: str) -> None:
    with pytest.raises(PoolUnusable, match=r"it needs 4 nodes at a time, and pool .* has 3\. Resize the pool"):
        diagnose_instances(account.get_client(), mpi_pool_id, 4)


def test_a_pool_is_for_a_map_or_for_mpi_and_never_for_both(
    account: AzureBatchAccount, pool_id: str, mpi_pool_id: str
) -> None:
    assert check_pool(account, mpi_pool_id, 3) == mpi_pool_id
    assert check_pool(account, pool_id) == pool_id
    for refused, instances, complaint in (
        (mpi_pool_id, None, "made for MPI tasks"),
        (pool_id, 2, "cannot talk to each other"),
        (mpi_pool_id, 4, "it has 3 of the 4 nodes .* have the program run on 3: --nodes 3, or --instances 3"),
    ):
        with pytest.raises(BadInput, match=complaint):
            check_pool(account, refused, instances)


def test_a_pool_for_mpi_has_one_slot_and_inter_node_communication(account: AzureBatchAccount, mpi_pool_id: str) -> None:
    pool = account.get_client().get_pool(mpi_pool_id)
    assert (pool.enable_inter_node_communication, pool.task_slots_per_node) == (True, 1)
    with pytest.raises(BadInput, match="1 task slot, not 2"):
        create_pool(account, PoolPlan("p", PoolDescription(nodes=3, slots=2), instances=3))
