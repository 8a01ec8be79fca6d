"""The stages of a map run, in order, and the cleanup that follows whatever happens."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.flows.examples import example
from prefect_azure_batch.flows.map_parameters import EXAMPLE_COMMAND, MapParameters
from prefect_azure_batch.flows.map_stages import MapStages
from prefect_azure_batch.flows.result_index import ResultIndex, store_index_task
from prefect_azure_batch.flows.results import MapResult
from prefect_azure_batch.flows.resume import pool_to_go_on_with, taken_up
from prefect_azure_batch.flows.runs import (
    RunPlan,
    check_results,
    container_plan,
    find_program,
    new_run_id,
    noting_leftovers,
    open_run,
)
from prefect_azure_batch.tasks.common_files import check_common_names
from prefect_azure_batch.tasks.earlier import FoundRun, find_earlier_task
from prefect_azure_batch.tasks.errors import BadInput
from prefect_azure_batch.tasks.identity import identify
from prefect_azure_batch.tasks.inputs import FoundInput, find_inputs, search_inputs
from prefect_azure_batch.tasks.ledger import Ledgers
from prefect_azure_batch.tasks.manifest import OURS, Manifest
from prefect_azure_batch.tasks.pool import check_pool_task
from prefect_azure_batch.tasks.records import InputItem, TaskPlan
from prefect_azure_batch.tasks.submit import task_namer, work_of
from prefect_azure_batch.tasks.sweeps import sweep, tabulate
from prefect_azure_batch.tasks.upload import blob_lister, stored_input, upload_inputs_task


def _inputs(account: AzureBatchAccount, asked: MapParameters) -> Iterator[FoundInput]:
    """What there is a task for: files, rows of a table, or combinations of a sweep."""
    lister = blob_lister(account.storage)
    if asked.table:
        return tabulate(Path(asked.table), lister)
    if asked.sweep:
        found = search_inputs(asked.inputs, lister) if asked.inputs else None
        return sweep(asked.sweep, found, zipped=asked.sweep_zip)
    return search_inputs(asked.inputs or [str(example("map") / "inputs")], lister)


def _common_files(account: AzureBatchAccount, asked: MapParameters, manifest: Manifest) -> list[InputItem]:
    """The files that every task has besides its own.

    Raises:
        BadInput: there are none, or one has the name of an input.
    """
    if not asked.common:
        return []
    items = identify(find_inputs(asked.common, blob_lister(account.storage)))
    check_common_names(item.name for item in items)
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
        environment=asked.environment,
        container=container_plan(asked.pool_description),
        required_slots=asked.required_slots,
        elevated=asked.elevated,
        setup=asked.setup,
        parameters=asked.parameters,
        common=tuple(stored_input(item) for item in common),
    )


def run_map(account: AzureBatchAccount, asked: MapParameters) -> MapResult:
    """Runs the stages inside a Prefect flow run.

    What earlier runs have done to the same inputs is restored, and what other runs are doing is waited for.

    Args:
        account: the Batch account and its storage.
        asked: what was asked for.

    Returns:
        The result, failed tasks included.

    Raises:
        BadInput: something asked for does not exist; nothing has been created.
        ServiceFailure: Azure refused or failed a request that the whole run needs.
    """
    check_results(account, asked.results_place)
    manifest = Manifest.of_inputs(_inputs(account, asked))
    common = _common_files(account, asked, manifest)
    description = asked.pool_description
    if description.existing:
        check_pool_task(account, description.existing, containers=description.container is not None)
    program = find_program(account, asked.app or (example("map") / "app" if asked.is_example else None))
    plan = _task_plan(asked, common)
    work = work_of(program, plan)
    manifest.name_tasks(task_namer(program, plan))
    earlier: tuple[FoundRun, ...] = ()
    if asked.resume and not asked.is_example:
        earlier = find_earlier_task(account, work, manifest)
    run_id, run, left = new_run_id("map"), None, list[str]()
    results, place = asked.results_of(run_id), asked.place_of(run_id)
    with (
        noting_leftovers(left),
        taken_up(account, earlier) as others,
        ResultIndex(results if isinstance(results, Path) else None, manifest.count()) as index,
        ExitStack() as kept,
    ):
        if manifest.count(OURS):
            run = kept.enter_context(
                open_run(
                    account,
                    RunPlan(
                        "map",
                        program=program,
                        pool=description.existing or pool_to_go_on_with(account, others) or description,
                        tasks=manifest.count(OURS),
                        required_slots=asked.required_slots,
                        setup=asked.setup,
                        setup_limit=asked.task_limit,
                        elevated=asked.elevated,
                        priority=asked.priority,
                        retries=0 if asked.retry_on else asked.retries,
                        time_limit=asked.time_limit,
                        lease=asked.lease,
                        work=work,
                        keep=asked.keep_time,
                        results=place,
                    ),
                )
            )
        if run and common:
            upload_inputs_task(account.storage, common)
        ledgers = Ledgers(account.storage, asked.keep_time)
        MapStages(account, asked, plan, manifest, index, results, ledgers).run(run, others)
        if place:
            store_index_task(account.storage, index, place)
    where = run or (others[0].run if others else None)
    return MapResult(
        run_id=run_id,
        job_id=where.job_id if where else None,
        pool_id=where.pool_id if where else None,
        results=str(place or results),
        counts=index.counts,
        tasks=index.tasks,
        leftovers=left,
    )
