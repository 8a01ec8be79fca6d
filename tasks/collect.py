"""Stages: logs and outputs of tasks to local files, once they have ended or from an earlier run."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from prefect_azure_batch.blocks.azure_storage import AzureStorageCredentials
from prefect_azure_batch.blocks.bulk_blobs import BulkBlobs
from prefect_azure_batch.tasks import transfer
from prefect_azure_batch.tasks.errors import ServiceFailure, translated
from prefect_azure_batch.tasks.ledger import Outcome
from prefect_azure_batch.tasks.names import FAILED_FOLDER, FILE_FOLDER, LOG_FOLDER, SHARED_FOLDER
from prefect_azure_batch.tasks.output_files import EXIT_CODE_BLOB, blobs_of_tasks, is_output
from prefect_azure_batch.tasks.records import AddedTask, Collected, EndedTask, KeptFile, Place, Run
from prefect_azure_batch.tasks.settling import settle, with_end_of_log
from prefect_azure_batch.tasks.stage import stage
from prefect_azure_batch.tasks.task_directory import BATCH_FILES, STDERR, STDOUT, WORKING_DIRECTORY


def collect_outputs(
    storage: AzureStorageCredentials, run: Run, tasks: Sequence[AddedTask], results: Path | Place
) -> list[Collected]:
    """Downloads stdout, stderr and outputs of tasks that have ended, several files at a time.

    Args:
        storage: the storage account.
        run: the run; its container is what the tasks uploaded to.
        tasks: the tasks; those that stand together are listed together.
        results: each task's files go to ``<results>/<task id>/``; with a place in storage they are not downloaded.

    Returns:
        One record for each task, in the same order.

    Raises:
        ServiceFailure: Storage refused or failed a request, or a blob's name leaves the task's directory.
        ResultsUnwritable: a file cannot be written here.
    """
    bulk, container = storage.get_bulk(), run.outputs.container
    service = bulk.service
    with translated(f"collect the outputs in container {container!r}"):
        kept: dict[str, list[KeptFile]] = {task.folder: [] for task in tasks}
        succeeded = {task.folder for task in tasks if isinstance(task, EndedTask) and task.end.succeeded}
        for blob in blobs_of_tasks(bulk, container, kept):
            folder, name = _split(blob.name, run.outputs.folder)
            of_failure = name.startswith(f"{FAILED_FOLDER}/")  # of an attempt before, or with no success to come
            if folder in kept and not blob.is_folder and not (of_failure and folder in succeeded):
                kept[folder].append(KeptFile(name, blob.size, blob.md5))
        codes = [_exit_code(bulk, container, task, kept[task.folder]) for task in tasks]
        if isinstance(results, Place):
            settled = settle(storage, [(Place(container, task.folder), kept[task.folder]) for task in tasks], results)
            collected = [
                with_end_of_log(service, files) if isinstance(task, EndedTask) and not task.end.succeeded else files
                for task, files in zip(tasks, settled, strict=True)
            ]
        else:
            places = [(Place(container, task.folder), results / task.task_id, kept[task.folder]) for task in tasks]
            collected = _fetch_all(storage, places)
        return [replace(files, exit_code=code) for files, code in zip(collected, codes, strict=True)]


def _exit_code(bulk: BulkBlobs, container: str, task: AddedTask, kept: Iterable[KeptFile]) -> int | None:
    """What a task has told of its exit code, if some of them count as success."""
    if not any(file.name == EXIT_CODE_BLOB for file in kept):
        return None
    return int(bulk.get(container, f"{task.folder}/{EXIT_CODE_BLOB}"))


def restore_outputs(
    storage: AzureStorageCredentials, outcomes: Sequence[Outcome], results: Path | Place
) -> list[Collected]:
    """Downloads what tasks of earlier runs have left; what is here with the same content is left alone.

    Args:
        storage: the storage account.
        outcomes: what the ledger says of the tasks.
        results: each task's files go to ``<results>/<task id>/``; with a place in storage they are not downloaded.

    Returns:
        One record for each outcome, in the same order.

    Raises:
        ServiceFailure: Storage refused or failed a request, or has not what the ledger says.
        ResultsUnwritable: a file cannot be written here.
    """
    with translated("restore what earlier runs have left (--no-resume does it again)"):
        if isinstance(results, Place):
            return settle(storage, [(item.place, item.files) for item in outcomes], results)
        return _fetch_all(storage, [(item.place, results / item.task_id, item.files) for item in outcomes])


def _fetch_all(
    storage: AzureStorageCredentials, tasks: Sequence[tuple[Place, Path, Iterable[KeptFile]]]
) -> list[Collected]:
    bulk = storage.get_bulk()
    plans = [
        (number, place, file, target)
        for number, (place, directory, files) in enumerate(tasks)
        for file in files
        if (target := _target(file.name, directory)) is not None
    ]

    def fetch(plan: tuple[int, Place, KeptFile, Path]) -> KeptFile:
        _, place, file, target = plan
        return transfer.fetch_kept(bulk, place, file, target)

    found: list[list[tuple[Path, KeptFile]]] = [[] for _ in tasks]
    for (number, _, _, target), file in zip(plans, transfer.each(fetch, plans), strict=True):
        found[number].append((target, file))
    return [_collected(directory, files) for (_, directory, _), files in zip(tasks, found, strict=True)]


def _split(blob: str, of_run: str) -> tuple[str, str]:
    """The folder of a blob's task, and the blob's name below it."""
    task, _, name = blob[len(of_run) + 1 :].partition("/")
    return f"{of_run}/{task}", name


_KINDS = {FILE_FOLDER, SHARED_FOLDER, LOG_FOLDER}


def _target(name: str, directory: Path) -> Path | None:
    """Where a blob goes: ``logs/stdout.txt`` of a task to ``stdout.txt`` in its directory, files likewise.

    What lies in other folders, those of failed attempts and of subtasks, stays in them.
    """
    kind, *rest = PurePosixPath(name).parts
    if kind == FAILED_FOLDER:
        return _target("/".join(rest), directory / FAILED_FOLDER)
    if not rest:
        return None
    if ".." in rest:
        raise ServiceFailure(f"The blob {name!r} would be written outside {str(directory)!r}: it is refused.")
    if name == EXIT_CODE_BLOB:
        return None  # it stands in the result
    if kind not in _KINDS:
        return directory / name
    path = Path(*rest)
    if kind == FILE_FOLDER and str(path) in (STDOUT, STDERR):
        return directory / WORKING_DIRECTORY / path  # the program's own file of that name
    if kind == SHARED_FOLDER and str(path) in BATCH_FILES:
        return None  # a pattern of outputs matches them, for ranks work beside the logs
    return directory / path


def _collected(directory: Path, found: Sequence[tuple[Path, KeptFile]]) -> Collected:
    paths = {path for path, _ in found}
    logs = {name: directory / name if directory / name in paths else None for name in (STDOUT, STDERR)}
    outputs = tuple(sorted(path for path, file in found if is_output(file.name)))
    return Collected(logs[STDOUT], logs[STDERR], outputs, tuple(file for _, file in found))


collect_outputs_task = stage(collect_outputs, name="Collect outputs")
restore_outputs_task = stage(restore_outputs, name="Restore outputs")
