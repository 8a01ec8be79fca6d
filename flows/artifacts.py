"""A run's results in the Prefect UI."""

import base64
from collections.abc import Iterable
from itertools import chain, islice

from prefect.artifacts import create_image_artifact, create_markdown_artifact, create_table_artifact

from prefect_azure_batch.blocks.azure_storage import AzureStorageCredentials
from prefect_azure_batch.blocks.hiding import without_hidden
from prefect_azure_batch.flows.check_result import CheckResult
from prefect_azure_batch.flows.plan import Plan, PlanRefused
from prefect_azure_batch.flows.report_page import again_of
from prefect_azure_batch.flows.report_pictures import timeline_image
from prefect_azure_batch.flows.results import MpiResult, RunResult, SubtaskResult, TaskResult
from prefect_azure_batch.flows.run_summary import summary_lines
from prefect_azure_batch.flows.run_times import RunTimes
from prefect_azure_batch.tasks.records import BLOB_SCHEME, Place

REPORT_KEY, TIMELINE_KEY = "batch-report", "batch-timeline"

_MOST_ROWS, _MOST_OUTPUTS, _ERROR_CHARACTERS = 1000, 3, 500


def publish_results(result: RunResult, key: str, storage: AzureStorageCredentials) -> None:
    """Makes a table artifact of a run: one row for each task, failed ones first, at most 1,000.

    Args:
        result: the result of the run.
        key: names the artifact: lower-case letters, digits and hyphens.
        storage: the storage account, if the results stay there.
    """
    failed = (task for task in result.tasks if task.state == "failed")
    others = (task for task in result.tasks if task.state != "failed")
    rows = [
        {
            result.made_for.lower(): task.input,
            "state": ", ".join(filter(None, (task.state, again_of(task)))),
            "exit code": task.exit_code,
            "queue seconds": _rounded(task.queue_seconds),
            "run seconds": _rounded(task.run_seconds),
            "outputs": _outputs([task.stdout, *task.outputs], storage),
            "node": task.node_id,
            "error": _shortened(task.error),
        }
        for task in islice(chain(failed if result.counts.failed else (), others), _MOST_ROWS)
    ]
    create_table_artifact(
        rows, key=key, description="; ".join([f"{result.counts}", f"job {result.job_id}", *result.cost.lines()])
    )


def publish_subtasks(result: MpiResult, key: str, storage: AzureStorageCredentials) -> None:
    """Makes a table artifact of an MPI run's nodes: the first node, then a row for each subtask.

    Args:
        result: the result of the run.
        key: names the artifact: lower-case letters, digits and hyphens.
        storage: the storage account, if the results stay there.
    """
    rows = [_instance("primary", task, "completed", storage) for task in result.tasks]
    rows += [_instance(subtask.id, subtask, subtask.state, storage) for subtask in result.subtasks]
    create_table_artifact(rows, key=key, description=f"{len(rows)} nodes; job {result.job_id}")


def _instance(
    name: str | int, one: TaskResult | SubtaskResult, state: str, storage: AzureStorageCredentials
) -> dict[str, object]:
    seconds = (one.ended - one.started).total_seconds() if one.ended and one.started else None
    return {
        "subtask": name,
        "state": state,
        "exit code": one.exit_code,
        "run seconds": _rounded(seconds),
        "outputs": _outputs([one.stdout, *one.outputs], storage),
        "node": one.node_id,
        "error": _shortened(one.error) if isinstance(one, SubtaskResult) else None,
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)


def _shortened(error: str | None) -> str | None:
    """The begin of an error, which says what it is; all of it stands in the report."""
    text = without_hidden(error) if error else ""
    return f"{text[:_ERROR_CHARACTERS]} ..." if len(text) > _ERROR_CHARACTERS else text or None


def _outputs(paths: Iterable[str | None], storage: AzureStorageCredentials) -> str:
    """The first few files of a task: addresses of blobs, which a table makes links of, or paths."""
    found = [path for path in paths if path]
    more = [f"and {len(found) - _MOST_OUTPUTS} more"] if len(found) > _MOST_OUTPUTS else []
    return " ".join([*(address_of(path, storage) for path in found[:_MOST_OUTPUTS]), *more])


def address_of(path: str, storage: AzureStorageCredentials) -> str:
    """Where a browser finds a file, with no signature in it; of a file of this machine its path.

    Args:
        path: local, or ``az://container/blob``.
        storage: the storage account of that.
    """
    if not path.startswith(BLOB_SCHEME):
        return path
    place = Place.parse(path)
    return storage.plain_url(place.container, place.folder)


def publish_report(result: RunResult, times: RunTimes, title: str, storage: AzureStorageCredentials) -> None:
    """Makes an artifact that sums up a run and leads to its report, and one that shows its timeline.

    Args:
        result: the result of the run.
        times: of its tasks and nodes.
        title: what a person calls it.
        storage: the storage account, if the results stay there.
    """
    timeline = _address_of_timeline(times)
    where = result.report and address_of(result.report, storage)
    text = "\n".join(summary_lines(result, times, title, timeline, where))
    create_markdown_artifact(text, key=REPORT_KEY, description=f"{result.counts}")
    if timeline:
        create_image_artifact(timeline, key=TIMELINE_KEY, description="Tasks on nodes over time")


def _address_of_timeline(times: RunTimes) -> str | None:
    """The picture itself as an address, for there is nobody who would serve it; None if nothing ran."""
    if times.begin is None:
        return None
    return f"data:image/svg+xml;base64,{base64.b64encode(timeline_image(times).encode()).decode()}"


def show_plan(plan: Plan) -> Plan:
    """Shows a plan in the Prefect UI, and ends the flow run if the run could not be.

    Raises:
        PlanRefused: says why.
    """
    lines = "\n".join(plan.text())
    create_markdown_artifact(f"```\n{lines}\n```\n", key="batch-plan", description=next(plan.summary()))
    if plan.refusals:
        raise PlanRefused(plan)
    return plan


def publish_findings(result: CheckResult, key: str) -> None:
    """Makes a table artifact of a check: one row for each finding.

    Args:
        result: what was found.
        key: names the artifact: lower-case letters, digits and hyphens.
    """
    rows = [
        {
            "check": found.name,
            "state": found.state,
            "seen": found.seen,
            "what to do": found.advice,
            "command": found.command,
        }
        for found in result.findings
    ]
    create_table_artifact(rows, key=key, description=list(result.text())[-1])
