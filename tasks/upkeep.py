"""Stages: find what runs have made and not deleted, and delete what no run needs any more.

Nothing is looked at that does not bear our mark: the metadata of pools and jobs, the names of folders of works. Results
that somebody wants to stay in storage are not ours, whatever container is looked at.
"""

import json
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from azure.batch import BatchClient, models
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobPrefix, ContainerClient

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.blocks.azure_storage import AzureStorageCredentials
from prefect_azure_batch.tasks.cleanup import delete_created
from prefect_azure_batch.tasks.diagnosis import RUN_METADATA, current_nodes
from prefect_azure_batch.tasks.errors import BadInput, BatchFlowError, translated
from prefect_azure_batch.tasks.formulas import lease_end
from prefect_azure_batch.tasks.ledger import LEDGER_NAME, run_folders, sum_ledgers
from prefect_azure_batch.tasks.names import UUID, WORK_ID
from prefect_azure_batch.tasks.records import NO_WORK, Created
from prefect_azure_batch.tasks.run_record import RunRecord, list_runs, take_over
from prefect_azure_batch.tasks.secrets import SECRETS_CONTAINER
from prefect_azure_batch.tasks.stage import stage

_POOL_PROPERTIES = ["id,state,creationTime,metadata,currentDedicatedNodes,currentLowPriorityNodes,autoScaleFormula"]
_JOB_PROPERTIES = ["id,state,creationTime,metadata"]
_HEAD_BYTES = 1000
_LONGEST_RUN = timedelta(days=7)
_WORK = re.compile(rf"{WORK_ID}|{NO_WORK}")
_RUN = re.compile(rf"[^/]+-{UUID}")

_logger = logging.getLogger(__name__)

RunState = Callable[[str], bool | None]
"""Tells whether a run, named by its id, still goes on by what Prefect says; None if Prefect does not know."""


@dataclass(frozen=True)
class Leftover:
    """Something that a run has made.

    Attributes:
        kind: ``pool``, ``job``, ``secret`` (all those of a run in storage) or ``work`` (logs, outputs and ledger).
        name: its id; of a work its folder.
        run_id: the run.
        created: when it was made; None if that is not known.
        nodes: VMs that it has now.
        is_over: no run needs it any more.
        why: how that is known.
        record: of a run that has not ended.
    """

    kind: str
    name: str
    run_id: str
    created: datetime | None
    is_over: bool
    why: str
    nodes: int = 0
    record: RunRecord | None = None

    def age(self, now: datetime) -> timedelta:
        """How long ago it was made."""
        return now - self.created if self.created else timedelta()

    def node_hours(self, now: datetime) -> float:
        """What its VMs have cost so far, if they have been as many all the time."""
        return self.nodes * (self.age(now) / timedelta(hours=1))


@dataclass
class _Runs:
    """What is known of the lives of runs."""

    account: AzureBatchAccount
    ask: RunState
    now: datetime
    records: Mapping[str, RunRecord] = field(default_factory=dict)
    known: dict[str, tuple[bool, str]] = field(default_factory=dict)

    def judge(self, run_id: str, lease_end: datetime | None = None) -> tuple[bool, str]:
        """Whether a run is over, and how that is known."""
        if run_id not in self.known:
            self.known[run_id] = self._judge(run_id, lease_end)
        return self.known[run_id]

    def _judge(self, run_id: str, lease_end: datetime | None) -> tuple[bool, str]:
        if run_id in self.records:
            record = self.records[run_id]
            if not record.is_of(self.account):
                return False, f"its run is on the account {record.account}"
            hold = take_over(self.account.storage, record, 0)
            if hold is None:
                return False, "its run goes on"
            hold.release()
            return True, "its run has died"
        goes_on = self.ask(run_id)
        if goes_on is not None:
            return (False, "its run goes on, says Prefect") if goes_on else (True, "its run is over, says Prefect")
        if lease_end is not None:
            return (False, "its lease goes on") if lease_end > self.now else (True, "its lease is over")
        return False, "nobody knows its run"


def find_leftovers(account: AzureBatchAccount, ask: RunState, now: datetime | None = None) -> list[Leftover]:
    """Finds pools, jobs and stored work of ours, and tells of each whether its run is over.

    A run that lives holds its record in storage, whatever Prefect server it belongs to.

    Args:
        account: the Batch account and its storage.
        ask: what Prefect says of a run.
        now: the time; None is that of this machine.

    Raises:
        ServiceFailure: Azure refused or failed a request.
    """
    storage = account.storage
    container = storage.work_container
    client = storage.get_client().get_container_client(container)
    with translated("look for what runs have left"):
        works = _works(client)
        records = {record.job.run_id: record for work in works for record in list_runs(storage, container, work)}
        runs = _Runs(account, ask, now or datetime.now(UTC), records)
        found = [*_pools(account.get_client(), runs), *_jobs(account.get_client(), runs)]
        found += _secrets(storage, runs)
        found += [left for work in works for left in _stored(client, work, runs)]
        return [replace(left, record=records.get(left.run_id)) for left in found]


def _works(client: ContainerClient) -> list[str]:
    try:
        folders = [
            entry.name.rstrip("/") for entry in client.walk_blobs(delimiter="/") if isinstance(entry, BlobPrefix)
        ]
    except ResourceNotFoundError:
        return []
    return [folder for folder in folders if _WORK.fullmatch(folder)]


def _run_id(metadata: Iterable[models.BatchMetadataItem] | None) -> str | None:
    return next((item.value for item in metadata or () if item.name == RUN_METADATA), None)


def _pools(client: BatchClient, runs: _Runs) -> Iterator[Leftover]:
    for pool in client.list_pools(select=_POOL_PROPERTIES):
        run_id = _run_id(pool.metadata)
        if run_id is not None and pool.state != "deleting":
            is_over, why = runs.judge(run_id, lease_end(pool.auto_scale_formula or ""))
            yield Leftover("pool", pool.id or "", run_id, pool.creation_time, is_over, why, current_nodes(pool))


def _jobs(client: BatchClient, runs: _Runs) -> Iterator[Leftover]:
    for job in client.list_jobs(select=_JOB_PROPERTIES):
        run_id = _run_id(job.metadata)
        if run_id is not None and job.state != "deleting":
            is_over, why = runs.judge(run_id)
            if not is_over and why.startswith("nobody") and job.state == "completed":
                is_over, why = True, "it has ended"
            yield Leftover("job", job.id or "", run_id, job.creation_time, is_over, why)


def _secrets(storage: AzureStorageCredentials, runs: _Runs) -> Iterator[Leftover]:
    """Secrets of runs; when nobody knows the run, its links are dead after a while."""
    made: dict[str, datetime] = {}
    try:
        for blob in storage.get_client().get_container_client(SECRETS_CONTAINER).list_blobs():
            made.setdefault(blob.name.partition("/")[0], blob.last_modified)
    except ResourceNotFoundError:
        return
    for run_id, moment in made.items():
        is_over, why = runs.judge(run_id)
        if not is_over and why.startswith("nobody") and moment + _LONGEST_RUN < runs.now:
            is_over, why = True, "no run lasts so long"
        yield Leftover("secret", run_id, run_id, moment, is_over, why)


def _stored(client: ContainerClient, work: str, runs: _Runs) -> Iterator[Leftover]:
    """Folders of runs: those with a ledger are kept for a while, the others are over with their runs."""
    for folder in run_folders(client, work):
        run_id = folder.rpartition("/")[2]
        if not _RUN.fullmatch(run_id):
            continue
        head = _head(client, folder)
        begun = datetime.fromisoformat(head["begun"]) if head else None
        keep = timedelta(days=float(head["keep_days"])) if head else timedelta()
        is_over, why = runs.judge(run_id) if run_id in runs.records else (True, "its run is over")
        if is_over and begun is not None:
            is_over = begun + keep <= runs.now
            why += f", and it is kept for {keep / timedelta(days=1):g} days"
        yield Leftover("work", folder, run_id, begun, is_over, why)


def _head(client: ContainerClient, folder: str) -> dict[str, str] | None:
    try:
        start = client.download_blob(f"{folder}/{LEDGER_NAME}", offset=0, length=_HEAD_BYTES).readall()
    except ResourceNotFoundError:
        return None
    found = json.loads(start.split(b"\n")[0])
    assert isinstance(found, dict)
    return found


def delete_leftovers(account: AzureBatchAccount, leftovers: Sequence[Leftover]) -> list[str]:
    """Deletes those that are over; a run that has come to life again in the meantime is left alone.

    Args:
        account: the Batch account and its storage.
        leftovers: what was found.

    Returns:
        What could not be deleted, in words.
    """
    failures = _sum_ledgers(account.storage, leftovers)
    dead = {left.run_id: left.record for left in leftovers if left.record and left.record.is_of(account)}
    holds = {run_id: take_over(account.storage, record, 0) for run_id, record in dead.items()}
    alive = {run_id for run_id, hold in holds.items() if hold is None}
    for kinds in (("pool", "job", "secret"), ("work",)):
        for left in leftovers:
            if left.is_over and left.kind in kinds and left.run_id not in alive:
                failures += _delete(account, left)
        for hold in holds.values():
            if hold is not None:
                hold.release() if failures else hold.end()
        holds = {}
    return failures


def _sum_ledgers(storage: AzureStorageCredentials, leftovers: Sequence[Leftover]) -> list[str]:
    """Puts the ledgers of runs that have ended together, without those that are about to be deleted."""
    client = storage.get_client().get_container_client(storage.work_container)
    failures, kept = [], dict[str, list[Leftover]]()
    for left in leftovers:
        if left.kind == "work":
            runs = kept.setdefault(left.name.rpartition("/")[0], [])
            runs += [left] if left.created and left.record is None and not left.is_over else []
    for work, runs in kept.items():
        in_order = sorted((run.created, run.run_id) for run in runs if run.created)
        try:
            if sum_ledgers(client, work, [run_id for _, run_id in in_order]):
                _logger.info("The ledgers of %d runs of work %s are put together.", len(runs), work)
        except BadInput as error:  # of a newer version
            _logger.warning("%s", error)
        except BatchFlowError as error:
            failures.append(str(error))
    return failures


def _delete(account: AzureBatchAccount, left: Leftover) -> list[str]:
    created = {
        "pool": Created(pool_id=left.name),
        "job": Created(job_id=left.name),
        "secret": Created(folders=((SECRETS_CONTAINER, left.name),)),
        "work": Created(folders=((account.storage.work_container, left.name),)),
    }
    try:
        delete_created(account, created[left.kind])
    except BatchFlowError as error:
        return [str(error)]
    return []


find_leftovers_task = stage(find_leftovers, name="Find leftovers")
delete_leftovers_task = stage(delete_leftovers, name="Delete leftovers")
