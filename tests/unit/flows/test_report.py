"""The page of a run: what stands in it, whatever the number of tasks and the names of inputs."""

import base64
import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest

from prefect_azure_batch.blocks.hiding import hide
from prefect_azure_batch.flows.report_page import page_lines
from prefect_azure_batch.flows.report_pictures import clock, timeline_image
from prefect_azure_batch.flows.results import MapResult, MpiResult, ResultCounts, RunResult, SubtaskResult, TaskResult
from prefect_azure_batch.flows.run_summary import summary_lines
from prefect_azure_batch.flows.run_times import BINS, MOST_SPANS, Shares, times_of
from prefect_azure_batch.tasks.node_lives import Absence, NodeLife

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def task(number: int, node: str = "n1", begin: float = 0, seconds: float = 1, **more: object) -> TaskResult:
    given = {"input": f"in-{number}", "task_id": f"t{number}", "state": "succeeded", "exit_code": 0, **more}
    started = BEGIN + timedelta(seconds=begin)
    ended = started + timedelta(seconds=seconds)
    return TaskResult.model_validate(given | {"node_id": node, "started": started, "ended": ended})


def at(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


def result_of(tasks: list[TaskResult], results: str = "/r") -> MapResult:
    states = [each.state for each in tasks]
    counts = ResultCounts(succeeded=states.count("succeeded"), failed=states.count("failed"))
    return MapResult(run_id="r", job_id="j", pool_id="p", results=results, counts=counts, tasks=tasks)


def page(tasks: list[TaskResult], results: str = "/r") -> str:
    result = result_of(tasks, results)
    return "\n".join(page_lines(result, times_of(result), "Map & more"))


def summary(result: RunResult, report: str | None = "/r/report.html") -> str:
    return "\n".join(summary_lines(result, times_of(result), "Map *&* more", None, report))


def mpi_result() -> MpiResult:
    """An MPI task on two nodes, whose second one came later and failed."""
    primary = task(0, "n1", 10, 50, queued=at(4), state="failed", exit_code=1, error="exit code 1", input="solver")
    subtask = SubtaskResult(
        id=1,
        node_id="n2",
        state="completed",
        exit_code=1,
        started=at(12),
        ended=at(60),
        error="exit code 1: x; stderr ends: mount: permission denied",
    )
    counts = ResultCounts(failed=1)
    given = {"run_id": "r", "job_id": "j", "pool_id": "p", "results": "/r", "counts": counts}
    return MpiResult(**given, tasks=[primary], exit_code=1, subtasks=[subtask], application_began=at(30))


class Balanced(HTMLParser):
    """Fails where an element is closed that is not open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in ("meta", "rect", "line", "path"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("rect", "line", "path"):
            assert self.open.pop() == tag


def test_tasks_that_run_at_a_time_lie_on_lanes_of_their_node() -> None:
    tasks = [task(0, begin=0, seconds=4), task(1, begin=1, seconds=1), task(2, begin=2, seconds=2), task(3, "n2", 1)]
    times = times_of(result_of(tasks))
    lanes = {span.label: span.lane for node in times.nodes for span in node.spans}
    assert lanes == {"in-0": 0, "in-1": 1, "in-2": 1, "in-3": 0}
    assert (times.seconds, times.total, times.median) == (4.0, 8.0, 1.5)
    assert sum(times.ended) == 4
    assert sum(times.nodes[0].busy) == pytest.approx(7.0)


def test_of_very_many_tasks_only_how_busy_nodes_were_is_kept() -> None:
    tasks = [task(number, f"n{number % 3}", number * 0.1, 0.3) for number in range(MOST_SPANS + 1)]
    times = times_of(result_of(tasks))
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
    assert re.findall(r'(?:src|href)="([^"]+)"', text) == ["t0/stdout.txt", "t0/a%20b.png"]
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


def life(node: str, allocated: float, ready: float | None, seen: float, **more: object) -> NodeLife:
    given = {"node_id": node, "is_dedicated": True, "state": "idle", "asked": at(0), **more}
    return NodeLife(**given, allocated=at(allocated), ready=at(ready) if ready else None, seen=at(seen))  # type: ignore[arg-type]


def test_the_time_of_nodes_is_busy_starting_or_idle() -> None:
    lives = [
        life("n1", 10, 20, 60, start_task=(at(15), at(20))),
        life("n2", 10, None, 60, state="starttaskfailed"),
        life("n3", 20, 30, 60, absences=(Absence(at(40), at(50)),), is_dedicated=False),
    ]
    tasks = [task(0, "n1", 20, 30), task(1, "n1", 20, 10), task(2, "n3", 30, 10)]
    times = times_of(result_of(tasks), lives, places=2)
    assert (times.begin, times.seconds, times.task_seconds) == (BEGIN, 60, 30)
    shares = [node.shares(2) for node in times.nodes]
    assert [each and (each.busy, each.starting, each.idle) for each in shares] == [
        pytest.approx((20, 10, 20)),
        pytest.approx((0, 50, 0)),
        pytest.approx((5, 10, 15)),
    ]
    assert str(times.shares) == "19% busy, 54% starting, 27% idle"
    assert str(Shares()) == "0% busy, 0% starting, 0% idle"
    text = "\n".join(page_lines(result_of(tasks), times, "Map"))
    Balanced().feed(text)
    for words in ("waiting for a machine: 10 s", "start task: 5.0 s", "preempted for 10 s", "not usable", "idle"):
        assert words in text


def test_a_node_whose_clock_is_another_was_there_when_its_tasks_ran() -> None:
    (node,) = times_of(result_of([task(0, "n1", 5, 60)]), [life("n1", 10, 20, 60)]).nodes
    assert (node.begin, node.ready, node.end) == (5, 5, 65)


def test_a_task_that_has_begun_more_than_once_is_marked() -> None:
    tasks = [task(0, retries=2), task(1, requeues=1), task(2, requeues=1, state="failed", error="x"), task(3)]
    times = times_of(result_of(tasks))
    assert [span.kind for span in times.nodes[0].spans] == ["again", "again", "failed", "task"]
    text = page(tasks)
    for words in ("succeeded, retried 2×", "succeeded, lost its node 1×", "task that has begun more than once"):
        assert words in text


def test_what_tasks_waited_is_told() -> None:
    result = result_of([task(0, begin=5, queued=at(1)), task(1, begin=9, queued=at(1)), task(2, begin=9)])
    assert list(times_of(result).waits) == [4, 8]
    assert "<b>6.0 s</b>a usual task waited" in "\n".join(page_lines(result, times_of(result), "Map"))


def test_an_mpi_task_is_shown_on_each_of_its_nodes() -> None:
    result = mpi_result()
    times = times_of(result, [life("n1", 5, 8, 70), life("n2", 5, 8, 70)])
    found = {node.node_id: [(span.kind, span.begin, span.end) for span in node.spans] for node in times.nodes}
    assert found == {
        "n1": [("coordination", 10, 30), ("failed", 30, 60)],
        "n2": [("coordination", 12, 30), ("failed", 30, 60)],
    }
    text = "\n".join(page_lines(result, times, "MPI"))
    Balanced().feed(text)
    assert "How long tasks ran" not in text
    assert "ship it with its execute bit" in text  # of the subtask
    assert re.search(r"subtask 1</th>.*?18 s</td><td[^>]*>30 s", text)


def test_an_mpi_task_of_which_nobody_knows_when_its_application_began_is_one_bar() -> None:
    times = times_of(mpi_result().model_copy(update={"application_began": None}))
    assert [[span.kind for span in node.spans] for node in times.nodes] == [["failed"], ["failed"]]


@pytest.mark.parametrize(("tasks", "nodes"), [(4, 2), (2_000, 10), (MOST_SPANS, 7), (MOST_SPANS + 1, 3_000)])
def test_the_timeline_alone_is_small_whatever_the_number_of_tasks(tasks: int, nodes: int) -> None:
    found = [task(number, f"n{number % nodes}", number * 0.1, 1 + number % 7) for number in range(tasks)]
    text = timeline_image(times_of(result_of(found)))
    Balanced().feed(text)
    assert text.startswith('<svg xmlns="http://www.w3.org/2000/svg"')
    assert len(base64.b64encode(text.encode())) < 100_000


def test_a_summary_says_where_the_report_is_and_what_to_do() -> None:
    failed = task(1, state="failed", exit_code=127, error="x; stderr ends: ```\nsolver: command not found")
    text = summary(result_of([task(0), failed]))
    for words in (r"Map \*\&\* more", "/r/report.html", "ship it with --app", "| **1** | failed |", "\n````\n"):
        assert words in text
    assert "The report could not be written" in summary(result_of([]), None)
    assert "(https://a.example/c/report.html)" in summary(result_of([]), "https://a.example/c/report.html")


def test_a_summary_is_short_whatever_the_number_of_failed_tasks() -> None:
    failed = [task(number, state="failed", exit_code=137, error="exit code 137") for number in range(1_000)]
    text = summary(result_of(failed))
    assert "- 1,000 × out of memory" in text
    assert "... and 980 more" in text
    assert len(text) < 10_000


def test_no_secret_stands_in_page_or_summary() -> None:
    hide("swordfish-42")
    result = result_of([task(0, state="failed", input="swordfish-42", error="stderr ends: swordfish-42")])
    assert "swordfish-42" not in summary(result) + page(list(result.tasks))
