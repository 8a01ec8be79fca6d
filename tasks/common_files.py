"""Files that every node of a multi-instance task gets, all in one directory."""

from collections.abc import Iterable

from prefect_azure_batch.tasks.errors import BadInput
from prefect_azure_batch.tasks.task_directory import BATCH_DIRECTORIES, BATCH_FILES


def check_common_names(names: Iterable[str]) -> None:
    """Refuses common files that cannot lie in one directory, or would take the place of what Batch puts there.

    Raises:
        BadInput: names the file.
    """
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise BadInput(f"Two common files are named {name!r}, and all lie in one directory: rename one.")
        if name in BATCH_FILES | BATCH_DIRECTORIES or name.isdecimal():
            raise BadInput(f"A common file cannot be named {name!r}, for Batch uses that name itself: rename it.")
        seen.add(name)
