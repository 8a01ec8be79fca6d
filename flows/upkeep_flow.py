"""The upkeep flow: finds what runs have made and not deleted, shows it, and deletes what is over if that is asked for.

python -m flows.upkeep_flow --account lab             shows it
python -m flows.upkeep_flow --account lab --delete    deletes what is over
"""

import sys

if __name__ == "__main__":  # first of all, so that bad arguments are told before the seconds Prefect takes to import
    from prefect_azure_batch.flows.commands import run_upkeep_flow

    sys.exit(run_upkeep_flow())

from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID

from prefect import flow
from prefect.artifacts import create_table_artifact
from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound
from pydantic import BaseModel

from prefect_azure_batch.flows.account import open_account
from prefect_azure_batch.flows.events import tell_leftovers
from prefect_azure_batch.flows.form_words import Form, naming_fields
from prefect_azure_batch.flows.upkeep_parameters import UpkeepParameters
from prefect_azure_batch.tasks.errors import CleanupFailed
from prefect_azure_batch.tasks.upkeep import Leftover, delete_leftovers_task, find_leftovers_task

_ID_LENGTH = 36


class FoundLeftover(BaseModel):
    """Something that a run has made.

    Attributes:
        kind: ``pool``, ``job``, ``secret`` or ``work``.
        state: ``needed``, ``over`` or ``deleted``.
        node_hours: hours of VMs so far, if they have been as many all the time as now.
    """

    kind: str
    name: str
    run_id: str
    state: str
    why: str
    age_hours: float
    nodes: int
    node_hours: float


class UpkeepResult(BaseModel):
    """What was found, and what was done about it."""

    leftovers: list[FoundLeftover]

    def json_lines(self) -> Iterator[str]:
        """The JSON document of the result."""
        yield self.model_dump_json(indent=2)

    def text(self) -> Iterator[str]:
        """What a person reads at the end."""
        if self.leftovers:
            yield f"{'State':<9}{'Kind':<6}{'Age':>9}{'Nodes':>7}{'Node hours':>12}  Name, and why"
        for item in self.leftovers:
            numbers = f"{item.age_hours:>8.1f}h{item.nodes:>7}{item.node_hours:>12.1f}"
            yield f"{item.state:<9}{item.kind:<6}{numbers}  {item.name} ({item.why})"
        over = sum(item.state == "over" for item in self.leftovers)
        hint = "; --delete deletes what is over" if over else ""
        yield f"{len(self.leftovers)} found, {over} over, {self._deleted} deleted{hint}"

    @property
    def _deleted(self) -> int:
        return sum(item.state == "deleted" for item in self.leftovers)


@flow(name="azure-batch-upkeep", flow_run_name="upkeep", persist_result=False)
@naming_fields
def upkeep_flow(run: Form[UpkeepParameters] = UpkeepParameters()) -> UpkeepResult:  # noqa: B008 - shown in Prefect's form
    """Finds pools, jobs and stored work of runs that are over, and deletes them if that is asked for.

    Args:
        run: where to look, and whether to delete.

    Returns:
        What was found.

    Raises:
        CleanupFailed: something could not be deleted.
    """
    with open_account(run.account, work_container=run.work_container) as account:
        found = find_leftovers_task(account, goes_on)
        failures = delete_leftovers_task(account, found) if run.delete else []
    tell_leftovers(account.endpoint, found, deleted=run.delete and not failures)
    result = UpkeepResult(leftovers=[_shown(left, deleted=run.delete and not failures) for left in found])
    rows = [item.model_dump() for item in result.leftovers]
    create_table_artifact(rows, key="batch-upkeep", description=list(result.text())[-1])
    if failures:
        raise CleanupFailed(" ".join(failures), failures)
    return result


def goes_on(run_id: str) -> bool | None:
    """What Prefect says of a run: whether its flow run goes on; None if Prefect does not know it.

    Args:
        run_id: of the run, which ends with the flow run's.
    """
    with get_client(sync_client=True) as client:
        try:
            state = client.read_flow_run(UUID(run_id[-_ID_LENGTH:])).state
        except (ObjectNotFound, ValueError):
            return None
    return state is not None and not state.is_final()


def _shown(left: Leftover, *, deleted: bool) -> FoundLeftover:
    now = datetime.now(UTC)
    state = "needed" if not left.is_over else "deleted" if deleted else "over"
    return FoundLeftover(
        kind=left.kind,
        name=left.name,
        run_id=left.run_id,
        state=state,
        why=left.why,
        age_hours=round(left.age(now).total_seconds() / 3600, 2),
        nodes=left.nodes,
        node_hours=round(left.node_hours(now), 2),
    )
