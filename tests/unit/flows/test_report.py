"""The page of a run: what stands in it, whatever the number of tasks and the names of inputs."""

import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest

from prefect_azure_batch.flows.report import report_lines
from prefect_azure_batch.flows.report_pictures import clock
from prefect_azure_batch.flows.results import MapResult, ResultCounts, TaskResult
from prefect_azure_batch.flows.run_times import BINS, MOST_SPANS, times_of

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def task(number: int, node: str = "n1", begin: float = 0, seconds: float = 1, **more: object) -> TaskResult:
    given = {"input": f"in-{number}", "task_id": f"t{number}", "state": "succeeded", "exit_code": 0, **more}
    started = BEGIN + timedelta(seconds=begin)
    ended = started + timedelta(seconds=seconds)
    return TaskResult.model_validate(given | {"node_id": node, "started": started, "ended": ended})


def page(tasks: list[TaskResult], results: str = "/r") -> str:
    states = [each.state for each in tasks]
    counts = ResultCounts(succeeded=states.count("succeeded"), failed=states.count("failed"))
    result = MapResult(run_id="r", job_id="j", pool_id="p", results=results, counts=counts, tasks=tasks)
    return "\n".join(report_lines(result, "Map & more"))


class Balanced(HTMLParser):
    """Fails where an element is closed that is not open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in ("meta", "rect", "line"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("rect", "line"):
            assert self.open.pop() == tag


def test_tasks_that_run_at_a_time_lie_on_lanes_of_their_node() -> None:
    tasks = [task(0, begin=0, seconds=4), task(1, begin=1, seconds=1), task(2, begin=2, seconds=2), task(3, "n2", 1)]
    times = times_of(tasks, len(tasks))
    lanes = {span.label: span.lane for node in times.nodes for span in node.spans}
    assert lanes == {"in-0": 0, "in-1": 1, "in-2": 1, "in-3": 0}
    assert (times.seconds, times.total, times.median) == (4.0, 8.0, 1.5)
    assert sum(times.ended) == 4
    assert sum(times.nodes[0].busy) == pytest.approx(7.0)


def test_of_very_many_tasks_only_how_busy_nodes_were_is_kept() -> None:
    tasks = [task(number, f"n{number % 3}", number * 0.1, 0.3) for number in range(MOST_SPANS + 1)]
    times = times_of(tasks, len(tasks))
    assert [node.spans for node in times.nodes] == [[], [], []]
    assert sum(node.tasks for node in times.nodes) == len(tasks)
    assert sum(sum(node.busy) for node in times.nodes) == pytest.approx(0.3 * len(tasks), rel=1e-6)
    text = page(tasks)
    assert text.count("<rect") < 4 * BINS
    assert f"The first 1,000 of {len(tasks):,} tasks" in text


def test_the_page_needs_nothing_from_elsewhere_and_is_whole() -> None:
    failed = task(1, state="failed", exit_code=127, error="exit code 127: x; stderr ends: solver: command not found")
    text = page([task(0, stdout="/r/t0/stdout.txt", outputs=["/r/t0/a b.png"]), failed])
    Balanced().feed(text)
    assert re.findall(r'(?:src|href)="([^"]+)"', text) == ["t0/stdout.txt", "t0/a%20b.png"] * 2
    assert "http" not in text
    assert "<title>Map &amp; more</title>" in text
    assert "ship it with --app" in text


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", '"><img src=x>', "a&b", "ü\n'"])
def test_names_and_logs_cannot_write_into_the_page(name: str) -> None:
    text = page([task(0, input=name, state="failed", error=f"stderr ends: {name}", stdout=f"/r/t0/{name}")])
    Balanced().feed(text)
    assert "<script>alert" not in text
    assert "<img" not in text


def test_results_that_stay_in_storage_are_named_and_not_linked() -> None:
    text = page([task(0, stdout="az://kept/run/t0/logs/stdout.txt")], "az://kept/run")
    assert "stdout.txt" in text
    assert "href" not in text


def test_a_run_in_which_nothing_ran_has_a_page_without_pictures() -> None:
    text = page([task(0, state="skipped"), TaskResult(input="x", task_id="t", state="failed", error="no node")])
    Balanced().feed(text)
    assert "<svg" not in text
    assert "no node" in text


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.04, "0.0 s"), (42, "42 s"), (200, "3 min 20 s"), (7500, "2 h 05 min")]
)
def test_times_are_told_as_people_do(seconds: float, words: str) -> None:
    assert clock(seconds) == words
