"""Stage: logs and outputs of tasks to local files."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobProperties, ContainerClient

from prefect_azure_batch.blocks.azure_storage import AzureStorageCredentials
from prefect_azure_batch.tasks import transfer
from prefect_azure_batch.tasks.errors import ServiceFailure, translated
from prefect_azure_batch.tasks.inputs import is_folder
from prefect_azure_batch.tasks.output_files import FILE_FOLDER, LOG_FOLDER, SHARED_FOLDER
from prefect_azure_batch.tasks.records import AddedTask, Collected, Run
from prefect_azure_batch.tasks.stage import stage
from prefect_azure_batch.tasks.task_directory import BATCH_FILES, STDERR, STDOUT, WORKING_DIRECTORY


def collect_outputs(
    storage: AzureStorageCredentials, run: Run, tasks: Sequence[AddedTask], results: Path
) -> list[Collected]:
    """Downloads stdout, stderr and outputs of tasks that have ended, several files at a time.

    Args:
        storage: the storage account.
        run: the run; its container is what the tasks uploaded to.
        tasks: the tasks; those added together are listed together.
        results: each task's files go to ``<results>/<task id>/``.

    Returns:
        One record for each task, in the same order.

    Raises:
        ServiceFailure: Storage refused or failed a request, or a blob's name leaves the task's directory.
    """
    client = storage.get_client().get_container_client(run.container)
    with translated(f"collect the outputs in container {run.container!r}"):
        folders = sorted({task.folder.partition("/")[0] for task in tasks})
        blobs = [blob for folder in folders for blob in _list(client, f"{folder}/")]
        wanted = {task.folder: results / task.task_id for task in tasks}
        plans = [(blob, target) for blob in blobs if (target := _target(blob.name, wanted)) is not None]
        transfer.each(
            lambda plan: transfer.fetch_blob(client.get_blob_client(plan[0].name), plan[0].size, plan[1]), plans
        )
    by_task: dict[str, list[Path]] = {task.task_id: [] for task in tasks}
    for _, target in plans:
        by_task[target.relative_to(results).parts[0]].append(target)
    return [_collected(results / task.task_id, sorted(by_task[task.task_id])) for task in tasks]


def _list(client: ContainerClient, prefix: str) -> list[BlobProperties]:
    try:
        return [
            blob for blob in client.list_blobs(name_starts_with=prefix, include=["metadata"]) if not is_folder(blob)
        ]
    except ResourceNotFoundError:
        return []


def _target(blob: str, wanted: dict[str, Path]) -> Path | None:
    """Where a blob goes: ``<batch>/<task>/logs/stdout.txt`` to ``<results>/<task>/stdout.txt``, files likewise."""
    batch, task, kind, *rest = PurePosixPath(blob).parts
    directory = wanted.get(f"{batch}/{task}")
    if directory is None or not rest:
        return None
    if ".." in rest:
        raise ServiceFailure(f"The blob {blob!r} would be written outside {str(directory)!r}: it is refused.")
    name = Path(*rest)
    if kind == FILE_FOLDER and str(name) in (STDOUT, STDERR):
        return directory / WORKING_DIRECTORY / name  # the program's own file of that name
    if kind == SHARED_FOLDER and str(name) in BATCH_FILES:
        return None  # a pattern of outputs matches them, for ranks work beside the logs
    return directory / name if kind in (FILE_FOLDER, SHARED_FOLDER, LOG_FOLDER) else None


def _collected(directory: Path, paths: list[Path]) -> Collected:
    logs = {name: directory / name if directory / name in paths else None for name in (STDOUT, STDERR)}
    outputs = tuple(path for path in paths if path not in logs.values())
    return Collected(logs[STDOUT], logs[STDERR], outputs)


collect_outputs_task = stage(collect_outputs, name="Collect outputs")
