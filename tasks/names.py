"""Ids made from what is run, so that a repeated call finds its own work.

Azure Batch ids are 1 to 64 letters, digits, hyphens and underscores, unique whatever their case; container names
3 to 63 lower-case letters, digits and hyphens.
"""

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

ID_LENGTH = 64
_DIGEST_LENGTH = 12
_WORK_LENGTH = 24
_CHUNK = 1 << 20

INDEX_NAME = "index.jsonl"
"""Of the results of a run: a line for each of its tasks."""

UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
"""Expression for what makes a run's id its own."""

WORK_ID = rf"[0-9a-f]{{{_WORK_LENGTH}}}"
"""Expression for a work's id."""

RUN_ID = rf"(?:map|mpi)-{UUID}"
"""Expression for a run's id."""

REPORT_NAME = "report.html"
"""Beside the index of a run's results: the run as one page."""
REDUCE_LABEL = "reduce"
"""What the result of a map's reduce is called."""
LOG_FOLDER, FILE_FOLDER, SHARED_FOLDER, FAILED_FOLDER = "logs", "files", "shared", "failed"
"""Folders in that of a task in storage: see ``tasks.output_files``."""

TASK_FOLDER = rf"{RUN_ID}/\d{{7,}}-[^/]+"
"""Expression for the folder of a task in results that stay in storage."""


def digest(*parts: str) -> str:
    """A digest of several texts, each kept apart from the next: 64 hexadecimal digits."""
    state = hashlib.sha256()
    for part in parts:
        encoded = part.encode()
        state.update(len(encoded).to_bytes(8, "big") + encoded)
    return state.hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content, read in pieces."""
    state = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            state.update(chunk)
    return state.hexdigest()


def slug(text: str, length: int) -> str:
    """A readable piece of an id: what an id may not hold becomes ``-``; at most ``length`` characters."""
    return re.sub(r"[^A-Za-z0-9_]+", "-", text).strip("-")[:length].strip("-")


def work_id(program: str, command: str, outputs: Iterable[str], further: Iterable[str] = ()) -> str:
    """Id of what is done to each input, whatever the input: 24 hexadecimal digits.

    Args:
        program: the program's digest; empty for none.
        command: the script that runs on the nodes.
        outputs: patterns of the files to keep.
        further: what else it depends on, such as the environment.
    """
    parts = [program, command, *outputs]
    more = list(further)
    return (digest(*parts, digest(*more)) if more else digest(*parts))[:_WORK_LENGTH]


def task_id(work: str, name: str, version: str, *further: str) -> str:
    """Id of the task that does a work to one input. Neither directory nor machine is in it.

    Args:
        work: the work's id.
        name: the input's file name, which the command may use.
        version: what names the input's content.
        further: whatever else makes it another task.

    Returns:
        ``<name>-<12 hexadecimal digits>``, at most 64 characters.
    """
    return _named(Path(name).stem or "task", work, name, version, *further)


def multi_instance_id(work: str, *parts: str) -> str:
    """Id of the task that does a work on several nodes: ``mpi-<12 hexadecimal digits>``.

    Args:
        work: the work's id.
        parts: whatever else makes it another task.
    """
    return _named("mpi", work, *parts)


def reduce_id(work: str, *parts: str) -> str:
    """Id of the task that takes what others have left: ``reduce-<12 hexadecimal digits>``.

    Args:
        work: what it does.
        parts: what names what it takes.
    """
    return _named("reduce", work, *parts)


def _named(name: str, *parts: str) -> str:
    ending = digest(*parts)[:_DIGEST_LENGTH]
    return f"{slug(name, ID_LENGTH - _DIGEST_LENGTH - 1) or 'task'}-{ending}"


def blob_name(folder: str, content_digest: str, name: str) -> str:
    """Name of a blob that holds an input: ``<folder>/<digest>/<readable name>``."""
    readable = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-")[:80]
    return f"{folder}/{content_digest[:40]}/{readable or 'file'}"


def package_variable(application_id: str, version: str) -> str:
    """Environment variable of an application package on a Linux node.

    Source: "Deploy applications to compute nodes with Batch application packages", Microsoft Learn.
    """
    return "AZ_BATCH_APP_PACKAGE_" + re.sub(r"[.\-#]", "_", f"{application_id}_{version}")
