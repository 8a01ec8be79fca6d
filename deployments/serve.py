"""Serves flows from one process, without a work pool: ``python deployments/serve.py``, ended by Ctrl-C.

The deployments are there as long as it runs. Copy it and make it yours.
"""

from prefect import flow, serve
from prefect.concurrency.sync import concurrency
from prefect.deployments.runner import EntrypointType, RunnerDeployment
from prefect.schedules import Cron

from prefect_azure_batch.flows.form_words import Form, naming_fields
from prefect_azure_batch.flows.map_flow import map_flow
from prefect_azure_batch.flows.map_parameters import MapParameters
from prefect_azure_batch.flows.pools import with_pool_block
from prefect_azure_batch.flows.results import MapResult
from prefect_azure_batch.flows.upkeep_flow import upkeep_flow

QUOTA = "batch-nodes"


@flow(name="azure-batch-map-within-quota")
@naming_fields
def map_within_quota(run: Form[MapParameters] = MapParameters()) -> MapResult:  # noqa: B008 - shown in Prefect's form
    """Runs the map flow when enough of the nodes are free that all flows have together.

    How many there are says ``prefect gcl create batch-nodes --limit 20``; without that it runs at once.

    Args:
        run: what to run; it takes as many from the limit as nodes that it makes, at most.
    """
    run = with_pool_block(run)
    pool = run.pool_description
    if pool.existing:
        return map_flow(run)  # it makes none
    with concurrency(QUOTA, occupy=pool.size):
        return map_flow(run)


def deployments() -> list[RunnerDeployment]:
    """What is served."""
    return [
        map_flow.to_deployment(
            "served-map",
            description="Maps a program over the input blobs that are new since the last run.",
            parameters={"run": {"nodes": 2}},
            schedule=Cron("15 2 * * *", timezone="UTC", active=False, slug="nightly"),
            tags=["azure-batch", "map", "served"],
            entrypoint_type=EntrypointType.MODULE_PATH,
        ),
        upkeep_flow.to_deployment(
            "served-upkeep", tags=["azure-batch", "upkeep", "served"], entrypoint_type=EntrypointType.MODULE_PATH
        ),
        map_within_quota.to_deployment("served-within-quota", tags=["azure-batch", "map", "served"]),
    ]


if __name__ == "__main__":
    serve(*deployments(), limit=2)
