"""What a task uploads when it ends, and where in the container of works it goes.

<work>/<run>/<index>-<task id>
├── logs      stdout.txt, stderr.txt; exit-code.txt where some exit codes count as success
├── files     outputs of a task, named relative to its working directory
├── shared    outputs of a multi-instance task, named relative to the directory its ranks share
└── failed    files, shared: what attempts that failed have left in place of outputs

Files of subtasks, which come by way of the flow, lie in ``subtask-<n>``; of a task that failed, in ``failed`` too.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import takewhile
from typing import Self

from azure.batch import models
from azure.core.exceptions import ResourceNotFoundError

from prefect_azure_batch.blocks.bulk_blobs import BulkBlobs, ListedBlob
from prefect_azure_batch.tasks.access import OutputContainer
from prefect_azure_batch.tasks.names import FAILED_FOLDER, FILE_FOLDER, LOG_FOLDER, SHARED_FOLDER
from prefect_azure_batch.tasks.patterns import Pattern, parse_pattern
from prefect_azure_batch.tasks.records import AddedTask, Run
from prefect_azure_batch.tasks.task_directory import BATCH_FILES, EXIT_CODE, STDERR, STDOUT, WORKING_DIRECTORY

EXIT_CODE_BLOB = f"{LOG_FOLDER}/{EXIT_CODE}"
"""Name, below the folder of its task, of what tells the exit code of a program that counts as success."""

_INDEX_DIGITS = 7
_MOST_WASTE = 10


def added_task(run: Run, index: int, label: str, task_id: str) -> AddedTask:
    """A task of a run, and where its files go.

    Tasks lie in the order of their inputs, so that the files of neighbours can be listed together.
    """
    return AddedTask(index, label, task_id, f"{run.outputs.folder}/{index:0{_INDEX_DIGITS}d}-{task_id}")


def is_output(name: str) -> bool:
    """Whether a file of a task is an output, by its name below the task's folder; of a failed one what it has left."""
    kind, _, rest = name.removeprefix(f"{FAILED_FOLDER}/").partition("/")
    # Ranks work beside the logs, which a pattern may match.
    return kind == FILE_FOLDER or (kind == SHARED_FOLDER and rest not in BATCH_FILES)


def subtask_folder(number: int, *, succeeded: bool) -> str:
    """Where the files of a subtask lie, below the folder of its task.

    Args:
        number: of the subtask.
        succeeded: whether its task has.
    """
    own = f"subtask-{number}"
    return own if succeeded else f"{FAILED_FOLDER}/{own}"


def blobs_of_tasks(bulk: BulkBlobs, container: str, folders: Collection[str]) -> Iterator[ListedBlob]:
    """Lists what lies in the folders of tasks; neighbours are listed together, and others among them come along.

    Args:
        bulk: of the storage account.
        container: name of the container, which may be gone.
        folders: of tasks, as ``added_task`` makes them.
    """
    try:
        for prefix in covering_prefixes(sorted(folders)):
            yield from bulk.list(container, prefix)
    except ResourceNotFoundError:
        return


def covering_prefixes(folders: Sequence[str]) -> list[str]:
    """Beginnings of names that together list all of these folders, and not many others.

    Args:
        folders: of tasks, as ``added_task`` makes them.
    """
    if len(folders) < 2:
        return [f"{folder}/" for folder in folders]
    first, last = min(folders), max(folders)
    alike = takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    common = "".join(letter for letter, _ in alike)
    number = common.rpartition("/")[2]
    if len(number) >= _INDEX_DIGITS or 10 ** (_INDEX_DIGITS - len(number)) <= _MOST_WASTE * len(folders):
        return [common]
    parts: dict[str, list[str]] = {}
    for folder in folders:
        parts.setdefault(folder[: len(common) + 1], []).append(folder)
    return [prefix for part in parts.values() for prefix in covering_prefixes(part)]


def output_files(
    folder: str, patterns: Sequence[str], container: OutputContainer, *, tells_exit_code: bool = False
) -> list[models.OutputFile]:
    """The logs of a task, and the files in its working directory that match, apart by whether it has succeeded.

    Args:
        folder: of the task in the output container.
        patterns: files to keep, relative to the working directory.
        container: the output container, as nodes write to it.
        tells_exit_code: it leaves a file with its exit code, of which Batch is told another.

    Raises:
        BadInput: a pattern leads out of the working directory.
    """
    logs = [_output_file("../std*.txt", _Kept(f"{folder}/{LOG_FOLDER}", container))]
    if tells_exit_code:
        logs.append(_output_file(f"../{EXIT_CODE}", _Kept(f"{folder}/{EXIT_CODE_BLOB}", container)))
    parsed = [parse_pattern(pattern) for pattern in patterns]
    return [*logs, *(_below(kept, pattern) for kept in _by_end(folder, FILE_FOLDER, container) for pattern in parsed)]


def shared_output_files(folder: str, patterns: Sequence[str], container: OutputContainer) -> list[models.OutputFile]:
    """The logs of a multi-instance task's primary, and the files in the directory its ranks share that match.

    Args:
        folder: of the task in the output container.
        patterns: files to keep, relative to the shared directory.
        container: the output container, as nodes write to it.

    Raises:
        BadInput: a pattern leads out of the shared directory.
    """
    # By their names, for "../std*.txt" would match files that the ranks write beside the logs.
    logs = [_output_file(f"../{name}", _Kept(f"{folder}/{LOG_FOLDER}/{name}", container)) for name in (STDOUT, STDERR)]
    parsed = [parse_pattern(pattern) for pattern in patterns]
    return [
        *logs,
        *(_shared(kept, pattern) for kept in _by_end(folder, SHARED_FOLDER, container) for pattern in parsed),
    ]


@dataclass(frozen=True)
class _Kept:
    """Where files go, and when."""

    path: str
    container: OutputContainer
    condition: models.OutputFileUploadCondition = models.OutputFileUploadCondition.TASK_COMPLETION

    def below(self, name: str) -> Self:
        """The same for what is named so there, or for all."""
        return replace(self, path=f"{self.path}/{name}") if name else self


def _by_end(folder: str, kind: str, container: OutputContainer) -> list[_Kept]:
    """Where files go by how an attempt has ended: Batch uploads after each, and what is uploaded stays."""
    conditions = models.OutputFileUploadCondition
    return [
        _Kept(f"{folder}/{kind}", container, conditions.TASK_SUCCESS),
        _Kept(f"{folder}/{FAILED_FOLDER}/{kind}", container, conditions.TASK_FAILURE),
    ]


def _shared(kept: _Kept, pattern: Pattern) -> models.OutputFile:
    """The shared directory is one above the working directory, to which Batch takes patterns to be relative."""
    first, *rest = pattern.parts
    if first == WORKING_DIRECTORY and rest:
        return _below(kept.below(WORKING_DIRECTORY), Pattern(tuple(rest)))
    # Outside the working directory Batch names files relative to the fixed part of the pattern.
    return _output_file("/".join(["..", *pattern.parts]), kept.below(pattern.only or pattern.leading))


def _below(kept: _Kept, pattern: Pattern) -> models.OutputFile:
    return _output_file("/".join(pattern.parts), kept.below(pattern.only or ""))


def _output_file(pattern: str, kept: _Kept) -> models.OutputFile:
    return models.OutputFile(
        file_pattern=pattern,
        destination=kept.container.at(kept.path),
        upload_options=_upload_options(kept.condition),
    )


@cache
def _upload_options(condition: models.OutputFileUploadCondition) -> models.OutputFileUploadConfiguration:
    """The same for very many files."""
    return models.OutputFileUploadConfiguration(upload_condition=condition)
