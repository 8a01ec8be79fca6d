"""The stages of an MPI run, in order, and the cleanup that follows whatever happens."""

import logging

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.flows.examples import example
from prefect_azure_batch.flows.mpi_parameters import MpiParameters
from prefect_azure_batch.flows.outcomes import subtask_result, task_result
from prefect_azure_batch.flows.progress import show_progress, show_status
from prefect_azure_batch.flows.results import MpiResult, count_results
from prefect_azure_batch.flows.runs import noting_leftovers, open_run
from prefect_azure_batch.tasks.collect import collect_outputs_task
from prefect_azure_batch.tasks.common_files import check_common_names
from prefect_azure_batch.tasks.inputs import find_inputs
from prefect_azure_batch.tasks.job import close_job_task
from prefect_azure_batch.tasks.multi_instance import submit_multi_instance_task
from prefect_azure_batch.tasks.nodes import wait_for_nodes_task
from prefect_azure_batch.tasks.program import doubt_about
from prefect_azure_batch.tasks.records import (
    Collected,
    CollectedSubtask,
    EndedMultiInstanceTask,
    InputItem,
    MultiInstancePlan,
    Run,
)
from prefect_azure_batch.tasks.subtasks import collect_subtasks_task, wait_for_multi_instance_task
from prefect_azure_batch.tasks.upload import blob_lister, upload_inputs_task
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
    patterns = [str(example("mpi") / "inputs")] if asked.is_example else asked.inputs
    common_files = find_inputs(patterns, blob_lister(account.storage)) if patterns else []
    check_common_names(item.name for item in common_files)
    for item in common_files:
        if item.path and (doubt := doubt_about(item.path, item.label)):
            _logger.warning("%s", doubt)
    left = list[str]()
    with (
        noting_leftovers(left),
        open_run(
            account,
            "mpi",
            program=asked.app or (example("mpi") / "app" if asked.is_example else None),
            pool=asked.pool,
            nodes=asked.nodes,
            vm_size=asked.vm_size,
            instances=asked.task_instances,
            setup=asked.setup,
            setup_limit=asked.task_limit,
            retries=asked.retries,
            time_limit=asked.time_limit,
            lease=asked.lease,
            keep=asked.keep_time,
        ) as run,
    ):
        result = _run_stages(account, run, asked, common_files)
    return result.model_copy(update={"leftovers": left})


def _run_stages(account: AzureBatchAccount, run: Run, asked: MpiParameters, common_files: list[InputItem]) -> MpiResult:
    instances, results = asked.task_instances, asked.results_directory(run.run_id)
    stored = upload_inputs_task(account.storage, common_files)
    _await_nodes(account, run, instances if asked.pool else asked.nodes)
    with job_poller(account, run, instances=instances) as poller, show_progress(poller, 1):
        added = submit_multi_instance_task(account, run, stored, _plan(asked))
        close_job_task(account, run)
        ended = wait_for_multi_instance_task(account, run, added, instances)
    (collected,) = collect_outputs_task(account.storage, run, [ended], results)
    further = collect_subtasks_task(account, run, ended, asked.outputs, results)
    return _result(run, asked, ended, collected, further)


def _await_nodes(account: AzureBatchAccount, run: Run, wanted: int) -> None:
    text = f"Waiting for {wanted} nodes"
    with show_status(text) as say:
        wait_for_nodes_task(account, run.pool_id, wanted, run.time_limit, lambda idle: say(f"{text}: {idle} idle"))


def _plan(asked: MpiParameters) -> MultiInstancePlan:
    return MultiInstancePlan(
        asked.label,
        asked.launch,
        whole_line=bool(asked.application_command),
        coordination=asked.coordination_command,
        outputs=tuple(asked.outputs),
        time_limit=asked.task_limit,
    )


def _result(
    run: Run,
    asked: MpiParameters,
    ended: EndedMultiInstanceTask,
    collected: Collected,
    further: list[CollectedSubtask],
) -> MpiResult:
    tasks = [task_result(ended, collected, (), run.run_id)]
    return MpiResult(
        run_id=run.run_id,
        job_id=run.job_id,
        pool_id=run.pool_id,
        results=str(asked.results_directory(run.run_id)),
        counts=count_results(tasks),
        tasks=tasks,
        exit_code=ended.end.exit_code,
        subtasks=[subtask_result(*pair) for pair in zip(ended.subtasks, further, strict=True)],
    )
