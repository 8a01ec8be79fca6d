"""The stages of a map run, in order, and the cleanup that follows whatever happens."""

from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.flows.assets import store_results_index
from prefect_azure_batch.flows.events import FailedTasks, tell_planned
from prefect_azure_batch.flows.live_logs import LiveLogs
from prefect_azure_batch.flows.map_parameters import MapParameters
from prefect_azure_batch.flows.map_stages import MapStages
from prefect_azure_batch.flows.map_work import find_work
from prefect_azure_batch.flows.progress import show_progress
from prefect_azure_batch.flows.progress_state import AWAITING, COLLECTING, FINDING, SENDING
from prefect_azure_batch.flows.report import keep_report
from prefect_azure_batch.flows.result_index import ResultIndex
from prefect_azure_batch.flows.results import MapResult, ResultCounts
from prefect_azure_batch.flows.resume import pool_to_go_on_with, taken_up
from prefect_azure_batch.flows.run_progress import RunProgress
from prefect_azure_batch.flows.runs import (
    check_access_of,
    find_program,
    new_run_id,
    noting_leftovers,
    open_run,
)
from prefect_azure_batch.tasks.ledger import Ledgers
from prefect_azure_batch.tasks.manifest import DONE
from prefect_azure_batch.tasks.meter import Meter, make_meter
from prefect_azure_batch.tasks.upload import upload_inputs_task


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
    meter, begun = make_meter(account, asked.terms), datetime.now(UTC)
    with show_progress(meter) as progress:
        return _run(account, asked, meter, begun, progress)


def _run(
    account: AzureBatchAccount, asked: MapParameters, meter: Meter, begun: datetime, progress: RunProgress
) -> MapResult:
    progress.begin(FINDING)
    check_access_of(account, asked.pool_description, asked.time_limit)
    work = find_work(account, asked, find_program)
    progress.advance(FINDING, work.manifest.count())
    progress.end(FINDING, _done_before(work.manifest.count(DONE)))
    run_id, run, left = new_run_id("map"), None, list[str]()
    results, place = asked.results_of(run_id), asked.place_of(run_id)
    directory, see = results if isinstance(results, Path) else None, FailedTasks(run_id).see
    tell_planned(run_id, work.inputs)
    with (
        noting_leftovers(left),
        taken_up(account, work.earlier, meter, patient=work.reduces) as others,
        ResultIndex(directory, work.size, begun, see) as index,
        ExitStack() as kept,
    ):
        progress.collects(lambda: _number(index.counts), work.size)
        if others_work := sum(other.found.tasks for other in others):
            progress.begin(COLLECTING, note=f"other runs do {others_work:,} of them")
        if work.ours:
            progress.begin(SENDING, work.ours)
            pool = pool_to_go_on_with(account, others, asked.pool_description, asked.time_limit)
            run = kept.enter_context(open_run(account, work.run_plan(pool, place), meter))
            progress.begin(AWAITING)
        if run and work.common:
            upload_inputs_task(account.storage, work.common)
        ledgers, logs = Ledgers(account.storage, asked.keep_time), LiveLogs(account, asked, results)
        stages = MapStages(
            account, asked, work.tasks, work.manifest, index, results, ledgers, progress, logs, work.reduction
        )
        stages.run(run, others)
        if place:
            store_results_index(account.storage, index, asked, run_id)
        progress.clean_up()
    where = run or (others[0].run if others else None)
    result = MapResult(
        run_id=run_id,
        job_id=where.job_id if where else None,
        pool_id=where.pool_id if where else None,
        results=str(place or results),
        counts=index.counts,
        tasks=index.tasks,
        leftovers=left,
        cost=meter.bill(index.task_seconds, asked.required_slots),
    )
    title, places = f"Map of {work.manifest.count():,} inputs", max(1, meter.slots // asked.required_slots)
    return keep_report(account.storage, result, title, place or results, meter.lives.all(), places)


def _done_before(number: int) -> str:
    return f"{number:,} done before" if number else ""


def _number(counts: ResultCounts) -> int:
    return counts.succeeded + counts.failed + counts.skipped
