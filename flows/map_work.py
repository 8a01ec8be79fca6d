"""What a map run is to do: its inputs, their tasks, and what others have done of them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.blocks.pool_description import PoolDescription
from prefect_azure_batch.flows.examples import example
from prefect_azure_batch.flows.map_parameters import EXAMPLE_COMMAND, MapParameters
from prefect_azure_batch.flows.plan import PlannedInputs
from prefect_azure_batch.flows.reduction import Reduction
from prefect_azure_batch.flows.runs import ProgramFinder, RunPlan, check_results, container_plan, plan_of
from prefect_azure_batch.tasks.access import StorageAccess
from prefect_azure_batch.tasks.command import INPUT_FOLDER
from prefect_azure_batch.tasks.common_files import check_common_names
from prefect_azure_batch.tasks.earlier import FoundRun, find_earlier_task
from prefect_azure_batch.tasks.errors import BadInput
from prefect_azure_batch.tasks.following import check_followed
from prefect_azure_batch.tasks.grouped_manifest import GroupedManifest
from prefect_azure_batch.tasks.identity import identify
from prefect_azure_batch.tasks.inputs import FoundInput, find_inputs, search_inputs
from prefect_azure_batch.tasks.manifest import DONE, OURS, Manifest
from prefect_azure_batch.tasks.names import REDUCE_LABEL
from prefect_azure_batch.tasks.parts import Part
from prefect_azure_batch.tasks.pool import check_pool_task
from prefect_azure_batch.tasks.records import InputItem, Place, Program, TaskPlan
from prefect_azure_batch.tasks.secrets import read_values
from prefect_azure_batch.tasks.submit import check_group, task_namer, work_of
from prefect_azure_batch.tasks.sweeps import combinations, sweep, tabulate
from prefect_azure_batch.tasks.upload import blob_lister, stored_input

MOST_GROUPS = 500


@dataclass(frozen=True)
class MapWork:
    """What a map run is to do.

    Attributes:
        manifest: its inputs; who does which is known.
        common: files of all tasks.
        path: of its program, or the name of a package; None for no program.
        program: what the command means by ``{app}``.
        tasks: what the tasks have in common.
        earlier: runs of the same work that have not ended.
        reduction: what is done to the results; None for nothing.
    """

    asked: MapParameters
    manifest: Manifest
    common: list[InputItem]
    path: str | Path | None
    program: Program | None
    tasks: TaskPlan
    earlier: tuple[FoundRun, ...]
    reduction: Reduction | None = None

    @property
    def size(self) -> int:
        """How many results there will be."""
        return self.manifest.count() + (self.reduction is not None)

    @property
    def inputs(self) -> PlannedInputs:
        """Who does how many of the inputs."""
        total, done, ours = (self.manifest.count(source) for source in (None, DONE, OURS))
        return PlannedInputs(total=total, done=done, elsewhere=total - done - ours, ours=ours)

    @property
    def ours(self) -> int:
        """How many tasks there are for this run to do."""
        return self.manifest.count(OURS) + self.reduces

    @property
    def reduces(self) -> bool:
        """Whether there is a reduce, and nobody has done it."""
        return self.reduction is not None and not self.reduction.is_done

    def run_plan(self, pool: PoolDescription | str, results: Place | None) -> RunPlan:
        """The run that does what nobody has done.

        Args:
            pool: that it runs on: one to be made, or the id of one that is there.
            results: where its logs and outputs go in storage; None for its own folder.
        """
        asked, work = self.asked, work_of(self.program, self.tasks)
        return replace(
            plan_of(asked, "map", self.program, work, pool, results),
            tasks=self.ours,
            required_slots=asked.required_slots,
            retries=0 if asked.retry_on else asked.retries,
            stop_on=tuple(asked.stop_on),
            dependencies=self.reduction is not None,
        )


def find_work(account: AzureBatchAccount, asked: MapParameters, find_program: ProgramFinder) -> MapWork:
    """Finds the inputs of a map run, and what earlier runs have done to the same ones.

    Args:
        account: the Batch account and its storage.
        asked: what was asked for.
        find_program: what finds its program.

    Raises:
        BadInput: something asked for does not exist; nothing has been created.
        ServiceFailure: Azure refused or failed a request.
    """
    check_results(account, asked.results_place)
    read_values(asked.secrets)
    manifest = _manifest(account, asked)
    common = _common_files(account, asked, manifest)
    description = asked.pool_description
    if description.existing:
        has_container, identity = description.container is not None, description.node_identity
        check_pool_task(
            account,
            description.existing,
            containers=has_container,
            identity=identity,
            required_slots=asked.required_slots,
        )
    path = asked.app or (example("map") / "app" if asked.is_example else None)
    program = find_program(account, path)
    tasks = _task_plan(asked, common)
    _check_group_size(asked.group_size, manifest.count())
    _check_groups(StorageAccess.lasting(account.storage, description.node_identity, asked.time_limit), manifest, tasks)
    manifest.name_tasks(task_namer(program, tasks))
    check_followed(asked.follow, partial(_names, manifest, asked), "inputs")
    earlier: tuple[FoundRun, ...] = ()
    if asked.resume and not asked.is_example:
        earlier = find_earlier_task(account, work_of(program, tasks), manifest, tasks.succeed_on)
    reduction = Reduction(asked, program, tasks, manifest, earlier) if asked.reduce else None
    if reduction is not None:
        reduction.check()
        if asked.resume:
            reduction.look_for_earlier(account)
    return MapWork(asked, manifest, common, path, program, tasks, earlier, reduction)


def _inputs(account: AzureBatchAccount, asked: MapParameters) -> Iterator[FoundInput]:
    """What there is a task for: files, rows of a table, or combinations of a sweep; of this part, if it is one."""
    return _of_part(asked, _all_inputs(account, asked))


def _of_part(asked: MapParameters, found: Iterator[FoundInput]) -> Iterator[FoundInput]:
    return Part.parse(asked.part).of(found, by_folder=asked.group_by == "folder") if asked.part else found


def _all_inputs(account: AzureBatchAccount, asked: MapParameters) -> Iterator[FoundInput]:
    lister = blob_lister(account.storage)
    if asked.table:
        return tabulate(Path(asked.table), lister)
    if asked.sweep:
        found = search_inputs(asked.inputs, lister) if asked.inputs else None
        return sweep(asked.sweep, found, zipped=asked.sweep_zip)
    return search_inputs(asked.inputs or [str(example("map") / "inputs")], lister)


def _manifest(account: AzureBatchAccount, asked: MapParameters) -> Manifest:
    """The tasks that are asked for.

    Raises:
        BadInput: an input cannot be.
    """
    if asked.grouping is None:
        return Manifest.of_inputs(_inputs(account, asked))
    found = _of_part(asked, search_inputs(asked.inputs, blob_lister(account.storage)))
    values = partial(combinations, asked.sweep, zipped=asked.sweep_zip) if asked.sweep else None
    return GroupedManifest.of_groups(found, asked.grouping, values)


def _names(manifest: Manifest, asked: MapParameters) -> Iterator[tuple[str, str]]:
    """What all tasks are called, and their ids; that of the reduce is not known yet."""
    yield from manifest.names()
    if asked.reduce:
        yield REDUCE_LABEL, REDUCE_LABEL


def _check_group_size(size: int | None, count: int) -> None:
    """Prefect has threads and records for each group: with a thousand a run takes minutes, and then an hour."""
    if size is not None and -(-count // size) > MOST_GROUPS:
        raise BadInput(
            f"--group-size: {count:,} inputs in groups of {size:,} are more than the {MOST_GROUPS} groups that Prefect "
            f"follows well: give {-(-count // MOST_GROUPS):,} or more, or leave it out."
        )


def _check_groups(access: StorageAccess, manifest: Manifest, plan: TaskPlan) -> None:
    if isinstance(manifest, GroupedManifest):
        for label, members in manifest.large_groups():
            check_group(access, label, [stored_input(member) for member in members], plan)


def _common_files(account: AzureBatchAccount, asked: MapParameters, manifest: Manifest) -> list[InputItem]:
    """The files that every task has besides its own.

    Raises:
        BadInput: there are none, or one has the name of an input.
    """
    if not asked.common:
        return []
    try:
        items = identify(find_inputs(asked.common, blob_lister(account.storage)))
    except BadInput as error:
        raise BadInput(f"--common: {error}") from None
    check_common_names(item.name for item in items)
    if asked.grouping and INPUT_FOLDER in (item.name for item in items):
        raise BadInput(f"--common: a common file has the name {INPUT_FOLDER!r}, as the folder of a task's inputs has.")
    if label := manifest.label_of_name(item.name for item in items):
        raise BadInput(f"--common: a common file has the name of the input {label!r}: both would lie in one directory.")
    return items


def _task_plan(asked: MapParameters, common: list[InputItem]) -> TaskPlan:
    return TaskPlan(
        asked.command or EXAMPLE_COMMAND,
        tuple(asked.outputs),
        asked.task_limit,
        retry_on=tuple(asked.retry_on),
        retries=asked.retries,
        succeed_on=tuple(asked.succeed_on),
        stop_on=tuple(asked.stop_on),
        environment=asked.environment,
        retention=asked.retention_time,
        secrets=asked.secrets,
        container=container_plan(asked.pool_description),
        required_slots=asked.required_slots,
        elevated=asked.elevated,
        setup=asked.setup,
        parameters=asked.parameters,
        common=tuple(stored_input(item) for item in common),
        grouped=asked.grouping is not None,
    )
