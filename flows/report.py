"""A run as one page that can be looked at anywhere: HTML with its pictures in it, which needs no network."""

import logging
import os
from collections.abc import Iterator
from html import escape
from itertools import islice
from pathlib import Path
from urllib.parse import quote

from prefect_azure_batch.blocks.azure_storage import AzureStorageCredentials
from prefect_azure_batch.flows.report_pictures import clock, histogram, throughput, timeline
from prefect_azure_batch.flows.results import RunResult, TaskResult
from prefect_azure_batch.flows.run_times import RunTimes, times_of
from prefect_azure_batch.tasks import transfer
from prefect_azure_batch.tasks.errors import BatchFlowError, translated
from prefect_azure_batch.tasks.failures import OTHER, Failure, cause_of
from prefect_azure_batch.tasks.names import REPORT_NAME
from prefect_azure_batch.tasks.records import BLOB_SCHEME, Place
from prefect_azure_batch.tasks.stage import stage

_logger = logging.getLogger(__name__)

_SLOWEST, _FAILED, _LISTED = 10, 100, 1_000
_STYLE = """
:root { color-scheme: light dark; --text: light-dark(#1b1b1f, #e4e4e8); --quiet: light-dark(#666b75, #9a9fa9);
  --line: light-dark(#dfe1e6, #3a3d44); --good: light-dark(#2a78c9, #5aa2ea); --bad: light-dark(#c9302c, #f0706b);
  --back: light-dark(#fff, #17181b); --card: light-dark(#f4f5f7, #212328); }
body { font: 15px/1.45 system-ui, sans-serif; color: var(--text); background: var(--back); margin: 0 auto;
  max-width: 1100px; padding: 1rem; }
h1 { font-size: 1.3rem; margin: 0; } h2 { font-size: 1.05rem; margin: 1.8rem 0 .5rem; }
p { color: var(--quiet); margin: .2rem 0; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(8rem, 1fr)); gap: .6rem; margin: 1rem 0; }
.figures div { background: var(--card); border-radius: 6px; padding: .5rem .7rem; color: var(--quiet);
  font-size: .85rem; }
.figures b { display: block; font-size: 1.2rem; color: var(--text); font-weight: 600; }
svg { width: 100%; height: auto; display: block; } svg text { font-size: 11px; fill: var(--quiet); }
svg .right { text-anchor: end; } svg .middle { text-anchor: middle; } svg .axis { stroke: var(--line); }
svg .idle { fill: var(--card); } svg .good { fill: var(--good); } svg .bad { fill: var(--bad); }
@media (max-width: 600px) { svg text { font-size: 23px; } svg .side { display: none; } }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; padding: .25rem .8rem .25rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; } th { color: var(--quiet); font-weight: 500; } td.number { text-align: right; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: .2rem 0; font-size: .85rem; }
.failed { color: var(--bad); } a { color: var(--good); }
"""


def report_lines(result: RunResult, title: str) -> Iterator[str]:
    """The page, some lines at a time; memory does not grow with what is shown of many tasks.

    Args:
        result: of the run.
        title: what a person calls it.
    """
    times = times_of(result.tasks, len(result.tasks))
    yield "<!doctype html>"
    yield f'<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
    yield f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head><body>'
    yield f"<h1>{escape(title)}</h1>"
    begun = f"first task at {times.begin:%Y-%m-%d %H:%M:%S} UTC; " if times.begin else ""
    yield f"<p>{begun}run {escape(result.run_id)}, job {escape(result.job_id or '-')}</p>"
    yield from (f"<p>{escape(line)}</p>" for line in result.cost.lines())
    yield from _figures(result, times)
    if times.begin:
        yield from _section("Tasks on nodes", timeline(times))
        yield from _section("How long tasks ran", histogram(times))
        yield from _section("When tasks ended", throughput(times))
    if result.counts.failed:
        yield from _section(f"Failed tasks ({result.counts.failed:,})", _failed(result))
    if times.begin:
        yield from _section("The slowest tasks", _table(_slowest(result), result.results))
    number = len(result.tasks)
    shown = f"The first {_LISTED:,} of {number:,} tasks" if number > _LISTED else "All tasks"
    yield from _section(shown, _table(islice(result.tasks, _LISTED), result.results))
    yield "</body></html>"


def _section(title: str, content: Iterator[str]) -> Iterator[str]:
    yield f"<h2>{title}</h2>"
    yield from content


def _figures(result: RunResult, times: RunTimes) -> Iterator[str]:
    counts = result.counts
    figures = [
        (f"{counts.succeeded:,}", "succeeded"),
        (f"{counts.failed:,}", "failed"),
        (f"{counts.skipped:,}", "done before"),
        (clock(times.seconds), "from first to last task"),
        (clock(times.total), "of all tasks together"),
        (clock(times.median), "a usual task"),
        (f"{len(times.nodes):,}", "nodes"),
    ]
    yield '<div class="figures">'
    yield from (f"<div><b>{value}</b>{name}</div>" for value, name in figures)
    yield "</div>"


def _failed(result: RunResult) -> Iterator[str]:
    failed = (task for task in result.tasks if task.state == "failed")
    for task in islice(failed, _FAILED):
        cause = cause_of(Failure(message=task.error or "", exit_code=task.exit_code, stderr=task.error or ""))
        advice = "" if cause is OTHER else f"<p>{escape(cause.name)}: {escape(cause.advice)}</p>"
        yield f'<div><b class="failed">{escape(task.input)}</b><pre>{escape(task.error or "")}</pre>{advice}</div>'
    if result.counts.failed > _FAILED:
        yield f"<p>... and {result.counts.failed - _FAILED:,} more.</p>"


def _slowest(result: RunResult) -> Iterator[TaskResult]:
    found: list[TaskResult] = []
    for task in result.tasks:
        if task.state != "skipped" and _seconds(task) is not None:
            found = sorted([*found, task], key=lambda each: -(_seconds(each) or 0))[:_SLOWEST]
    return iter(found)


def _seconds(task: TaskResult) -> float | None:
    return (task.ended - task.started).total_seconds() if task.ended and task.started else None


def _table(tasks: Iterator[TaskResult], results: str) -> Iterator[str]:
    yield '<div class="wide"><table><tr><th>input</th><th>state</th><th>exit code</th><th>ran</th><th>files</th></tr>'
    for task in tasks:
        seconds = _seconds(task)
        state = f'<span class="failed">{task.state}</span>' if task.state == "failed" else task.state
        code = "" if task.exit_code is None else str(task.exit_code)
        ran = "" if seconds is None else clock(seconds)
        files = " ".join(_link(path, results) for path in (task.stdout, task.stderr, *task.outputs) if path)
        yield (
            f'<tr title="{escape(task.node_id or "")}"><td>{escape(task.input)}</td><td>{state}</td>'
            f'<td class="number">{code}</td><td class="number">{ran}</td><td>{files}</td></tr>'
        )
    yield "</table></div>"


def _link(path: str, results: str) -> str:
    """A file of a task: a link relative to the page; what stays in storage is only named, for it opens by a sign-in."""
    name = escape(path.rpartition("/")[2])
    if path.startswith(BLOB_SCHEME):
        return name
    return f'<a href="{quote(Path(os.path.relpath(path, results)).as_posix())}">{name}</a>'


def keep_report(storage: AzureStorageCredentials, result: RunResult, title: str, results: Path | Place) -> None:
    """Writes the page; a run whose page cannot be written has its result all the same."""
    try:
        path = write_report_task(storage, result, title, results)
        _logger.info("Report: %s", path)
    except BatchFlowError as error:
        _logger.warning("%s The run has no report.", error)


def write_report(storage: AzureStorageCredentials, result: RunResult, title: str, results: Path | Place) -> str:
    """Writes the page beside the results.

    Args:
        storage: the storage account, if the results stay there.
        result: of the run.
        title: what a person calls it.
        results: directory of the results, or their place in storage.

    Returns:
        Its path, or its place in storage.

    Raises:
        ResultsUnwritable: it cannot be written.
        ServiceFailure: Storage refused or failed a request.
    """
    lines = (f"{line}\n".encode(errors="replace") for line in report_lines(result, title))
    if isinstance(results, Path):
        return str(transfer.write_whole(results / REPORT_NAME, lambda file: file.writelines(lines)))
    place = results / REPORT_NAME
    with translated(f"store the report in container {place.container!r}"):
        transfer.write_blob(storage.get_client(), place.container, place.folder, lines)
    return str(place)


write_report_task = stage(write_report, name="Write report")
