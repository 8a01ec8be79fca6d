"""What a task uploads when it ends, and where in the output container it goes.

<batch>/<task id>
├── logs      stdout.txt, stderr.txt
├── files     outputs of a task, named relative to its working directory
└── shared    outputs of a multi-instance task, named relative to the directory its ranks share
"""

from collections.abc import Sequence

from azure.batch import models

from prefect_azure_batch.tasks.patterns import Pattern, parse_pattern
from prefect_azure_batch.tasks.task_directory import STDERR, STDOUT, WORKING_DIRECTORY

LOG_FOLDER = "logs"
FILE_FOLDER = "files"
SHARED_FOLDER = "shared"


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
