"""What the address of a run in storage means: outputs of the tasks that have succeeded, as its index says.

Not all lie below that address: what an earlier run had done stays where that has put it.
"""

import json
import logging
import re
from collections.abc import Iterator, Sequence

from azure.core.exceptions import ResourceNotFoundError

from prefect_azure_batch.blocks.bulk_blobs import BulkBlobs
from prefect_azure_batch.tasks import transfer
from prefect_azure_batch.tasks.errors import BadInput
from prefect_azure_batch.tasks.names import INDEX_NAME, RUN_ID, TASK_FOLDER
from prefect_azure_batch.tasks.output_files import blobs_of_tasks
from prefect_azure_batch.tasks.records import Place

_RUN = re.compile(rf"(?:.*/)?{RUN_ID}/?")
_FOLDER = re.compile(rf"(?:.*/)?{TASK_FOLDER}(?=/)")
_AT_ONCE = 200

_logger = logging.getLogger(__name__)


def outputs_of_run(bulk: BulkBlobs, container: str, prefix: str) -> Iterator[tuple[str, str]] | None:
    """Outputs of the run whose address that is, as ``(blob name, ETag)``; None if it is no run's.

    Args:
        bulk: of the storage account.
        container: name of the container.
        prefix: what may be ``<folder>/<run id>``.

    Raises:
        BadInput: the run has no index or no outputs, or one is gone.
    """
    if not _RUN.fullmatch(prefix):
        return None
    folder = prefix.rstrip("/")
    try:
        lines = transfer.stream_lines(bulk.service.get_blob_client(container, f"{folder}/{INDEX_NAME}"))
    except ResourceNotFoundError:
        if next(bulk.list(container, f"{folder}/", at_once=1), None) is None:
            return iter(())
        raise BadInput(
            f"The run at {str(Place(container, folder))!r} has no {INDEX_NAME}: it goes on, was killed, or "
            "only copies of what it did are here. Run the command again and name the run that it prints."
        ) from None
    return _outputs(bulk, container, folder, lines)


def _outputs(bulk: BulkBlobs, container: str, folder: str, lines: Iterator[bytes]) -> Iterator[tuple[str, str]]:
    failed, found = 0, 0
    for some in transfer.some_at_a_time(lines, _AT_ONCE):
        tasks = [json.loads(line) for line in some]
        failed += sum(task["state"] == "failed" for task in tasks)
        names = [name for task in tasks if task["state"] != "failed" for name in task["outputs"]]
        found += len(names)
        yield from _found(bulk, container, names)
    if failed:
        _logger.warning("Failed tasks of run %s, whose outputs are no inputs: %d.", folder, failed)
    if not found:
        raise BadInput(f"The run at {str(Place(container, folder))!r} has kept no outputs: see --outputs.")


def _found(bulk: BulkBlobs, container: str, outputs: Sequence[str]) -> Iterator[tuple[str, str]]:
    names = [Place.parse(output).folder for output in outputs]
    folders = {found[0] for name in names if (found := _FOLDER.match(name))}
    etags = {blob.name: blob.etag for blob in blobs_of_tasks(bulk, container, folders)}
    for name, output in zip(names, outputs, strict=True):
        if name not in etags:
            raise BadInput(f"The output {output!r}, which a run's index names, is gone: run its command again.")
        yield name, etags[name]
