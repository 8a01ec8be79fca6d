"""A flow run that is cancelled in Prefect while no worker is there to end its process: its job is ended instead.

Then its tasks have ended, too, and the flow goes its usual way to the end: results so far, and the cleanup.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.exceptions import ObjectNotFound
from prefect.runtime import flow_run as current
from prefect.states import Cancelled

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.tasks.beside import beside
from prefect_azure_batch.tasks.errors import BatchFlowError
from prefect_azure_batch.tasks.job import cancel_job

_INTERVAL = 5.0

_logger = logging.getLogger(__name__)
_cancelled: set[UUID] = set()


@contextmanager
def ended_when_cancelled(account: AzureBatchAccount, job_id: str) -> Iterator[None]:
    """Ends a job when the flow run is cancelled while the context lasts.

    Args:
        account: the Batch account.
        job_id: the job, which need not be there yet.
    """
    run_id = current.id
    if run_id is None:
        yield
        return
    # Made here, for Prefect's settings and what it imports for them belong to this thread.
    prefect = get_client(sync_client=True)

    def watch(left: threading.Event) -> None:
        with prefect:
            while not left.wait(_INTERVAL):
                if not _is_cancelled(prefect, UUID(run_id)) or left.is_set():
                    continue
                _cancelled.add(UUID(run_id))
                try:
                    if cancel_job(account, job_id):
                        _logger.warning("The flow run was cancelled: its job %s is ended.", job_id)
                        return
                except BatchFlowError as error:
                    _logger.warning("%s It is tried again.", error)

    with beside(watch, f"cancelling-{job_id}"):
        yield


def say_cancelled(flow: Any, flow_run: FlowRun, state: State[Any]) -> None:
    """Has Prefect call a flow run cancelled whose job was ended for that. A hook of flows.

    Args:
        flow: the flow.
        flow_run: its run.
        state: the state in which it has ended.
    """
    if flow_run.id in _cancelled:
        with get_client(sync_client=True) as client:
            client.set_flow_run_state(flow_run.id, Cancelled(message=state.message), force=True)


def _is_cancelled(prefect: SyncPrefectClient, run_id: UUID) -> bool:
    try:
        state = prefect.read_flow_run(run_id).state
    except (httpx.HTTPError, ObjectNotFound):
        return False  # that Prefect is away is told at the end
    return state is not None and (state.is_cancelling() or state.is_cancelled())
