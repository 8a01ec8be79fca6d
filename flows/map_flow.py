"""The map flow: one program over many inputs, a Batch task for each.

python -m flows.map_flow                                            the bundled example, on a local Azure
python -m flows.map_flow --inputs DIR --command 'wc -c < {input}'   your own
"""

import sys

if __name__ == "__main__":  # first of all, so that bad arguments are told before the seconds Prefect takes to import
    from prefect_azure_batch.flows.commands import run_map_flow

    sys.exit(run_map_flow())

from prefect import flow

from prefect_azure_batch.flows.account import open_account
from prefect_azure_batch.flows.artifacts import publish_results, show_plan
from prefect_azure_batch.flows.cancelling import say_cancelled
from prefect_azure_batch.flows.events import tell_done
from prefect_azure_batch.flows.form_words import Form, naming_fields
from prefect_azure_batch.flows.hooks import clean_up_after
from prefect_azure_batch.flows.map_parameters import MapParameters
from prefect_azure_batch.flows.map_plan import plan_map
from prefect_azure_batch.flows.map_run import run_map
from prefect_azure_batch.flows.pools import warn_of_size, with_pool_block
from prefect_azure_batch.flows.preflight import check_locally
from prefect_azure_batch.flows.results import MapResult, require_well
from prefect_azure_batch.flows.telling import keep_result, telling_prefect


@flow(
    name="azure-batch-map",
    flow_run_name="{run.run_name}",
    persist_result=False,
    on_crashed=[clean_up_after],
    on_cancellation=[clean_up_after, say_cancelled],
)
@naming_fields
def map_flow(run: Form[MapParameters] = MapParameters()) -> MapResult:  # noqa: B008 - Prefect shows the default in its form
    """Runs one program over many inputs on Azure Batch: a Batch task for each input.

    Args:
        run: what to run, on what, and where.

    Returns:
        How each input fared; with the plan instead, if that was asked for.

    Raises:
        BadInput: what was asked for cannot be run; nothing has been created.
        TasksFailed: some tasks failed; the error holds the whole result.
    """
    run = with_pool_block(run)
    check_locally(run)
    warn_of_size(run)
    with open_account(run.account, work_container=run.work_container, tells_page=not run.plan) as account:
        if run.plan:
            return MapResult.planned(show_plan(plan_map(account, run)))
        result = run_map(account, run)
        keep_result(result)
        tell_done(result)
        with telling_prefect("the results"):
            publish_results(result, "batch-map-results", account.storage)
    require_well(result)
    return result
