"""The report of a run: a page beside its results, and what the Prefect UI shows of it."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from prefect.utilities.annotations import quote

from prefect_azure_batch.blocks.azure_storage import AzureStorageCredentials
from prefect_azure_batch.flows.artifacts import publish_report
from prefect_azure_batch.flows.report_page import page_lines
from prefect_azure_batch.flows.results import RunResult
from prefect_azure_batch.flows.run_times import RunTimes, times_of
from prefect_azure_batch.flows.telling import telling_prefect
from prefect_azure_batch.tasks import transfer
from prefect_azure_batch.tasks.errors import BatchFlowError, translated
from prefect_azure_batch.tasks.names import REPORT_NAME
from prefect_azure_batch.tasks.node_lives import NodeLife
from prefect_azure_batch.tasks.records import Place
from prefect_azure_batch.tasks.stage import stage

_HTML = "text/html; charset=utf-8"

_logger = logging.getLogger(__name__)
_Result = TypeVar("_Result", bound=RunResult)


def keep_report(
    storage: AzureStorageCredentials,
    result: _Result,
    title: str,
    results: Path | Place,
    lives: Sequence[NodeLife] = (),
    places: int = 1,
) -> _Result:
    """Writes the page and shows it in the Prefect UI; a run whose page cannot be written has its result all the same.

    Args:
        storage: the storage account, if the results stay there.
        result: of the run.
        title: what a person calls it.
        results: directory of the results, or their place in storage.
        lives: what has become of its nodes.
        places: how many tasks a node runs at a time.

    Returns:
        The result, which names the page.
    """
    times = times_of(result, lives, places)
    of_many: tuple[Any, Any] = (quote(result), quote(times))  # Prefect looks into whatever else a task takes
    try:
        path = write_report_task(storage, *of_many, title, results)
        _logger.info("Report: %s", path)
        result = result.model_copy(update={"report": path})
    except BatchFlowError as error:
        _logger.warning("%s The run has no report.", error)
    with telling_prefect("the report"):
        publish_report(result, times, title, storage)
    return result


def write_report(
    storage: AzureStorageCredentials, result: RunResult, times: RunTimes, title: str, results: Path | Place
) -> str:
    """Writes the page beside the results.

    Args:
        storage: the storage account, if the results stay there.
        result: of the run.
        times: of its tasks and nodes.
        title: what a person calls it.
        results: directory of the results, or their place in storage.

    Returns:
        Its path, or its place in storage.

    Raises:
        ResultsUnwritable: it cannot be written.
        ServiceFailure: Storage refused or failed a request.
    """
    lines = (f"{line}\n".encode(errors="replace") for line in page_lines(result, times, title))
    if isinstance(results, Path):
        return str(transfer.write_whole(results / REPORT_NAME, lambda file: file.writelines(lines)))
    place = results / REPORT_NAME
    with translated(f"store the report in container {place.container!r}"):
        transfer.write_blob(storage.get_client(), place.container, place.folder, lines, _HTML)
    return str(place)


write_report_task = stage(write_report, name="Write report")
