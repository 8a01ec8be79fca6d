"""How a plan is made: what a run needs is looked at, and its requests are put together and not sent."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from azure.batch.models import BatchPoolCreateOptions

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.flows.plan import Plan, PlannedCall, PlannedInputs, PlannedUploads
from prefect_azure_batch.flows.preflight import package_of
from prefect_azure_batch.flows.runs import find_program
from prefect_azure_batch.tasks.application import shipped_program
from prefect_azure_batch.tasks.errors import translated
from prefect_azure_batch.tasks.findings import DOUBTFUL, Finding
from prefect_azure_batch.tasks.formulas import job_limit
from prefect_azure_batch.tasks.job import job_options
from prefect_azure_batch.tasks.lease import RENEWALS
from prefect_azure_batch.tasks.managed_pool import is_managed, managed_pool
from prefect_azure_batch.tasks.pool import planned_pool
from prefect_azure_batch.tasks.preflight import Seen
from prefect_azure_batch.tasks.program import doubts_about
from prefect_azure_batch.tasks.records import JobPlan, PoolPlan, Program
from prefect_azure_batch.tasks.requests import JsonObject, without_secrets
from prefect_azure_batch.tasks.run_record import RunRecord
from prefect_azure_batch.tasks.secrets import place_of
from prefect_azure_batch.tasks.upload import INPUT_CONTAINER, Uploads


def identify_program(account: AzureBatchAccount, program: str | Path | None) -> Program | None:
    """A program as the tasks of a job would find it; nothing is sent."""
    if not program or package_of(str(program)):
        return find_program(account, program)
    return shipped_program(Path(program))[0]


def look_at_program(program: str | Path | None) -> Iterator[Finding]:
    """What about the files of a program will most likely fail on a node."""
    if program and not package_of(str(program)):
        yield from (Finding("program", DOUBTFUL, doubt) for doubt in doubts_about(Path(program)))


def body_of(options: Any) -> JsonObject:
    """The body of a request of an SDK, without its secrets."""
    body: JsonObject = without_secrets(options.as_dict())
    return body


def opening_calls(account: AzureBatchAccount, record: RunRecord, seen: Seen) -> Iterator[PlannedCall]:
    """The requests that make a run's pool and job."""
    job = record.job
    folder = job.folder or job.run_id
    yield PlannedCall(
        service="Storage", method="PUT", path=f"/{job.container}/{folder}/run.json", note="the record of the run"
    )
    if record.pool and seen.found:
        yield _pool_call(account, record.pool, planned_pool(account, record.pool, seen.found, record.begun))
    yield from _secret_calls("PUT", job, "while the run lasts")
    note = f"ends by itself after {job_limit(job)}, unless that is put off; {job.time_limit} at most"
    yield PlannedCall(service="Batch", method="POST", path="/jobs", body=body_of(job_options(account, job)), note=note)


def _pool_call(account: AzureBatchAccount, pool: PoolPlan, options: BatchPoolCreateOptions) -> PlannedCall:
    note = f"has no nodes after {pool.lease}, unless that is put off" if pool.lease else ""
    if not is_managed(pool.description):
        return PlannedCall(service="Batch", method="POST", path="/pools", body=body_of(options), note=note)
    return PlannedCall(
        service="Resource Manager",
        method="PUT",
        path=(
            f"/subscriptions/{account.subscription_id}/resourceGroups/{account.resource_group}/providers/"
            f"Microsoft.Batch/batchAccounts/{account.account_name}/pools/{pool.pool_id}"
        ),
        body=body_of(managed_pool(options, pool.description)),
        note=note,
    )


def _secret_calls(method: str, job: JobPlan, when: str) -> Iterator[PlannedCall]:
    for source in (each for each in job.secrets if each.kind == "prefect"):
        place = place_of(job.run_id) / source.variable
        note = f"the secret {source.variable}, of the block {source.name!r}; {when}"
        yield PlannedCall(service="Storage", method=method, path=f"/{place.container}/{place.folder}", note=note)


def closing_calls(record: RunRecord) -> Iterator[PlannedCall]:
    """The requests that keep a run's pool and job while it lives, and delete them at its end."""
    job, pool = record.job, record.pool
    yield PlannedCall(
        service="Batch",
        method="PATCH",
        path=f"/jobs/{job.job_id}",
        body={"onAllTasksComplete": "terminatejob"},
        note="once the last task is added",
    )
    if job.lease:
        often = f"every {job.lease / RENEWALS} while the run lives"
        yield _renewal("PATCH", f"/jobs/{job.job_id}", often)
        if pool:
            yield _renewal("POST", f"/pools/{pool.pool_id}/enableautoscale", often)
    if job.teardown is not None:
        note = f"at the end: its teardown runs on each node that had tasks, for {job.teardown_limit} at most"
        yield PlannedCall(service="Batch", method="POST", path=f"/jobs/{job.job_id}/terminate", note=note)
    yield PlannedCall(service="Batch", method="DELETE", path=f"/jobs/{job.job_id}", note="at the end")
    if pool:
        yield PlannedCall(service="Batch", method="DELETE", path=f"/pools/{pool.pool_id}", note="at the end")
    yield from _secret_calls("DELETE", job, "at the end")


def _renewal(method: str, path: str, note: str) -> PlannedCall:
    return PlannedCall(service="Batch", method=method, path=path, times=None, note=f"puts its end off, {note}")


def upload_calls(uploads: Uploads) -> Iterator[PlannedCall]:
    """The requests that send inputs and the program."""
    if uploads.files:
        path, note = f"/{INPUT_CONTAINER}/{{name by content}}", f"{uploads.size:,} bytes"
        yield PlannedCall(service="Storage", method="PUT", path=path, times=uploads.files, note=note)


def count_program(account: AzureBatchAccount, program: str | Path | None) -> Uploads:
    """What shipping a program would send; nothing for a package, which is there."""
    if not program or package_of(str(program)):
        return Uploads()
    found, size = shipped_program(Path(program))
    blob = account.storage.get_client().get_blob_client(found.container or "", found.blob or "")
    with translated("look for the program in storage"):
        return Uploads(there=1) if blob.exists() else Uploads(1, size)


def put_together(
    kind: str,
    account: AzureBatchAccount,
    record: RunRecord,
    program: str | Path | None,
    inputs: PlannedInputs,
    uploads: Uploads,
    seen: Seen,
    added: Iterator[PlannedCall] | None,
) -> Plan:
    """The plan of a run, from what was found.

    Args:
        kind: ``map`` or ``MPI``.
        account: the Batch account.
        record: what the run would make.
        program: path of its program, or name of a package; None for no program.
        inputs: what it would find of its inputs.
        uploads: what it would send.
        seen: what speaks for it and what against.
        added: the requests that add its tasks, made as they are asked for; None if nothing is left to do.
    """
    calls: list[PlannedCall] = []
    if added is not None and seen.is_possible:
        calls = [*upload_calls(uploads), *opening_calls(account, record, seen), *added, *closing_calls(record)]
    return Plan(
        kind=kind,
        account=account.endpoint,
        inputs=inputs,
        uploads=PlannedUploads(files=uploads.files, bytes=uploads.size, there=uploads.there),
        findings=[*seen.findings, *look_at_program(program)],
        cost=seen.cost.document() if seen.cost else None,
        calls=calls,
    )
