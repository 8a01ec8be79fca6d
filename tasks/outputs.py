"""Stage: outputs of tasks as inputs of further tasks, from blob to node with no detour over this machine."""

from collections.abc import Sequence

from prefect_azure_batch.blocks.azure_storage import AzureStorageCredentials
from prefect_azure_batch.blocks.bulk_blobs import ListedBlob
from prefect_azure_batch.tasks.errors import translated
from prefect_azure_batch.tasks.names import FILE_FOLDER, SHARED_FOLDER
from prefect_azure_batch.tasks.output_files import is_output
from prefect_azure_batch.tasks.records import BLOB_SCHEME, AddedTask, Run, StoredInput
from prefect_azure_batch.tasks.stage import stage


def list_outputs(storage: AzureStorageCredentials, run: Run, tasks: Sequence[AddedTask]) -> list[StoredInput]:
    """Names the outputs of tasks that have ended, as inputs for ``add_tasks`` or ``submit_multi_instance``.

    Logs are left out. Of a multi-instance task these are the outputs of its primary, which Batch uploads alone.

    Args:
        storage: the storage account.
        run: the run; its container is what the tasks uploaded to.
        tasks: the tasks.

    Returns:
        One record for each file, in the order of the tasks, then by name.

    Raises:
        ServiceFailure: Storage refused or failed a request.
    """
    bulk, blobs = storage.get_bulk(), list[ListedBlob]()
    with translated(f"list the outputs in container {run.outputs.container!r}"):
        for task in tasks:
            for kind in (FILE_FOLDER, SHARED_FOLDER):
                prefix = f"{task.folder}/{kind}/"
                found = bulk.list(run.outputs.container, prefix)
                start = len(task.folder) + 1
                blobs += [blob for blob in found if not blob.is_folder and is_output(blob.name[start:])]
    return [_input(index, run.outputs.container, blob) for index, blob in enumerate(blobs)]


def _input(index: int, container: str, blob: ListedBlob) -> StoredInput:
    label = f"{BLOB_SCHEME}{container}/{blob.name}"
    version = blob.etag.strip('"')
    return StoredInput(index, label, blob.name.rpartition("/")[2], container, blob.name, version)


list_outputs_task = stage(list_outputs, name="List outputs")
