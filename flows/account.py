"""The account a run talks to: a block, or a local Azure for the life of the run."""

import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from pydantic import ValidationError

from localbatch.launcher import CONNECTION_VARIABLE, LocalAzure, LocalAzureError
from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.blocks.azure_storage import AzureStorageCredentials
from prefect_azure_batch.blocks.credentials import BatchSharedKey, StorageAccountKey
from prefect_azure_batch.blocks.pool_description import first_complaint
from prefect_azure_batch.flows.early_starts import azure_options, take_azure
from prefect_azure_batch.flows.recording import wait_until_recorded
from prefect_azure_batch.flows.saved_blocks import load_block
from prefect_azure_batch.flows.status_page import tell_status_page
from prefect_azure_batch.flows.telling import telling_prefect
from prefect_azure_batch.tasks.errors import BadInput
from prefect_azure_batch.tasks.launcher import Mpi


@contextmanager
def open_account(
    name: str | None = None,
    mpi: Mpi | None = None,
    work_container: str | None = None,
    *,
    tells_page: bool = False,
) -> Iterator[AzureBatchAccount]:
    """The Batch account of a flow run, for all its stages.

    Args:
        name: of an Azure Batch account block; None starts a local Azure, which ends with the context, or attaches to
            one that the environment names.
        mpi: the MPI that the nodes of a local Azure must have; None if it does not matter.
        work_container: takes what runs leave; None for the one that the block names.
        tells_page: of a local Azure, tell in a flow run where its status page is.

    Raises:
        BadInput: there is no such block, or the local Azure that runs already has another MPI or cannot be reached.
        LocalAzureError: the local Azure could not start.
    """
    with ExitStack() as ending:
        with _opened(name, mpi, ending, tells_page=tells_page) as account:
            yield account if work_container is None else _with_container(account, work_container)
        with telling_prefect("of all task runs"):
            wait_until_recorded()


def _with_container(account: AzureBatchAccount, name: str) -> AzureBatchAccount:
    return account.model_copy(update={"storage": account.storage.model_copy(update={"work_container": name})})


@contextmanager
def _opened(name: str | None, mpi: Mpi | None, ending: ExitStack, *, tells_page: bool) -> Iterator[AzureBatchAccount]:
    if name is not None:
        yield load_block(AzureBatchAccount, name, "--account", "Azure Batch account")
        return
    with _ending_beside(_local_azure(mpi), ending) as azure:
        if mpi and azure.mpi not in (None, mpi):
            raise BadInput(
                f"The local Azure that runs has {azure.mpi} on its nodes: start it by `python -m localbatch --mpi "
                f"{mpi}`, or ask for --mpi {azure.mpi}."
            )
        account = _account_of(azure)
        if tells_page:
            tell_status_page(azure)
        yield account


@contextmanager
def _ending_beside(azure: LocalAzure, ending: ExitStack) -> Iterator[LocalAzure]:
    """Has a local Azure begin to end when the context is left; what is left as the last waits for that."""
    try:
        yield azure
    finally:
        stopping = threading.Thread(target=azure.stop, name="stop-local-azure")
        stopping.start()
        ending.callback(stopping.join)


def _account_of(azure: LocalAzure) -> AzureBatchAccount:
    try:
        return local_account(azure)
    except ValidationError as error:
        what = first_complaint(error, shows_value=False)
        raise BadInput(f"The file that {CONNECTION_VARIABLE} names is none of localbatch: {what}") from None


def _local_azure(mpi: Mpi | None) -> LocalAzure:
    try:
        options = azure_options(mpi)
        azure = take_azure(options) or LocalAzure(options=options, wait=False)
        azure.wait()
        return azure
    except LocalAzureError as error:
        if CONNECTION_VARIABLE not in os.environ:
            raise
        raise BadInput(str(error)) from None


def local_account(azure: LocalAzure) -> AzureBatchAccount:
    """An account block for a local Azure; it is not saved."""
    found = azure.endpoints
    storage = AzureStorageCredentials(
        account_url=found.blob_endpoint,
        credential=StorageAccountKey(account_name=found.storage_account, account_key=found.storage_key),
    )
    return AzureBatchAccount(
        endpoint=found.batch_endpoint,
        credential=BatchSharedKey(account_name=found.batch_account, account_key=found.batch_key),
        storage=storage,
    )
