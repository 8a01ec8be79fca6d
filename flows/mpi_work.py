"""What an MPI run is to do: its program and files, and what others have done of it."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.blocks.pool_description import PoolDescription
from prefect_azure_batch.flows.examples import example
from prefect_azure_batch.flows.mpi_parameters import MpiParameters
from prefect_azure_batch.flows.plan import PlannedInputs
from prefect_azure_batch.flows.runs import ProgramFinder, RunPlan, check_results, plan_of
from prefect_azure_batch.tasks.common_files import check_common_names
from prefect_azure_batch.tasks.earlier import FoundRun, find_earlier_task
from prefect_azure_batch.tasks.following import check_followed, node_names
from prefect_azure_batch.tasks.identity import identify
from prefect_azure_batch.tasks.inputs import find_inputs
from prefect_azure_batch.tasks.manifest import DONE, OURS, Manifest
from prefect_azure_batch.tasks.multi_instance import multi_instance_name, multi_instance_work
from prefect_azure_batch.tasks.pool import check_pool_task
from prefect_azure_batch.tasks.program import doubt_about
from prefect_azure_batch.tasks.records import InputItem, MultiInstancePlan, Place, Program
from prefect_azure_batch.tasks.secrets import read_values
from prefect_azure_batch.tasks.upload import blob_lister

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class MpiWork:
    """What an MPI run is to do.

    Attributes:
        manifest: its one task; who does it is known.
        common: files that every node gets.
        path: of its program, or the name of a package; None for no program.
        program: the same as the nodes find it.
        task: what it does.
        task_id: of it.
        earlier: runs of the same work that have not ended.
    """

    asked: MpiParameters
    manifest: Manifest
    common: list[InputItem]
    path: str | Path | None
    program: Program | None
    task: MultiInstancePlan
    task_id: str
    earlier: tuple[FoundRun, ...]

    @property
    def inputs(self) -> PlannedInputs:
        """Who does its one task."""
        done = self.manifest.count(DONE) if self.asked.resume else 0
        elsewhere = 1 - self.manifest.count(OURS) - self.manifest.count(DONE)
        return PlannedInputs(total=1, done=done, elsewhere=elsewhere, ours=1 - done - elsewhere)

    def run_plan(self, pool: PoolDescription | str, results: Place | None) -> RunPlan:
        """The run that does it.

        Args:
            pool: that it runs on: one to be made, or the id of one that is there.
            results: where its logs and outputs go in storage; None for its own folder.
        """
        asked, work = self.asked, multi_instance_work(self.program, self.task, self.asked.setup)
        plan = plan_of(asked, "mpi", self.program, work, pool, results)
        return replace(plan, tasks=1, instances=asked.task_instances)


def find_work(account: AzureBatchAccount, asked: MpiParameters, find_program: ProgramFinder) -> MpiWork:
    """Finds the files and the program of an MPI run, and what earlier runs have done with the same ones.

    Args:
        account: the Batch account and its storage.
        asked: what was asked for.
        find_program: what finds the program.

    Raises:
        BadInput: something asked for does not exist or fit; nothing has been created.
        ServiceFailure: Azure refused or failed a request.
    """
    check_results(account, asked.results_place)
    read_values(asked.secrets)
    common = _common_files(account, asked)
    description = asked.pool_description
    if description.existing:
        check_pool_task(account, description.existing, asked.task_instances, identity=description.node_identity)
    path = asked.app or (example("mpi") / "app" if asked.is_example else None)
    program, task = find_program(account, path), _task_plan(asked)
    name = multi_instance_name(program, common, task)
    nodes = [(node, name) for node in node_names(asked.task_instances)]
    check_followed(asked.follow, lambda: nodes, "nodes")
    manifest, earlier = Manifest.of_tasks([(name, asked.label)]), tuple[FoundRun, ...]()
    if not asked.is_example:
        earlier = find_earlier_task(account, multi_instance_work(program, task, asked.setup), manifest)
    return MpiWork(asked, manifest, common, path, program, task, name, earlier)


def _common_files(account: AzureBatchAccount, asked: MpiParameters) -> list[InputItem]:
    patterns = [str(example("mpi") / "inputs")] if asked.is_example else asked.inputs
    found = find_inputs(patterns, blob_lister(account.storage)) if patterns else []
    check_common_names(item.name for item in found)
    for item in found:
        if item.path and (doubt := doubt_about(item.path, item.label)):
            _logger.warning("%s", doubt)
    return identify(found)


def _task_plan(asked: MpiParameters) -> MultiInstancePlan:
    return MultiInstancePlan(
        asked.label,
        asked.launch,
        whole_line=bool(asked.application_command),
        coordination=asked.coordination_command,
        outputs=tuple(asked.outputs),
        time_limit=asked.task_limit,
        retries=asked.retries,
        environment=asked.environment,
        retention=asked.retention_time,
        secrets=asked.secrets,
    )
