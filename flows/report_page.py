"""A run as one page that can be looked at anywhere: HTML with its pictures in it, which needs no network. Pure."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from urllib.parse import quote

from prefect_azure_batch.flows.report_pictures import (
    KINDS,
    STYLE,
    clock,
    histogram,
    kinds_in,
    plain,
    throughput,
    timeline,
)
from prefect_azure_batch.flows.results import MpiResult, RunResult, SubtaskResult, TaskResult
from prefect_azure_batch.flows.run_times import NodeTimes, RunTimes, Shares
from prefect_azure_batch.tasks.cost import in_dollars
from prefect_azure_batch.tasks.failures import Cause, Failure, cause_of
from prefect_azure_batch.tasks.records import BLOB_SCHEME

_SLOWEST, _FAILED, _LISTED, _NODES = 10, 100, 1_000, 100
_STYLE = (
    """
:root { color-scheme: light dark; --text: light-dark(#1b1b1f, #e4e4e8); --quiet: light-dark(#5d626c, #9a9fa9);
  --line: light-dark(#dfe1e6, #3a3d44); --link: light-dark(#1f66ad, #6fb0f0); --bad: light-dark(#c9302c, #f0706b);
  --back: light-dark(#fff, #17181b); --card: light-dark(#f4f5f7, #212328); }
* { box-sizing: border-box; }
body { font: 15px/1.45 system-ui, sans-serif; color: var(--text); background: var(--back); margin: 0 auto;
  max-width: 1100px; padding: 1rem; }
h1, p, li, pre, b, td.name { overflow-wrap: anywhere; }
h1 { font-size: 1.3rem; margin: 0; } h2 { font-size: 1.05rem; margin: 1.8rem 0 .5rem; }
p { color: var(--quiet); margin: .2rem 0; }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(11rem, 45%), 1fr)); gap: .6rem;
  margin: 1rem 0; }
.figures div { background: var(--card); border-radius: 6px; padding: .5rem .7rem; color: var(--quiet);
  font-size: .85rem; }
.figures b { display: block; font-size: 1.2rem; color: var(--text); font-weight: 600; }
.figures .failed b { color: var(--bad); }
svg { width: 100%; height: auto; display: block; } svg text { font-size: 11px; fill: var(--quiet); }
svg .right { text-anchor: end; } svg .middle { text-anchor: middle; } svg .axis { stroke: var(--line); }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1rem; font-size: .85rem; margin-top: .4rem; }
.legend svg { width: .8rem; height: .8rem; display: inline-block; margin-right: .35rem; vertical-align: -1px; }
svg.bar { height: .8rem; min-width: 6rem; } svg.whole { height: 1.1rem; margin: .4rem 0; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; padding: .25rem .8rem .25rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; } th { color: var(--quiet); font-weight: 500; white-space: nowrap; }
td.number { text-align: right; white-space: nowrap; } td.name { min-width: 9rem; }
td a { white-space: nowrap; margin-right: .4rem; }
pre { white-space: pre-wrap; margin: .2rem 0; font-size: .85rem; background: var(--card); padding: .4rem .6rem;
  border-radius: 6px; }
.failed { color: var(--bad); } a { color: var(--link); }
@media (max-width: 600px) { svg text { font-size: 26px; } .side { display: none; } }
"""
    + STYLE
)


def page_lines(result: RunResult, times: RunTimes, title: str) -> Iterator[str]:
    """The page, some lines at a time; memory does not grow with what is shown of many tasks.

    Args:
        result: of the run.
        times: of its tasks and nodes.
        title: what a person calls it.
    """
    yield "<!doctype html>"
    yield f'<html lang="en"><head><meta charset="utf-8"><title>{plain(title)}</title>'
    yield f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head><body>'
    yield f"<h1>{plain(title)}</h1>"
    begun = f"begun at {times.begin:%Y-%m-%d %H:%M:%S} UTC; " if times.begin else ""
    yield f"<p>{begun}run {plain(result.run_id)}, job {plain(result.job_id or '-')}</p>"
    yield from (f"<p>{plain(line)}</p>" for line in result.cost.lines())
    yield from _figures(result, times)
    if times.begin:
        yield from _section("Tasks on nodes", _timeline(times))
    if isinstance(result, MpiResult) and result.subtasks:
        yield from _section("Instances of the task", _instances(result, times))
    if times.shares:
        yield from _section("How nodes were used", _nodes(times, times.shares))
    if len(times.durations) > 1 and not isinstance(result, MpiResult):
        yield from _section("How long tasks ran", histogram(times))
        yield from _section("When tasks ended", throughput(times))
    if result.counts.failed:
        yield from _section(f"Failed tasks ({result.counts.failed:,})", _failed(result))
    if len(times.durations) > _SLOWEST and not isinstance(result, MpiResult):
        yield from _section("The slowest tasks", _table(_slowest(result), result.results))
    number = len(result.tasks)
    shown = f"The first {_LISTED:,} of {number:,} tasks" if number > _LISTED else "All tasks"
    yield from _section(shown, _table(islice(result.tasks, _LISTED), result.results))
    yield "</body></html>"


def figures_of(result: RunResult, times: RunTimes) -> list[tuple[str, str]]:
    """What a run is in numbers: each, and what it is; what nobody knows is left out."""
    counts, cost = result.counts, result.cost
    figures = [(f"{counts.succeeded:,}", "succeeded"), (f"{counts.failed:,}", "failed")]
    if counts.skipped:
        figures.append((f"{counts.skipped:,}", "done before"))
    if times.begin:
        what = "the task" if isinstance(result, MpiResult) else "a usual task"
        figures.append((clock(times.seconds), "from begin to end"))
        if not isinstance(result, MpiResult):
            figures.append((clock(times.total), "of all tasks together"))
        figures.append((clock(times.task_seconds if len(result.tasks) == 1 else times.median), f"{what} ran"))
        if times.waits:
            figures.append((clock(times.median_wait), f"{what} waited"))
        figures.append((f"{len(times.nodes):,}", "nodes"))
    if cost.node_hours is not None and cost.spot_node_hours is not None and cost.vm_size:
        figures.append((f"{cost.node_hours + cost.spot_node_hours:.3g}", "node-hours"))
    if cost.price is not None and cost.vm_size:
        figures.append((in_dollars(cost.price), "by list prices"))
    if times.shares:
        figures.append((f"{times.shares.busy / (times.shares.total or 1):.0%}", "of the nodes' time was busy"))
    return figures


def cause_in(task: TaskResult | SubtaskResult) -> Cause:
    """Why a task, or an instance of one, most likely failed, from all that its result says."""
    return cause_of(Failure(message=task.error or "", exit_code=task.exit_code, stderr=task.error or ""))


def causes_in(result: RunResult) -> list[tuple[Cause, int]]:
    """Why tasks failed, and how many of them, the most frequent first."""
    return Counter(cause_in(task) for task in result.tasks if task.state == "failed").most_common()


def advice_of(cause: Cause) -> str:
    """What to do, for people."""
    return f"{cause.name}: {cause.advice}"


def _figures(result: RunResult, times: RunTimes) -> Iterator[str]:
    yield '<div class="figures">'
    for value, name in figures_of(result, times):
        kind = ' class="failed"' if name == "failed" and result.counts.failed else ""
        yield f"<div{kind}><b>{value}</b>{name}</div>"
    yield "</div>"


def _section(title: str, content: Iterator[str]) -> Iterator[str]:
    yield f"<h2>{title}</h2>"
    yield from content


def _timeline(times: RunTimes) -> Iterator[str]:
    yield from timeline(times)
    yield '<div class="legend">'
    for kind in kinds_in(times):
        yield f'<span><svg viewBox="0 0 1 1"><rect class="{kind}" width="1" height="1"/></svg>{KINDS[kind]}</span>'
    yield "</div>"


def _nodes(times: RunTimes, whole: Shares) -> Iterator[str]:
    """Of all nodes together, and of each."""
    yield f"<p>{whole}. Of {clock(whole.total)} that nodes were there, all together.</p>"
    yield _bar(whole, "whole")
    yield '<div class="wide"><table><tr><th>node</th><th>tasks</th><th>there for</th><th>busy</th>'
    yield '<th class="side">starting</th><th class="side">idle</th><th></th></tr>'
    for number, node in enumerate(times.nodes[:_NODES], start=1):
        shares = node.shares(times.places)
        if shares:
            yield from _node(number, node, shares)
    yield "</table></div>"
    if len(times.nodes) > _NODES:
        yield f"<p>The first {_NODES} of {len(times.nodes):,} nodes.</p>"


def _node(number: int, node: NodeTimes, shares: Shares) -> Iterator[str]:
    whole = shares.total or 1.0
    kind = " spot" if node.is_spot else ""
    lost = f', <span class="failed">preempted {len(node.absences)}×</span>' if node.absences else ""
    dead = ', <span class="failed">not usable</span>' if node.is_dead and not node.absences else ""
    yield (
        f'<tr title="{plain(node.node_id)}"><td>{number}{kind}{lost}{dead}</td><td class="number">{node.tasks:,}</td>'
        f'<td class="number">{clock(shares.total)}</td><td class="number">{shares.busy / whole:.0%}</td>'
        f'<td class="number side">{shares.starting / whole:.0%}</td>'
        f'<td class="number side">{shares.idle / whole:.0%}</td><td>{_bar(shares)}</td></tr>'
    )


def _bar(shares: Shares, kind: str = "bar") -> str:
    parts, x = [], 0.0
    for part, seconds in (("task", shares.busy), ("starting", shares.starting), ("idle", shares.idle)):
        width = seconds / (shares.total or 1.0) * 100
        parts.append(f'<rect class="{part}" x="{x:.1f}" width="{width:.1f}" height="1"/>')
        x += width
    return f'<svg class="{kind}" viewBox="0 0 100 1" preserveAspectRatio="none">{"".join(parts)}</svg>'


def _instances(result: MpiResult, times: RunTimes) -> Iterator[str]:
    """The nodes of an MPI task: what the coordination command took on each, and what it left."""
    numbers = {node.node_id: number for number, node in enumerate(times.nodes, start=1)}
    yield '<div class="wide"><table><tr><th>instance</th><th>node</th><th>state</th><th>exit code</th>'
    yield "<th>coordination</th><th>application</th><th>files</th></tr>"
    for task in result.tasks:
        files = [task.stdout, task.stderr, *task.outputs]
        code = task.exit_code
        yield _instance("primary", task.node_id, task.state, code, files, result, times, numbers)
    for each in result.subtasks:
        files = [each.stdout, *each.outputs]
        yield _instance(f"subtask {each.id}", each.node_id, each.state, each.exit_code, files, result, times, numbers)
    yield "</table></div>"
    for each in result.subtasks:
        if each.error:
            yield from _failure(f"subtask {each.id}", each.error, cause_in(each))


def _instance(
    name: str,
    node_id: str | None,
    state: str,
    exit_code: int | None,
    files: Sequence[str | None],
    result: RunResult,
    times: RunTimes,
    numbers: dict[str, int],
) -> str:
    node = next((each for each in times.nodes if each.node_id == node_id), None)
    spans = [span for span in node.spans if span.label.startswith(f"{name},")] if node else []
    took = {span.label.rpartition(" ")[2]: clock(span.end - span.begin) for span in spans}
    links = " ".join(_link(path, result.results) for path in files if path)
    return (
        f'<tr title="{plain(node_id or "")}"><th>{name}</th><td class="number">{numbers.get(node_id or "", "")}</td>'
        f'<td>{state}</td><td class="number">{"" if exit_code is None else exit_code}</td>'
        f'<td class="number">{took.get("coordination", "")}</td><td class="number">{took.get("application", "")}</td>'
        f"<td>{links}</td></tr>"
    )


def _failed(result: RunResult) -> Iterator[str]:
    causes = causes_in(result)
    if result.counts.failed > len(causes):
        yield "<ul>"
        yield from (f"<li>{number:,} × {plain(advice_of(cause))}</li>" for cause, number in causes)
        yield "</ul>"
    failed = (task for task in result.tasks if task.state == "failed")
    for task in islice(failed, _FAILED):
        yield from _failure(task.input, task.error or "", cause_in(task))
    if result.counts.failed > _FAILED:
        yield f"<p>... and {result.counts.failed - _FAILED:,} more.</p>"


def _failure(name: str, error: str, cause: Cause) -> Iterator[str]:
    yield (f'<div><b class="failed">{plain(name)}</b><pre>{plain(error)}</pre><p>{plain(advice_of(cause))}</p></div>')


def _slowest(result: RunResult) -> Iterator[TaskResult]:
    found: list[TaskResult] = []
    for task in result.tasks:
        if task.state != "skipped" and task.run_seconds is not None:
            found = sorted([*found, task], key=lambda each: -(each.run_seconds or 0))[:_SLOWEST]
    return iter(found)


def _table(tasks: Iterator[TaskResult], results: str) -> Iterator[str]:
    yield '<div class="wide"><table><tr><th>input</th><th>state</th><th class="side">exit code</th>'
    yield '<th class="side">waited</th><th>ran</th><th>files</th></tr>'
    for task in tasks:
        state = f'<span class="failed">{task.state}</span>' if task.state == "failed" else task.state
        code = "" if task.exit_code is None else str(task.exit_code)
        files = " ".join(_link(path, results) for path in (task.stdout, task.stderr, *task.outputs) if path)
        yield (
            f'<tr title="{plain(task.node_id or "")}"><td class="name">{plain(task.input)}</td>'
            f"<td>{state}{_again(task)}</td>"
            f'<td class="number side">{code}</td><td class="number side">{_clock(task.queue_seconds)}</td>'
            f'<td class="number">{_clock(task.run_seconds)}</td><td>{files}</td></tr>'
        )
    yield "</table></div>"


def again_of(task: TaskResult) -> str:
    """How often a task has begun again, and why; empty if it has not."""
    told = [(task.retries, "retried"), (task.requeues, "lost its node")]
    return ", ".join(f"{what} {number}×" for number, what in told if number)


def _again(task: TaskResult) -> str:
    return f", {again}" if (again := again_of(task)) else ""


def _clock(seconds: float | None) -> str:
    return "" if seconds is None else clock(seconds)


def _link(path: str, results: str) -> str:
    """A file of a task: a link relative to the page; what stays in storage is only named, for it opens by a sign-in."""
    name = plain(path.rpartition("/")[2])
    if path.startswith(BLOB_SCHEME):
        return name
    return f'<a href="{quote(Path(os.path.relpath(path, results)).as_posix())}">{name}</a>'
