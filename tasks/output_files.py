"""What a task uploads when it ends, and where in the container of works it goes.

<work>/<run>/<index>-<task id>
├── logs      stdout.txt, stderr.txt
├── files     outputs of a task, named relative to its working directory
└── shared    outputs of a multi-instance task, named relative to the directory its ranks share
"""

from collections.abc import Sequence
from itertools import takewhile

from azure.batch import models

from prefect_azure_batch.tasks.patterns import Pattern, parse_pattern
from prefect_azure_batch.tasks.records import AddedTask, Run
from prefect_azure_batch.tasks.task_directory import BATCH_FILES, STDERR, STDOUT, WORKING_DIRECTORY

LOG_FOLDER = "logs"
FILE_FOLDER = "files"
SHARED_FOLDER = "shared"

_INDEX_DIGITS = 7
_MOST_WASTE = 10


def added_task(run: Run, index: int, label: str, task_id: str) -> AddedTask:
    """A task of a run, and where its files go.

    Tasks lie in the order of their inputs, so that the files of neighbours can be listed together.
    """
    return AddedTask(index, label, task_id, f"{run.outputs.folder}/{index:0{_INDEX_DIGITS}d}-{task_id}")


def is_output(name: str) -> bool:
    """Whether a file of a task is an output, by its name below the task's folder."""
    kind, _, rest = name.partition("/")
    # Ranks work beside the logs, which a pattern may match.
    return kind == FILE_FOLDER or (kind == SHARED_FOLDER and rest not in BATCH_FILES)


def covering_prefixes(folders: Sequence[str]) -> list[str]:
    """Beginnings of names that together list all of these folders, and not many others.

    Args:
        folders: of tasks, as ``added_task`` makes them.
    """
    if len(folders) == 1:
        return [f"{folders[0]}/"]
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


def output_files(folder: str, patterns: Sequence[str], link: str) -> list[models.OutputFile]:
    """The logs of a task, and the files in its working directory that match.

    Args:
        folder: of the task in the output container.
        patterns: files to keep, relative to the working directory.
        link: writes to the output container.

    Raises:
        BadInput: a pattern leads out of the working directory.
    """
    logs = _output_file("../std*.txt", f"{folder}/{LOG_FOLDER}", link)
    return [logs, *(_below(f"{folder}/{FILE_FOLDER}", parse_pattern(pattern), link) for pattern in patterns)]


def shared_output_files(folder: str, patterns: Sequence[str], link: str) -> list[models.OutputFile]:
    """The logs of a multi-instance task's primary, and the files in the directory its ranks share that match.

    Args:
        folder: of the task in the output container.
        patterns: files to keep, relative to the shared directory.
        link: writes to the output container.

    Raises:
        BadInput: a pattern leads out of the shared directory.
    """
    # By their names, for "../std*.txt" would match files that the ranks write beside the logs.
    logs = [_output_file(f"../{name}", f"{folder}/{LOG_FOLDER}/{name}", link) for name in (STDOUT, STDERR)]
    return [*logs, *(_shared(f"{folder}/{SHARED_FOLDER}", parse_pattern(pattern), link) for pattern in patterns)]


def _shared(path: str, pattern: Pattern, link: str) -> models.OutputFile:
    """The shared directory is one above the working directory, to which Batch takes patterns to be relative."""
    first, *rest = pattern.parts
    if first == WORKING_DIRECTORY and rest:
        return _below(f"{path}/{WORKING_DIRECTORY}", Pattern(tuple(rest)), link)
    place = "/".join(part for part in (path, pattern.only or pattern.leading) if part)
    # Outside the working directory Batch names files relative to the fixed part of the pattern.
    return _output_file("/".join(["..", *pattern.parts]), place, link)


def _below(path: str, pattern: Pattern, link: str) -> models.OutputFile:
    only = pattern.only
    return _output_file("/".join(pattern.parts), path if only is None else f"{path}/{only}", link)


def _output_file(pattern: str, path: str, link: str) -> models.OutputFile:
    return models.OutputFile(
        file_pattern=pattern,
        destination=models.OutputFileDestination(
            container=models.OutputFileBlobContainerDestination(container_url=link, path=path)
        ),
        upload_options=models.OutputFileUploadConfiguration(
            upload_condition=models.OutputFileUploadCondition.TASK_COMPLETION
        ),
    )
