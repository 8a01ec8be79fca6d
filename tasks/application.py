"""Stage: a program on every node, shipped with the job or published as an application package.

Shipping packs a file or directory into an archive, named by its content, that the job's preparation task unpacks once
on each node. Publishing uses the account's management plane, the only one that can make application packages.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobClient

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.blocks.azure_storage import AzureStorageCredentials
from prefect_azure_batch.tasks import transfer
from prefect_azure_batch.tasks.errors import BadInput, translated
from prefect_azure_batch.tasks.names import digest, file_digest, package_variable
from prefect_azure_batch.tasks.program import check_program, write_archive, write_zip
from prefect_azure_batch.tasks.records import Program
from prefect_azure_batch.tasks.stage import stage
from prefect_azure_batch.tasks.upload import INPUT_CONTAINER

if TYPE_CHECKING:
    from azure.mgmt.batch import BatchManagementClient

ARCHIVE_NAME = "program.tar.gz"
JOB_DIRECTORY_VARIABLE = "AZ_BATCH_JOB_PREP_WORKING_DIR"

_FOLDER = "programs"
_SPOOL_LIMIT = 32 << 20


def ship_program(storage: AzureStorageCredentials, path: Path, container: str = INPUT_CONTAINER) -> Program:
    """Uploads a program, a file or a whole directory, as one archive for the job's preparation task.

    The same content makes the same archive, which is sent once. Execute bits are kept; a single file gets them.

    Args:
        storage: the storage account.
        path: the file or directory.
        container: takes the archive; made if it is missing.

    Raises:
        BadInput: the path does not exist or holds no files.
        ServiceFailure: Storage refused or failed a request.
    """
    with _packed(path, container) as (program, archive), translated(f"upload the program {str(path)!r}"):
        bulk = storage.get_bulk()
        transfer.ensure_container(bulk.service, container)
        transfer.send_file(bulk, container, program.blob or "", archive)
    return program


def shipped_program(path: Path, container: str = INPUT_CONTAINER) -> tuple[Program, int]:
    """A program as ``ship_program`` would ship it, and how many bytes that would send.

    Args:
        path: the file or directory.
        container: takes the archive.

    Raises:
        BadInput: the path does not exist or holds no files.
    """
    with _packed(path, container) as (program, archive):
        return program, archive.stat().st_size


@contextmanager
def _packed(path: Path, container: str) -> Iterator[tuple[Program, Path]]:
    check_program(path)
    with tempfile.TemporaryDirectory(prefix="batch-program-") as folder:
        archive = Path(folder, ARCHIVE_NAME)
        with archive.open("wb") as file:
            write_archive(path, file)
        content = file_digest(archive)
        yield Program(content, JOB_DIRECTORY_VARIABLE, container, f"{_FOLDER}/{content[:40]}/{ARCHIVE_NAME}"), archive


def check_package(account: AzureBatchAccount, application_id: str, version: str | None) -> None:
    """Makes sure that an application package exists in the account.

    Args:
        account: the Batch account.
        application_id: the application.
        version: one of its versions; None for its default one.

    Raises:
        BadInput: the account has no such application or version.
        ServiceFailure: Batch refused or failed the request.
    """
    with translated(f"look up application {application_id!r}"):
        try:
            application = account.get_client().get_application(application_id)
        except ResourceNotFoundError:
            raise BadInput(f"The Batch account has no application {application_id!r}: publish it first.") from None
    if version is not None and version not in application.versions:
        known = ", ".join(application.versions) or "none"
        raise BadInput(f"The application {application_id!r} has no version {version!r}; it has: {known}.")


def use_package(account: AzureBatchAccount, application_id: str, version: str) -> Program:
    """Names an application package that exists in the account; errors as for ``check_package``."""
    check_package(account, application_id, version)
    variable = package_variable(application_id, version)
    return Program(digest(application_id, version), variable, package=(application_id, version))


def publish_application(
    client: "BatchManagementClient",
    resource_group: str,
    account_name: str,
    application_id: str,
    version: str,
    path: Path,
    **request_options: Any,
) -> Program:
    """Publishes a file or directory as a version of an application package: create, upload, activate.

    A repeated call with the same id and version replaces the package's content.

    Args:
        client: management client for the account's subscription.
        resource_group: resource group of the Batch account.
        account_name: name of the Batch account; it needs a linked storage account.
        application_id: id of the application, made if it is missing.
        version: version to publish.
        path: the file or directory.
        request_options: options of azure-core for each management request, such as ``enforce_https=False`` for an
            endpoint without TLS.

    Raises:
        BadInput: the path does not exist or holds no files.
        ServiceFailure: Azure refused or failed a request.
    """
    from azure.mgmt.batch.models import ActivateApplicationPackageParameters, Application, ApplicationPackage

    check_program(path)
    where = (resource_group, account_name, application_id)
    with translated(f"publish application {application_id!r} version {version!r}"):
        try:
            client.application.get(*where, **request_options)
        except ResourceNotFoundError:
            client.application.create(*where, Application(), **request_options)
        package = client.application_package.create(*where, version, ApplicationPackage(), **request_options)
        with tempfile.SpooledTemporaryFile(_SPOOL_LIMIT) as archive:
            write_zip(path, archive)
            size = archive.tell()
            archive.seek(0)
            BlobClient.from_blob_url(package.storage_url).upload_blob(archive, length=size, overwrite=True)
        client.application_package.activate(
            *where, version, ActivateApplicationPackageParameters(format="zip"), **request_options
        )
    return Program(
        digest(application_id, version), package_variable(application_id, version), package=(application_id, version)
    )


ship_program_task = stage(ship_program, name="Ship program")
use_package_task = stage(use_package, name="Use application package")
publish_application_task = stage(publish_application, name="Publish application")
