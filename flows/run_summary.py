"""A run in some lines of Markdown, as the Prefect UI shows it, with the way to its report."""

import re
import socket
from collections.abc import Iterator, Sequence
from itertools import islice

from prefect_azure_batch.blocks.hiding import without_hidden
from prefect_azure_batch.flows.report_page import advice_of, cause_in, causes_in, figures_of
from prefect_azure_batch.flows.results import RunResult
from prefect_azure_batch.flows.run_times import RunTimes

_MOST_FAILURES = 20


def summary_lines(
    result: RunResult, times: RunTimes, title: str, timeline: str | None, report: str | None
) -> Iterator[str]:
    """The summary.

    Args:
        result: of the run.
        times: of its tasks and nodes.
        title: what a person calls it.
        timeline: address of a picture of it; None for no picture.
        report: path of its page on this machine, or its address; None if there is none.
    """
    yield f"# {_plain(title)}\n"
    yield from _way_to(report)
    yield "\n| | |\n|---:|---|"
    yield from (f"| **{value}** | {name} |" for value, name in figures_of(result, times))
    if timeline:
        yield f"\n![Tasks on nodes over time]({timeline})"
    if times.shares:
        yield f"\nNodes: {times.shares}."
    yield from (f"\n{_plain(line)}" for line in result.cost.lines())
    yield f"\nRun `{result.run_id}`, job `{result.job_id or '-'}`, results in `{result.results}`."
    if result.counts.failed:
        yield from _failures(result)


def _way_to(report: str | None) -> Iterator[str]:
    if report is None:
        yield "The report could not be written: the log says why."
    elif report.startswith(("https://", "http://")):
        yield f"Report: [report.html]({report}). Where the container is private, fetch it with your own sign-in:\n"
        yield f"```\naz storage blob download --auth-mode login --blob-url '{report}' --file report.html\n```"
    else:
        # A browser follows no link from a page of a server to a file of its machine.
        yield f"Report: open this file on the machine that ran the flow, `{socket.gethostname()}`:\n"
        yield f"```\n{report}\n```"


def _failures(result: RunResult) -> Iterator[str]:
    yield f"\n## Failed: {result.counts.failed:,}\n"
    causes = causes_in(result)
    if result.counts.failed > len(causes):
        yield from (f"- {number:,} × {_plain(advice_of(cause))}" for cause, number in causes)
    failed = (task for task in result.tasks if task.state == "failed")
    for task in islice(failed, _MOST_FAILURES):
        yield f"\n**{_plain(task.input)}**: {_plain(advice_of(cause_in(task)))}\n"
        yield from _fenced(task.error or "")
    if result.counts.failed > _MOST_FAILURES:
        yield f"\n... and {result.counts.failed - _MOST_FAILURES:,} more: the report has them."


def _fenced(text: str) -> Sequence[str]:
    """A block of Markdown that shows a text as it is, whatever stands in it."""
    lines = without_hidden(text).splitlines()
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return [fence, *lines, fence]


def _plain(text: str) -> str:
    """A text of others on one line of Markdown, which means nothing there but itself."""
    one_line = " ".join(without_hidden(text).split())
    return "".join(f"\\{letter}" if letter in "\\`*_[]<>#|~!&" else letter for letter in one_line)
