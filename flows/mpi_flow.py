"""The MPI flow: one program over several nodes at once, as a multi-instance task.

python -m flows.mpi_flow                                                    the bundled example, on a local Azure
python -m flows.mpi_flow --app DIR --command '{app}/solver --steps 100'     your own
"""

import sys

if __name__ == "__main__":  # first of all, so that bad arguments are told before the seconds Prefect takes to import
    from prefect_azure_batch.flows.commands import run_mpi_flow

    sys.exit(run_mpi_flow())

from prefect import flow

from prefect_azure_batch.flows.account import open_account
from prefect_azure_batch.flows.artifacts import publish_results, publish_subtasks, show_plan
from prefect_azure_batch.flows.cancelling import say_cancelled
from prefect_azure_batch.flows.events import tell_done
from prefect_azure_batch.flows.form_words import Form, naming_fields
from prefect_azure_batch.flows.hooks import clean_up_after
from prefect_azure_batch.flows.mpi_parameters import MpiParameters
from prefect_azure_batch.flows.mpi_plan import plan_mpi
from prefect_azure_batch.flows.mpi_run import run_mpi
from prefect_azure_batch.flows.pools import warn_of_size, with_pool_block
from prefect_azure_batch.flows.preflight import check_mpi_locally
from prefect_azure_batch.flows.results import MpiResult, require_well
from prefect_azure_batch.flows.telling import keep_result, telling_prefect


@flow(
    name="azure-batch-mpi",
    flow_run_name="{run.run_name}",
    persist_result=False,
    on_crashed=[clean_up_after],
    on_cancellation=[clean_up_after, say_cancelled],
)
@naming_fields
def mpi_flow(run: Form[MpiParameters] = MpiParameters()) -> MpiResult:  # noqa: B008 - Prefect shows the default in its form
    """Runs one MPI program over several nodes of Azure Batch at once.

    Args:
        run: what to run, with how many ranks, and where.

    Returns:
        How the program fared, and each node; with the plan instead, if that was asked for.

    Raises:
        BadInput: what was asked for cannot be run; nothing has been created.
        TasksFailed: the program failed; the error holds the whole result.
    """
    run = with_pool_block(run)
    check_mpi_locally(run)
    warn_of_size(run)
    with open_account(run.account, run.mpi, run.work_container, tells_page=not run.plan) as account:
        if run.plan:
            return MpiResult.planned(show_plan(plan_mpi(account, run)))
        result = run_mpi(account, run)
        keep_result(result)
        tell_done(result)
        with telling_prefect("the results"):
            publish_results(result, "batch-mpi-results", account.storage)
            publish_subtasks(result, "batch-mpi-subtasks", account.storage)
    require_well(result)
    return result
