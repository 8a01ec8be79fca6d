"""The record of a run in storage: tells other runs of the same work what it has made, and whether it lives.

<work>/<run>/run.json is there from before the run makes anything until all of that is deleted. Who keeps the run holds
a lease of this blob and renews it every few seconds; when it can be had by somebody else, the run is dead.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import BlobLeaseClient, BlobServiceClient
from pydantic import TypeAdapter, ValidationError

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.blocks.azure_storage import AzureStorageCredentials
from prefect_azure_batch.tasks import transfer
from prefect_azure_batch.tasks.errors import translated
from prefect_azure_batch.tasks.job import run_of
from prefect_azure_batch.tasks.ledger import run_folders
from prefect_azure_batch.tasks.records import JobPlan, PoolPlan

RECORD_NAME = "run.json"
HOLD_SECONDS = 15
"""How long a dead run looks alive: the shortest lease that a blob can have."""

_LOOK_AGAIN_SECONDS = 1.0
_LOST = (409, 412)  # the lease: the record is somebody else's now


@dataclass(frozen=True)
class RunRecord:
    """What a run has made, or is about to make.

    Attributes:
        job: its job.
        pool: its pool; None for a pool of somebody else's.
        begun: when.
        account: tells its Batch account from others that may share the storage; empty if that is not known.
    """

    job: JobPlan
    pool: PoolPlan | None
    begun: datetime
    account: str = ""

    def is_of(self, account: AzureBatchAccount) -> bool:
        """Whether the run is on this Batch account, as far as is known."""
        return account.identity in (self.account, "") or not self.account


_RECORDS = TypeAdapter(RunRecord)


class Hold:
    """A run's record, held by the one who keeps the run."""

    def __init__(self, lease: BlobLeaseClient, service: BlobServiceClient, container: str, name: str) -> None:
        """Takes the place of whoever had the lease."""
        self._lease = lease
        self._blob = service.get_blob_client(container, name)

    def renew(self) -> None:
        """Says that the run lives."""
        self._lease.renew()

    def end(self) -> None:
        """Deletes the record: nothing is left of what it names.

        Raises:
            ServiceFailure: Storage refused or failed the request.
        """
        with translated(f"delete the record {self._blob.blob_name!r}"):
            try:
                self._blob.delete_blob(lease=self._lease)
            except ResourceNotFoundError:
                return
            except HttpResponseError as error:
                if error.status_code not in _LOST:
                    raise

    def release(self) -> None:
        """Lets others have the record at once: the run is not kept any more, and something of it is left."""
        with suppress(AzureError):  # then they have it some seconds later
            self._lease.release()


def hold_run(storage: AzureStorageCredentials, record: RunRecord) -> Hold:
    """Writes the record of a run that begins, and holds it.

    Raises:
        ServiceFailure: Storage refused or failed a request.
    """
    service, run = storage.get_client(), run_of(record.job)
    with translated(f"write the record of run {run.run_id!r}"):
        transfer.ensure_container(service, run.container)
        blob = service.get_blob_client(run.container, f"{run.folder}/{RECORD_NAME}")
        with suppress(ResourceExistsError):  # our own, of an attempt before
            blob.upload_blob(_RECORDS.dump_json(record))
        return Hold(blob.acquire_lease(HOLD_SECONDS), service, run.container, blob.blob_name)


def take_over(
    storage: AzureStorageCredentials,
    record: RunRecord,
    seconds: float = HOLD_SECONDS + 2,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Hold | None:
    """Holds the record of a run that is dead, to keep or end what it has made.

    Args:
        storage: the storage account.
        record: of the run.
        seconds: how long to wait for a sign of its death; a run that is killed looks alive for 15 s.
        clock: seconds on a clock that only goes forward.
        sleep: waits so many seconds.

    Returns:
        The hold; None if somebody else keeps the run, or it has ended.
    """
    service, run = storage.get_client(), run_of(record.job)
    blob, end = service.get_blob_client(run.container, f"{run.folder}/{RECORD_NAME}"), clock() + seconds
    with translated(f"take over run {run.run_id!r}"):
        while True:
            try:
                return Hold(blob.acquire_lease(HOLD_SECONDS), service, run.container, blob.blob_name)
            except ResourceNotFoundError:
                return None
            except ResourceExistsError:
                if clock() >= end:
                    return None
            sleep(_LOOK_AGAIN_SECONDS)


def is_there(storage: AzureStorageCredentials, record: RunRecord) -> bool:
    """Whether a run has not ended: it lives, or has died."""
    run = run_of(record.job)
    with translated(f"look at run {run.run_id!r}"):
        return storage.get_client().get_blob_client(run.container, f"{run.folder}/{RECORD_NAME}").exists()


def list_runs(storage: AzureStorageCredentials, container: str, work: str) -> list[RunRecord]:
    """Records of the runs of a work that live, or have died without an end; what cannot be read is left out."""
    client, found = storage.get_client().get_container_client(container), []
    with translated(f"list the runs of work {work!r}"):
        for folder in run_folders(client, work):
            try:
                found.append(_RECORDS.validate_json(client.download_blob(f"{folder}/{RECORD_NAME}").readall()))
            except (ResourceNotFoundError, ValidationError):
                continue
    return found
