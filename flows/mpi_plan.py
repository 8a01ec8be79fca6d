"""The plan of an MPI run."""

from collections.abc import Iterator
from datetime import UTC, datetime

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.flows.mpi_parameters import MpiParameters
from prefect_azure_batch.flows.mpi_work import MpiWork, find_work
from prefect_azure_batch.flows.plan import Plan, PlannedCall
from prefect_azure_batch.flows.planning import body_of, count_program, identify_program, put_together
from prefect_azure_batch.flows.runs import new_run_id, record_of
from prefect_azure_batch.tasks.job import run_of
from prefect_azure_batch.tasks.multi_instance import multi_instance_options
from prefect_azure_batch.tasks.output_files import added_task
from prefect_azure_batch.tasks.preflight import look_ahead, look_at_rest
from prefect_azure_batch.tasks.run_record import RunRecord
from prefect_azure_batch.tasks.upload import Uploads, count_uploads, stored_input


def plan_mpi(account: AzureBatchAccount, asked: MpiParameters) -> Plan:
    """Finds out what an MPI run would do; nothing is made.

    Args:
        account: the Batch account and its storage.
        asked: what was asked for.

    Raises:
        BadInput: something asked for does not exist.
        ServiceFailure: Azure refused or failed a request.
    """
    work = find_work(account, asked, identify_program)
    ours = work.inputs.ours
    run_id = new_run_id("mpi")
    plan = work.run_plan(asked.pool_description, asked.place_of(run_id))
    record = record_of(plan, run_id, account, work.program, datetime.now(UTC))
    seen = (
        look_ahead(account, record, asked.task_instances, terms=asked.terms) if ours else look_at_rest(account, record)
    )
    uploads = count_program(account, work.path) + count_uploads(account.storage, work.common) if ours else Uploads()
    added = _addition(account, work, record) if ours else None
    return put_together("MPI", account, record, work.path, work.inputs, uploads, seen, added)


def _addition(account: AzureBatchAccount, work: MpiWork, record: RunRecord) -> Iterator[PlannedCall]:
    run = run_of(record.job)
    task = added_task(run, 0, work.task.command, work.task_id)
    options = multi_instance_options(account, run, task, [stored_input(item) for item in work.common], work.task)
    path = f"/jobs/{record.job.job_id}/addtaskcollection"
    yield PlannedCall(service="Batch", method="POST", path=path, body={"value": [body_of(options)]})
