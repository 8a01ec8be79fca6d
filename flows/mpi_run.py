"""The stages of an MPI run, in order, and the cleanup that follows whatever happens."""

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.flows.examples import example
from prefect_azure_batch.flows.lifetime import deleted_at_the_end
from prefect_azure_batch.flows.mpi_parameters import MpiParameters
from prefect_azure_batch.flows.outcomes import subtask_result, task_result
from prefect_azure_batch.flows.progress import show_progress, show_status
from prefect_azure_batch.flows.results import MpiResult, count_results
from prefect_azure_batch.flows.shipping import find_package, pool_plan, ship
from prefect_azure_batch.tasks.collect import collect_outputs_task
from prefect_azure_batch.tasks.common_files import check_common_names
from prefect_azure_batch.tasks.inputs import find_inputs
from prefect_azure_batch.tasks.job import close_job_task, create_job_task
from prefect_azure_batch.tasks.multi_instance import submit_multi_instance_task
from prefect_azure_batch.tasks.nodes import wait_for_nodes_task
from prefect_azure_batch.tasks.pool import check_pool_task, create_pool_task
from prefect_azure_batch.tasks.records import (
    Collected,
    CollectedSubtask,
    Created,
    EndedMultiInstanceTask,
    InputItem,
    JobPlan,
    MultiInstancePlan,
    Program,
)
from prefect_azure_batch.tasks.subtasks import collect_subtasks_task, wait_for_multi_instance_task
from prefect_azure_batch.tasks.upload import blob_lister, upload_inputs_task
from prefect_azure_batch.tasks.wait import job_poller


def run_mpi(account: AzureBatchAccount, run: MpiParameters, run_id: str) -> MpiResult:
    """Runs the stages inside a Prefect flow run.

    Args:
        account: the Batch account and its storage.
        run: what was asked for.
        run_id: names the job, the pool and the output container.

    Returns:
        The result, also of a program that failed.

    Raises:
        BadInput: something asked for does not exist or fit; nothing has been created.
        PoolUnusable: the pool cannot run the program; the message says why.
        ServiceFailure: Azure refused or failed a request that the run needs.
    """
    patterns = [str(example("mpi") / "inputs")] if run.is_example else run.inputs
    common_files = find_inputs(patterns, blob_lister(account.storage)) if patterns else []
    check_common_names(item.name for item in common_files)
    package = find_package(account, run)
    if run.pool:
        check_pool_task(account, run.pool, run.task_instances)
    created = Created(run_id, None if run.pool else run_id, (run_id,))
    with deleted_at_the_end(account, created):
        return _run_stages(account, run, run_id, common_files, package)


def _run_stages(
    account: AzureBatchAccount,
    run: MpiParameters,
    run_id: str,
    common_files: list[InputItem],
    package: Program | None,
) -> MpiResult:
    limit, results = run.time_limit, run.results_directory(run_id)
    pool_id = run.pool or create_pool_task(account, pool_plan(run, run_id, package, inter_node=True))
    stored = upload_inputs_task(account.storage, common_files)
    program = package or ship(account, run, example("mpi") / "app" if run.is_example else None)
    _await_nodes(account, run, pool_id)
    job = JobPlan(run_id, pool_id, run_id, program, limit, run.retries, run.setup_script(program), run.task_limit)
    job_id = create_job_task(account, job)
    plan = _plan(run, run_id, program)
    with job_poller(account, job_id, pool_id, limit, plan.instances) as poller, show_progress(poller, 1):
        added = submit_multi_instance_task(account, job_id, stored, plan, program)
        close_job_task(account, job_id)
        ended = wait_for_multi_instance_task(account, job_id, pool_id, added, plan.instances, limit)
    (collected,) = collect_outputs_task(account.storage, run_id, [ended], results)
    further = collect_subtasks_task(account, pool_id, ended, run.outputs, results)
    return _result(run_id, pool_id, ended, collected, further)


def _await_nodes(account: AzureBatchAccount, run: MpiParameters, pool_id: str) -> None:
    wanted = run.task_instances if run.pool else run.nodes
    text = f"Waiting for {wanted} nodes"
    with show_status(text) as say:
        wait_for_nodes_task(account, pool_id, wanted, run.time_limit, lambda idle: say(f"{text}: {idle} idle"))


def _plan(run: MpiParameters, run_id: str, program: Program | None) -> MultiInstancePlan:
    return MultiInstancePlan(
        run.label,
        run.task_instances,
        application=run.application_script(program),
        coordination=run.coordination_script(program),
        output_container=run_id,
        outputs=tuple(run.outputs),
        time_limit=run.task_limit,
        link_lifetime=run.time_limit,
    )


def _result(
    run_id: str,
    pool_id: str,
    ended: EndedMultiInstanceTask,
    collected: Collected,
    further: list[CollectedSubtask],
) -> MpiResult:
    tasks = [task_result(ended, collected)]
    return MpiResult(
        run_id=run_id,
        job_id=run_id,
        pool_id=pool_id,
        counts=count_results(tasks),
        tasks=tasks,
        exit_code=ended.end.exit_code,
        subtasks=[subtask_result(*pair) for pair in zip(ended.subtasks, further, strict=True)],
    )
