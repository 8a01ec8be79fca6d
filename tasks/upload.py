"""Stage: inputs to blobs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from prefect_azure_batch.blocks.azure_storage import AzureStorageCredentials
from prefect_azure_batch.tasks import transfer
from prefect_azure_batch.tasks.errors import BadInput, ServiceFailure, translated
from prefect_azure_batch.tasks.identity import identify, stamp
from prefect_azure_batch.tasks.inputs import BlobLister
from prefect_azure_batch.tasks.names import blob_name
from prefect_azure_batch.tasks.records import InputItem, StoredInput
from prefect_azure_batch.tasks.run_outputs import outputs_of_run
from prefect_azure_batch.tasks.stage import stage

INPUT_CONTAINER = "batch-inputs"
_FOLDER = "inputs"


def blob_lister(storage: AzureStorageCredentials) -> BlobLister:
    """What ``find_inputs`` lists the blobs of a storage account with; those of a run are its outputs."""

    def list_blobs(container: str, prefix: str) -> Iterator[tuple[str, str]]:
        bulk = storage.get_bulk()
        try:
            with translated(f"list the blobs of container {container!r}"):
                outputs = outputs_of_run(bulk, container, prefix)
                if outputs is not None:
                    yield from outputs
                    return
                for blob in bulk.list(container, prefix):
                    if not blob.is_folder:
                        yield blob.name, blob.etag
        except ServiceFailure as error:
            if error.status in (400, 404):
                raise BadInput(
                    f"The storage account has no container {container!r}: check the name, or upload the inputs there."
                ) from error
            raise

    return list_blobs


def upload_inputs(
    storage: AzureStorageCredentials, inputs: Sequence[InputItem], container: str = INPUT_CONTAINER
) -> list[StoredInput]:
    """Uploads local inputs to a container; what is there already with the same content is not sent again.

    A blob's name is made from its content, so two runs over the same files share their blobs. Inputs that are blobs
    or links stay where they are. Files are streamed, several at a time.

    Args:
        storage: the storage account.
        inputs: what to upload.
        container: takes the blobs; made if it is missing.

    Returns:
        One record for each input, in the same order.

    Raises:
        ServiceFailure: Storage refused or failed a request, or a file has changed since it was looked at.
    """
    bulk = storage.get_bulk()
    with translated(f"upload inputs to container {container!r}"):
        if any(item.path for item in inputs):
            transfer.ensure_container(bulk.service, container)

        def store(item: InputItem) -> StoredInput:
            stored = stored_input(item, container)
            if item.path is None:
                return stored
            if stamp(item.path) != item.stamp:
                raise transfer.changed(item.path)
            sent = transfer.send_file(bulk, stored.container, stored.blob, item.path)
            return replace(stored, sent_bytes=sent)

        return transfer.each(store, identify(inputs))


@dataclass(frozen=True)
class Uploads:
    """What uploading would send: number of files, their bytes, and how many others are there already."""

    files: int = 0
    size: int = 0
    there: int = 0

    def __add__(self, other: "Uploads") -> "Uploads":
        return Uploads(self.files + other.files, self.size + other.size, self.there + other.there)


def count_uploads(
    storage: AzureStorageCredentials, inputs: Sequence[InputItem], container: str = INPUT_CONTAINER
) -> Uploads:
    """What ``upload_inputs`` would send; nothing is sent.

    Args:
        storage: the storage account.
        inputs: with their versions.
        container: takes the blobs.

    Raises:
        ServiceFailure: Storage refused or failed a request.
    """
    service = storage.get_client()

    def look(item: InputItem) -> Uploads:
        if item.path is None:
            return Uploads()
        is_there = service.get_blob_client(container, stored_input(item, container).blob).exists()
        return Uploads(there=1) if is_there else Uploads(1, item.path.stat().st_size)

    with translated(f"look for the inputs in container {container!r}"):
        return sum(transfer.each(look, inputs), Uploads())


def stored_input(item: InputItem, container: str = INPUT_CONTAINER) -> StoredInput:
    """An input as it lies in a blob, once it is uploaded.

    Args:
        item: the input, with its version.
        container: takes the blobs of local files.
    """
    if item.path is None:  # a blob already, a link, or values alone
        place, blob = item.container or "", item.blob or ""
    else:
        place, blob = container, blob_name(_FOLDER, item.version, item.name)
    return StoredInput(
        item.index,
        item.label,
        item.name,
        place,
        blob,
        item.version,
        twin=item.twin,
        values=item.values,
        url=item.url,
        place=item.place,
        members=tuple(stored_input(member, container) for member in item.members),
    )


upload_inputs_task = stage(upload_inputs, name="Upload inputs")
