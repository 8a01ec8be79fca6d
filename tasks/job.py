"""Stage: a job, and the guards that end it whatever becomes of us."""

import shlex
from dataclasses import replace
from datetime import UTC, datetime

from azure.batch import BatchClient, models
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.tasks.access import StorageAccess
from prefect_azure_batch.tasks.application import ARCHIVE_NAME
from prefect_azure_batch.tasks.command import parse_template, shell_command
from prefect_azure_batch.tasks.diagnosis import RUN_METADATA, describe_failure
from prefect_azure_batch.tasks.elevation import pool_user
from prefect_azure_batch.tasks.errors import PoolUnusable, translated
from prefect_azure_batch.tasks.formulas import job_limit
from prefect_azure_batch.tasks.logs import with_stderr
from prefect_azure_batch.tasks.node_files import read_stderr
from prefect_azure_batch.tasks.records import NO_WORK, JobPlan, Program, Run
from prefect_azure_batch.tasks.stage import stage

_SETUP_DIRECTORY_VARIABLE = "AZ_BATCH_TASK_WORKING_DIR"
CANCELLED = "FlowRunCancelled"
OVER_BUDGET = "BudgetSpent"
ENDED = {"JobCompleted", "JobTerminating", "JobBeingTerminated"}
"""Codes by which the service says that a job has ended, or is ending."""
_UNPACK = f"tar -xzf {ARCHIVE_NAME} && rm {ARCHIVE_NAME}"


def create_job(account: AzureBatchAccount, plan: JobPlan) -> Run:
    """Creates a job. Each node unpacks the program shipped with it, and runs its setup, before its first task.

    A repeated call finds its own job.

    Args:
        account: the Batch account.
        plan: the job; its time limit makes the service end it even if nobody is left to.

    Returns:
        The run that the job belongs to, for the stages that follow.

    Raises:
        ServiceFailure: Batch refused or failed the request, or the id belongs to another run.
    """
    client = account.get_client()
    with translated(f"create job {plan.job_id!r}"):
        try:
            client.create_job(job_options(account, plan))
        except ResourceExistsError as error:
            if getattr(error.error, "code", "") != "JobExists" or not _is_own(client, plan):
                raise
    return replace(run_of(plan), ends=datetime.now(UTC) + plan.time_limit)


def run_of(plan: JobPlan) -> Run:
    """The run that a job belongs to."""
    folder = plan.folder or f"{NO_WORK}/{plan.run_id}"
    return Run(
        plan.run_id,
        plan.job_id,
        plan.pool_id,
        plan.container,
        plan.program,
        plan.time_limit,
        folder,
        plan.results,
        identity=plan.identity,
    )


def job_options(account: AzureBatchAccount, plan: JobPlan) -> models.BatchJobCreateOptions:
    """The body of the request that creates a job."""
    return models.BatchJobCreateOptions(
        id=plan.job_id,
        pool_info=models.BatchPoolInfo(pool_id=plan.pool_id),
        constraints=models.BatchJobConstraints(
            max_wall_clock_time=job_limit(plan), max_task_retry_count=plan.task_retries
        ),
        priority=plan.priority,
        task_failure_mode=models.BatchTaskFailureMode.PERFORM_EXIT_OPTIONS_JOB_ACTION if plan.stop_on else None,
        job_preparation_task=_preparation(account, plan),
        job_release_task=_release(plan),
        uses_task_dependencies=plan.dependencies or None,
        metadata=[models.BatchMetadataItem(name=RUN_METADATA, value=plan.run_id)],
    )


def _preparation(account: AzureBatchAccount, plan: JobPlan) -> models.BatchJobPreparationTask | None:
    files, script = [], preparation_script(plan)
    if script is None:
        return None
    if plan.program and plan.program.container and plan.program.blob:
        access = StorageAccess.lasting(account.storage, plan.identity, plan.time_limit)
        files.append(access.resource_file(plan.program.container, plan.program.blob, ARCHIVE_NAME))
    return models.BatchJobPreparationTask(
        command_line=shell_command(script),
        resource_files=files,
        constraints=models.BatchTaskConstraints(max_wall_clock_time=plan.setup_limit),
        user_identity=pool_user(elevated=True) if plan.elevated else None,
        wait_for_success=True,
        rerun_on_node_reboot_after_success=True,
    )


def _release(plan: JobPlan) -> models.BatchJobReleaseTask | None:
    if plan.teardown is None:
        return None
    script = parse_template(plan.teardown, {}).script(plan.program.variable if plan.program else None)
    return models.BatchJobReleaseTask(
        command_line=shell_command(f"/bin/bash -e -c {shlex.quote(script)}"),
        max_wall_clock_time=plan.teardown_limit,
        user_identity=pool_user(elevated=True) if plan.elevated else None,
    )


def preparation_script(plan: JobPlan) -> str | None:
    """What a job's preparation task does: unpacks the program and runs the setup.

    None if there is nothing to do: Batch runs a teardown on those nodes alone that were prepared.
    """
    steps = [_UNPACK] if plan.program and plan.program.blob else []
    if plan.setup is not None:
        script = parse_template(plan.setup, {}).script(_setup_variable(plan.program))
        steps.append(f"/bin/bash -e -c {shlex.quote(script)}")  # a shell of its own, whatever it consists of
    return " && ".join(steps) or ("true" if plan.teardown is not None else None)


def _setup_variable(program: Program | None) -> str | None:
    """Variable of the program's directory: a preparation task is not told its own by the one that other tasks find."""
    if program is None or program.package is not None:
        return program.variable if program else None
    return _SETUP_DIRECTORY_VARIABLE


def _is_own(client: BatchClient, plan: JobPlan) -> bool:
    metadata = client.get_job(plan.job_id, select=["id,metadata"]).metadata or []
    return any(item.name == RUN_METADATA and item.value == plan.run_id for item in metadata)


def close_job(account: AzureBatchAccount, run: Run) -> None:
    """Tells the service to end a run's job once all its tasks have ended. Call it after the last task was added.

    A job that has ended already is closed.

    Raises:
        ServiceFailure: Batch refused or failed the request.
    """
    options = models.BatchJobUpdateOptions(all_tasks_complete_mode=models.BatchAllTasksCompleteMode.TERMINATE_JOB)
    with translated(f"close job {run.job_id!r}"):
        try:
            account.get_client().update_job(run.job_id, options)
        except ResourceExistsError as error:
            if getattr(error.error, "code", "") not in ENDED:
                raise


def cancel_job(account: AzureBatchAccount, job_id: str, reason: str = CANCELLED) -> bool:
    """Ends a job with all its tasks; one that has ended already is fine.

    Args:
        account: the Batch account.
        job_id: the job.
        reason: why, in a word that the job shows.

    Returns:
        Whether there is such a job.

    Raises:
        ServiceFailure: Batch refused or failed the request.
    """
    with translated(f"end job {job_id!r}"):
        try:
            # Without options the SDK fails, and their class is not public.
            account.get_client().begin_terminate_job(job_id, {"terminateReason": reason})  # type: ignore[arg-type]
        except ResourceNotFoundError:
            return False
        except ResourceExistsError as error:
            if getattr(error.error, "code", "") not in ENDED:
                raise
    return True


def diagnose_preparation(client: BatchClient, job_id: str) -> None:
    """Says that a job's tasks cannot start because its preparation failed, if that is so.

    Raises:
        PoolUnusable: the program could not be put on a node, or the setup failed there.
    """
    select = ["poolId,nodeId,jobPreparationTaskExecutionInfo"]
    try:
        statuses = list(client.list_job_preparation_and_release_task_status(job_id, select=select))
    except ResourceExistsError:
        return  # the job has no preparation task: Batch says so with a conflict
    for status in statuses:
        info = status.job_preparation_task_execution_info
        if info and str.lower(info.result or "") == "failure":
            raise PoolUnusable(_describe_preparation(client, status, info))


def _describe_preparation(
    client: BatchClient,
    status: models.BatchJobPreparationAndReleaseTaskStatus,
    info: models.BatchJobPreparationTaskExecutionInfo,
) -> str:
    failure = info.failure_info
    reasons = ["no exit code" if info.exit_code is None else f"exit code {info.exit_code}"]
    reasons += [describe_failure(failure)] if failure else []
    message = f"Node {status.node_id} could not be prepared: the program or the setup failed ({', '.join(reasons)})"
    directory = info.task_root_directory or ""
    return with_stderr(message, read_stderr(client, status.pool_id or "", status.node_id or "", directory))


create_job_task = stage(create_job, name="Create job")
close_job_task = stage(close_job, name="Close job")
