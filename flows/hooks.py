"""What is done when a flow run has ended without its process having cleaned up: it crashed, or was cancelled."""

import logging
import os
from typing import Any

from prefect.client.schemas.objects import FlowRun, State

from localbatch.launcher import CONNECTION_VARIABLE, LocalAzureError
from prefect_azure_batch.flows.account import open_account
from prefect_azure_batch.tasks.cleanup import delete_created
from prefect_azure_batch.tasks.errors import BatchFlowError
from prefect_azure_batch.tasks.records import Created
from prefect_azure_batch.tasks.secrets import place_of

_logger = logging.getLogger(__name__)


def clean_up_after(flow: Any, flow_run: FlowRun, state: State[Any]) -> None:
    """Deletes job, pool and secrets of a flow run, whose ids are made from its own; what is gone already is fine.

    Prefect calls it in the process of the flow run, or in the worker's if that one is dead.

    Args:
        flow: the flow.
        flow_run: its run.
        state: the state in which it has ended.
    """
    asked = (flow_run.parameters or {}).get("run") or {}
    name = asked.get("account") if isinstance(asked, dict) else getattr(asked, "account", None)
    if name is None and CONNECTION_VARIABLE not in os.environ:
        return  # it had a local Azure, which has ended with it
    run_id = f"{flow.name.removeprefix('azure-batch-')}-{flow_run.id}"
    try:
        with open_account(name) as account:
            secrets = place_of(run_id)
            delete_created(account, Created(run_id, run_id, ((secrets.container, secrets.folder),)))
    except (BatchFlowError, LocalAzureError) as error:
        _logger.warning("Could not clean up after flow run %s: %s", flow_run.id, error)
