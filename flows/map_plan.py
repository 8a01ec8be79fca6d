"""The plan of a map run."""

from collections.abc import Iterator
from datetime import UTC, datetime

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.flows.map_parameters import MapParameters
from prefect_azure_batch.flows.map_work import MapWork, find_work
from prefect_azure_batch.flows.plan import Plan, PlannedCall
from prefect_azure_batch.flows.planning import body_of, count_program, identify_program, put_together
from prefect_azure_batch.flows.runs import new_run_id, record_of
from prefect_azure_batch.tasks.adding import MAX_TASKS_PER_REQUEST
from prefect_azure_batch.tasks.job import run_of
from prefect_azure_batch.tasks.manifest import OURS, Batch
from prefect_azure_batch.tasks.names import REDUCE_LABEL
from prefect_azure_batch.tasks.output_files import added_task
from prefect_azure_batch.tasks.preflight import look_ahead, look_at_rest
from prefect_azure_batch.tasks.reduce import reduce_options, reduce_task_id
from prefect_azure_batch.tasks.run_record import RunRecord
from prefect_azure_batch.tasks.submit import task_options
from prefect_azure_batch.tasks.upload import Uploads, count_uploads, stored_input


def plan_map(account: AzureBatchAccount, asked: MapParameters) -> Plan:
    """Finds out what a map run would do; nothing is made.

    Args:
        account: the Batch account and its storage.
        asked: what was asked for.

    Raises:
        BadInput: something asked for does not exist.
        ServiceFailure: Azure refused or failed a request.
    """
    work = find_work(account, asked, identify_program)
    ours = work.inputs.ours
    run_id = new_run_id("map")
    plan = work.run_plan(asked.pool_description, asked.place_of(run_id))
    record = record_of(plan, run_id, account, work.program, datetime.now(UTC))
    if work.ours:
        containers, slots = asked.pool_description.container is not None, asked.required_slots
        seen = look_ahead(account, record, containers=containers, required_slots=slots, terms=asked.terms)
    else:
        seen = look_at_rest(account, record)
    uploads = _uploads(account, work) if ours else Uploads()
    added = _added(account, work, record) if work.ours else None
    return put_together("map", account, record, work.path, work.inputs, uploads, seen, added)


def _added(account: AzureBatchAccount, work: MapWork, record: RunRecord) -> Iterator[PlannedCall]:
    """The requests that add tasks."""
    if work.manifest.count(OURS):
        yield from _addition(account, work, record)
    yield from _reduce(account, work, record)


def _reduce(account: AzureBatchAccount, work: MapWork, record: RunRecord) -> Iterator[PlannedCall]:
    """The request that adds the reduce, and the tasks between it and the map."""
    reduction = work.reduction
    if reduction is None or reduction.is_done:
        return
    run = run_of(record.job)
    reduction.begin(run)
    task = added_task(run, reduction.index, REDUCE_LABEL, reduce_task_id(run.program, reduction.plan, reduction.maps))
    *joins, options = reduce_options(account, run, task, reduction.plan, reduction.maps)
    yield PlannedCall(
        service="Batch",
        method="POST",
        path=f"/jobs/{record.job.job_id}/addtaskcollection",
        body={"value": [body_of(options)]},
        note=f"the reduce, and {len(joins)} tasks that wait for some of the others each" if joins else "the reduce",
    )


def _uploads(account: AzureBatchAccount, work: MapWork) -> Uploads:
    counted = count_program(account, work.path) + count_uploads(account.storage, work.common)
    for batch in _batches(work):
        for items in work.manifest.files(batch):
            counted += count_uploads(account.storage, items)
    return counted


def _batches(work: MapWork) -> list[Batch]:
    """The inputs that are to be run."""
    return work.manifest.batches(OURS, work.manifest.count(OURS))


def _addition(account: AzureBatchAccount, work: MapWork, record: RunRecord) -> Iterator[PlannedCall]:
    """The requests that add the tasks: the first task stands for all."""
    number, first = work.manifest.count(OURS), next(work.manifest.items(_batches(work)[0]))[0]
    options = task_options(account, run_of(record.job), [stored_input(first)], work.tasks)
    yield PlannedCall(
        service="Batch",
        method="POST",
        path=f"/jobs/{record.job.job_id}/addtaskcollection",
        body={"value": [body_of(each) for each in options]},
        times=-(-number // MAX_TASKS_PER_REQUEST),
        note=f"{number} tasks, of which this is the first" if number > 1 else "",
    )
