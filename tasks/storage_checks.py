"""Checks of a storage account."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from azure.storage.blob import BlobClient, ContainerClient

from prefect_azure_batch.blocks.azure_storage import AzureStorageCredentials
from prefect_azure_batch.blocks.clients import blob_options
from prefect_azure_batch.blocks.credentials import DefaultCredential, ManagedIdentity, ServicePrincipal
from prefect_azure_batch.tasks.access import StorageAccess
from prefect_azure_batch.tasks.check_subject import Subject
from prefect_azure_batch.tasks.checks import Broken, CheckFinding
from prefect_azure_batch.tasks.errors import BatchFlowError, ServiceFailure, translated
from prefect_azure_batch.tasks.transfer import ensure_container

_BLOB, _CONTENT = "check.txt", b"Written by azure-batch-check.\n"
_LIFE = timedelta(minutes=10)
# Who is told that has signed in; what may be done is for other checks to say.
_SIGNED_IN = {"AuthorizationPermissionMismatch", "AuthorizationResourceTypeMismatch"}


@contextmanager
def own_container(storage: AzureStorageCredentials, name: str) -> Iterator[ContainerClient]:
    """A container for the life of the context.

    Raises:
        ServiceFailure: it could not be made, or not deleted, which is a note on the error with which the context ends
            if there is one.
    """
    with translated(f"make the container {name!r}"):
        container = ensure_container(storage.get_client(), name)
    try:
        yield container
    except BaseException as error:
        try:
            _delete(container)
        except BatchFlowError as failure:
            error.add_note(str(failure))
        raise
    _delete(container)


def _delete(container: ContainerClient) -> None:
    with translated(f"delete the container {container.container_name!r}, which is left behind"):
        container.delete_container()


def check_storage(subject: Subject) -> CheckFinding:
    """Signs in to the storage account.

    Raises:
        BatchFlowError: that cannot be done.
    """
    storage = subject.account.storage
    try:
        with translated(f"look at the containers of {storage.blob_endpoint}"):
            storage.get_client().get_container_client(subject.run_id).exists()
    except ServiceFailure as failure:
        if failure.code not in _SIGNED_IN:
            raise
    return CheckFinding("storage", "ok", f"signed in to {storage.blob_endpoint}")


def check_blobs(subject: Subject) -> CheckFinding:
    """Does what runs do with blobs, in a container of its own: make, write, list, read, delete.

    Raises:
        BatchFlowError: something of it cannot be done.
    """
    with own_container(subject.account.storage, f"{subject.run_id}-blobs") as container:
        where = f"in container {container.container_name!r}"
        with translated(f"write a blob {where}"):
            container.upload_blob(_BLOB, _CONTENT)
        with translated(f"list the blobs {where}"):
            names = list(container.list_blob_names())
        with translated(f"read a blob {where}"):
            content = container.download_blob(_BLOB).readall()
        with translated(f"delete a blob {where}"):
            container.delete_blob(_BLOB)
    _require(names == [_BLOB] and content == _CONTENT, "What was written to a blob is not what was read of it.")
    return CheckFinding("blobs", "ok", "a container was made; a blob written, listed, read, deleted; all is gone again")


def check_delegation(subject: Subject) -> CheckFinding:
    """Gets a user delegation key, which links are signed with where nobody has the account's key.

    Raises:
        BatchFlowError: that cannot be done.
    """
    storage, now = subject.account.storage, datetime.now(UTC)
    if not isinstance(storage.credential, ServicePrincipal | ManagedIdentity | DefaultCredential):
        return CheckFinding(
            "delegation", "skipped", f"not needed: the block has a credential of kind {storage.credential.kind}"
        )
    with translated("get a user delegation key"):
        storage.get_client().get_user_delegation_key(now - timedelta(minutes=5), now + timedelta(hours=1))
    return CheckFinding("delegation", "ok", "a user delegation key was given")


def check_links(subject: Subject) -> CheckFinding:
    """Writes and reads a blob as nodes do, by links alone, in a container of its own.

    Raises:
        BatchFlowError: that cannot be done.
    """
    storage = subject.account.storage
    access, options = StorageAccess.lasting(storage, None, _LIFE), blob_options(storage.blob_endpoint)
    with own_container(storage, f"{subject.run_id}-links") as container:
        name = container.container_name
        with translated(f"write a blob by a link to the container {name!r}"):
            link = access.output_container(name).url
            ContainerClient.from_container_url(link, **options).upload_blob(_BLOB, _CONTENT)
        with translated(f"read a blob by a link in the container {name!r}"):
            link = access.resource_file(name, _BLOB, _BLOB).http_url or ""
            content = BlobClient.from_blob_url(link, **options).download_blob().readall()
    _require(content == _CONTENT, "What was written by a link is not what was read by one.")
    return CheckFinding("links", "ok", "a blob was written and read by links; all is gone again")


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Broken(otherwise, "ContentDiffers")
