"""Makes sure that Prefect's temporary server has recorded every task run before it ends with the process.

The server takes events from a queue and is stopped with the process, whatever is left in the queue; a run of some
hundred task runs loses most of them that way.
"""

import logging
import time

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    TaskRunFilter,
    TaskRunFilterState,
    TaskRunFilterStateName,
)
from prefect.context import FlowRunContext

from prefect_azure_batch.flows.prefect_server import is_temporary

_INTERVAL = 0.2
_STALLED_SECONDS = 30.0
_LAST_STATES = ["Completed", "Failed", "Crashed", "Cancelled", "TimedOut", "NotReady"]

_logger = logging.getLogger(__name__)


def wait_until_recorded() -> None:
    """Waits until a temporary server has recorded the end of every task run of the current flow run.

    With any other server it returns at once. Call it in the flow, when all its task runs have ended. It gives up with
    a warning when no record has come for 30 s.
    """
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return
    expected = sum(int(number) + 1 for number in context.task_run_dynamic_keys.values())
    ended = TaskRunFilter(state=TaskRunFilterState(name=TaskRunFilterStateName(any_=_LAST_STATES)))
    mine = FlowRunFilter(id=FlowRunFilterId(any_=[context.flow_run.id]))
    body = {"task_runs": ended.model_dump(mode="json"), "flow_runs": mine.model_dump(mode="json")}
    with get_client(sync_client=True) as client:
        if not is_temporary(client):
            return
        recorded, last_change = 0, time.monotonic()
        while recorded < expected:
            count = int(client.request("POST", "/task_runs/count", json=body).json())
            if count > recorded:
                recorded, last_change = count, time.monotonic()
            elif time.monotonic() - last_change > _STALLED_SECONDS:
                _logger.warning("Prefect has recorded %d of %d task runs and goes no further.", recorded, expected)
                return
            time.sleep(_INTERVAL)
