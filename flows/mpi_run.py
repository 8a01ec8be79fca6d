"""The stages of an MPI run, in order, and the cleanup that follows whatever happens."""

import logging
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.flows.assets import store_results_index
from prefect_azure_batch.flows.events import FailedTasks, tell_planned
from prefect_azure_batch.flows.live_logs import LiveLogs
from prefect_azure_batch.flows.mpi_parameters import MpiParameters
from prefect_azure_batch.flows.mpi_work import find_work
from prefect_azure_batch.flows.outcomes import (
    result_of_other,
    subtask_of_other,
    subtask_result,
    task_outcome,
    task_result,
)
from prefect_azure_batch.flows.progress import show_progress
from prefect_azure_batch.flows.progress_state import AWAITING, COLLECTING, FINDING, SENDING
from prefect_azure_batch.flows.report import keep_report
from prefect_azure_batch.flows.result_index import ResultIndex, seconds_of
from prefect_azure_batch.flows.results import MpiResult, SubtaskResult, TaskResult
from prefect_azure_batch.flows.resume import TakenUp, pool_to_go_on_with, taken_up
from prefect_azure_batch.flows.run_progress import RunProgress
from prefect_azure_batch.flows.runs import check_access_of, find_program, new_run_id, noting_leftovers, open_run
from prefect_azure_batch.tasks.batches import wait_for_other_batch_task
from prefect_azure_batch.tasks.collect import collect_outputs_task, restore_outputs_task
from prefect_azure_batch.tasks.errors import BatchFlowError, StepFailed
from prefect_azure_batch.tasks.job import close_job_task
from prefect_azure_batch.tasks.ledger import Outcome, record_outcomes
from prefect_azure_batch.tasks.manifest import DONE, Batch, Manifest
from prefect_azure_batch.tasks.meter import Meter, make_meter
from prefect_azure_batch.tasks.multi_instance import (
    submit_multi_instance_task,
)
from prefect_azure_batch.tasks.node_states import NodeStates
from prefect_azure_batch.tasks.nodes import wait_for_nodes_task
from prefect_azure_batch.tasks.output_files import subtask_folder
from prefect_azure_batch.tasks.records import (
    AddedTask,
    CollectedSubtask,
    EndedTask,
    InputItem,
    KeptFile,
    MultiInstancePlan,
    Place,
    Run,
)
from prefect_azure_batch.tasks.settling import store_files_task
from prefect_azure_batch.tasks.subtasks import collect_subtasks_task, wait_for_multi_instance_task
from prefect_azure_batch.tasks.upload import upload_inputs_task
from prefect_azure_batch.tasks.wait import job_poller

_logger = logging.getLogger(__name__)


def run_mpi(account: AzureBatchAccount, asked: MpiParameters) -> MpiResult:
    """Runs the stages inside a Prefect flow run.

    Args:
        account: the Batch account and its storage.
        asked: what was asked for.

    Returns:
        The result, also of a program that failed.

    Raises:
        BadInput: something asked for does not exist or fit; nothing has been created.
        PoolUnusable: the pool cannot run the program; the message says why.
        ServiceFailure: Azure refused or failed a request that the run needs.
    """
    meter, begun = make_meter(account, asked.terms), datetime.now(UTC)
    with show_progress(meter) as progress:
        return _run(account, asked, meter, begun, progress)


def _run(
    account: AzureBatchAccount, asked: MpiParameters, meter: Meter, begun: datetime, progress: RunProgress
) -> MpiResult:
    progress.begin(FINDING)
    check_access_of(account, asked.pool_description, asked.time_limit)
    work = find_work(account, asked, find_program)
    progress.advance(FINDING, len(work.common))
    progress.end(FINDING)
    manifest, left = work.manifest, list[str]()
    run_id = new_run_id("mpi")
    tell_planned(run_id, work.inputs)
    stages = _Stages(account, asked, work.task, asked.results_of(run_id), run_id, meter, progress)
    done = manifest.batches(DONE, 1)
    if asked.resume and done:
        return stages.report(stages.restore(_outcome(manifest, done[0])))
    with noting_leftovers(left), taken_up(account, work.earlier, meter) as others:
        other = next((other for other in others if other.found.tasks), None)
        if other is None:
            wanted, limit = asked.pool_description, asked.time_limit
            pool = pool_to_go_on_with(account, others, wanted, limit, asked.task_instances)
            progress.begin(SENDING)
            with open_run(account, work.run_plan(pool, asked.place_of(run_id)), meter) as run:
                result = stages.start(run, work.common)
                progress.clean_up()
        elif other.is_ours:
            (batch,) = manifest.batches(other.found.number, 1)
            ((task,),) = manifest.tasks(batch, other.run)
            result = stages.follow(other.run, task)
        else:
            result = stages.wait_for(other, manifest)
    seconds = sum(seconds_of(task, begun) for task in result.tasks)
    cost = meter.bill(seconds * asked.task_instances)
    return stages.report(result.model_copy(update={"leftovers": left, "cost": cost}))


@dataclass(frozen=True)
class _Stages:
    """The stages of an MPI run, and where its results go."""

    account: AzureBatchAccount
    asked: MpiParameters
    plan: MultiInstancePlan
    results: Path | Place
    run_id: str
    meter: Meter
    progress: RunProgress

    def start(self, run: Run, common_files: list[InputItem]) -> MpiResult:
        """Has the program run, once there are nodes for it."""
        stored = upload_inputs_task(self.account.storage, common_files)
        self.progress.end(SENDING)
        self._await_nodes(run, self._nodes_to_await())
        with self._watched(run):
            added = submit_multi_instance_task(self.account, run, stored, self.plan)
            close_job_task(self.account, run)
            return self._end(run, added)

    def _await_nodes(self, run: Run, wanted: int) -> None:
        def tell(nodes: NodeStates) -> None:
            self.progress.see_nodes(nodes)
            self.meter.require_left()

        self.progress.begin(AWAITING, wanted)
        wait_for_nodes_task(self.account, run.pool_id, wanted, run.time_limit, tell)

    def _nodes_to_await(self) -> int:
        """All nodes of a pool of ours, unless it decides itself how many it has."""
        pool = self.asked.pool_description
        return self.asked.task_instances if pool.existing or pool.autoscale else self.asked.pool_nodes

    def follow(self, run: Run, added: AddedTask) -> MpiResult:
        """Waits for a program that a run which has died had started."""
        with self._watched(run):
            return self._end(run, added)

    @contextmanager
    def _watched(self, run: Run) -> Iterator[None]:
        with job_poller(self.account, run, instances=self.asked.task_instances) as poller:
            self.progress.watch(poller, 1)
            yield

    @contextmanager
    def _logged(self, run: Run, added: AddedTask) -> Iterator[None]:
        logs, instances = LiveLogs(self.account, self.asked, self.results), self.asked.task_instances
        with (
            job_poller(self.account, run, instances=instances) as poller,
            logs.of_nodes(run, poller, added, instances),
        ):
            yield

    def _end(self, run: Run, added: AddedTask) -> MpiResult:
        storage = self.account.storage
        with self._logged(run, added):
            ended = wait_for_multi_instance_task(self.account, run, added, self.asked.task_instances)
        self.progress.begin(COLLECTING)
        (collected,) = collect_outputs_task(storage, run, [ended], self.results)
        with self._directory() as directory:
            further = collect_subtasks_task(self.account, run, ended, self.asked.outputs, directory)
            of_others = [name for files in further for name in _names(files, directory / added.task_id, ended)]
            task = task_result(ended, collected, self.asked.outputs, run.run_id, of_others)
            subtasks = [subtask_result(*pair) for pair in zip(ended.subtasks, further, strict=True)]
            files, base = [file for one in further for file in _files(one)], directory / added.task_id
            outcome = replace(task_outcome(ended, collected, task, run.outputs.container), subtasks=ended.subtasks)
            if collected.place:
                kept = store_files_task(storage, files, base, collected.place)
                self._record(run, outcome, lambda: kept)
                subtasks = [_moved(subtask, base, collected.place) for subtask in subtasks]
            else:
                self._record(run, outcome, lambda: store_files_task(storage, files, base, outcome.place))
        self.progress.end(COLLECTING)
        result = self._result(run, task, subtasks)
        return result.model_copy(update={"application_began": ended.application_began})

    def _record(self, run: Run, outcome: Outcome, store: Callable[[], list[KeptFile]]) -> None:
        """Lets later runs know, once the files of subtasks are where those will look for them."""
        if not self.asked.keep_time:
            return
        try:
            known = replace(outcome, files=(*outcome.files, *store()))
            record_outcomes(self.account.storage, run, [known], self.asked.keep_time)
        except BatchFlowError as error:
            _logger.warning("%s A later run will not know of this one.", error)

    @contextmanager
    def _directory(self) -> Iterator[Path]:
        """Takes the files of subtasks, which come from their nodes by way of this machine."""
        if isinstance(self.results, Path):
            yield self.results
        else:
            with tempfile.TemporaryDirectory() as directory:
                yield Path(directory)

    def wait_for(self, other: TakenUp, manifest: Manifest) -> MpiResult:
        """Waits for the same program in a run that goes on."""
        (batch,) = manifest.batches(other.found.number, 1)
        wait_for_other_batch_task(self.account.storage, other.found.record, manifest, batch, self.asked.time_limit)
        if manifest.waiting(batch):
            raise StepFailed(f"Run {other.run.run_id} had the same program and ended without a result: run again.")
        return self.restore(_outcome(manifest, batch), other.run)

    def restore(self, outcome: Outcome, run: Run | None = None) -> MpiResult:
        """The result of a program that another run has run."""
        (collected,) = restore_outputs_task(self.account.storage, [outcome], self.results)
        directory = collected.place or self.results / outcome.task_id
        subtasks = [subtask_of_other(subtask, outcome, directory) for subtask in outcome.subtasks]
        return self._result(run, result_of_other(outcome, collected), subtasks)

    def report(self, result: MpiResult) -> MpiResult:
        """The same with a page to look at."""
        nodes, place = self.asked.task_instances, self.asked.place_of(self.run_id) or self.results
        title = f"MPI on {nodes} nodes: {self.asked.label}"
        return keep_report(self.account.storage, result, title, place, self.meter.lives.all())

    def _result(self, run: Run | None, task: TaskResult, subtasks: list[SubtaskResult]) -> MpiResult:
        place = self.asked.place_of(self.run_id)
        directory = self.results if isinstance(self.results, Path) else None
        with ResultIndex(directory, 1, see=FailedTasks(self.run_id).see) as index:
            # The index names what all nodes have left.
            of_others = [output for subtask in subtasks for output in subtask.outputs]
            index.write(0, task.model_copy(update={"outputs": [*task.outputs, *of_others]}))
            if place:
                store_results_index(self.account.storage, index, self.asked, self.run_id)
        return MpiResult(
            run_id=self.run_id,
            job_id=run.job_id if run else None,
            pool_id=run.pool_id if run else None,
            results=str(place or self.results),
            counts=index.counts,
            tasks=[task],
            exit_code=task.exit_code,
            subtasks=subtasks,
        )


def _outcome(manifest: Manifest, batch: Batch) -> Outcome:
    """How the one task of a run has fared that another has done."""
    (((_, _, outcome),),) = manifest.outcomes(batch)
    return outcome


def _moved(subtask: SubtaskResult, directory: Path, place: Place) -> SubtaskResult:
    """A subtask's result when its files have come from a directory to a place in storage."""

    def new(path: str) -> str:
        return str(place / Path(path).relative_to(directory).as_posix())

    changes = {"stdout": subtask.stdout and new(subtask.stdout), "outputs": [new(path) for path in subtask.outputs]}
    return subtask.model_copy(update=changes)


def _files(subtask: CollectedSubtask) -> list[Path]:
    """All files of a subtask."""
    return [path for path in (subtask.files.stdout, subtask.files.stderr, *subtask.files.outputs) if path]


def _names(subtask: CollectedSubtask, directory: Path, task: EndedTask) -> list[str]:
    """Outputs of a subtask as a pattern names them."""
    own = directory / subtask_folder(subtask.id, succeeded=task.end.succeeded)
    return [path.relative_to(own).as_posix() for path in subtask.files.outputs]
