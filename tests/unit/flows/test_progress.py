"""How far a run is: from what its stages, its poller and its meter know to words and lines."""

import io
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime

import pytest
from rich.console import Console

from prefect_azure_batch.flows.progress_state import (
    AWAITING,
    CLEANING,
    COLLECTING,
    FINDING,
    PHASES,
    RUNNING,
    SENDING,
    Phase,
    Snapshot,
    in_a_line,
    in_markdown,
    moment,
)
from prefect_azure_batch.flows.run_progress import RunProgress
from prefect_azure_batch.flows.terminal_view import TerminalView, shares
from prefect_azure_batch.tasks.cost import NodeHours
from prefect_azure_batch.tasks.meter import Meter
from prefect_azure_batch.tasks.node_states import NodeStates
from prefect_azure_batch.tasks.prices import Price, Prices
from prefect_azure_batch.tasks.records import Counts

NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
PRICES = Prices([Price("here", "standard_d2s_v5", 36.0, 3.6, date(2026, 1, 31))])


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Job:
    """Tasks and nodes as a poller has seen them last."""

    counts: Counts = field(default_factory=Counts)
    nodes: NodeStates | None = None


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def progress(clock: Clock) -> RunProgress:
    return RunProgress(Meter("here", PRICES, clock=clock), clock)


def states(progress: RunProgress) -> dict[str, str]:
    """The phases that have begun, by what has become of them."""
    begun = [phase for phase in progress.look().phases if phase.begun is not None]
    return {phase.name: "broken" if phase.broken else "goes on" if phase.is_active else "over" for phase in begun}


def phase(progress: RunProgress, name: str) -> Phase:
    return next(each for each in progress.look().phases if each.name == name)


def test_the_phases_of_a_run_follow_from_its_tasks_nodes_and_results(progress: RunProgress, clock: Clock) -> None:
    job, results = Job(), list[int]()
    progress.begin(FINDING)
    assert states(progress) == {FINDING: "goes on"}
    progress.advance(FINDING, 40)
    progress.end(FINDING)
    progress.begin(SENDING, 40)
    progress.begin(AWAITING)
    progress.collects(lambda: len(results), 40)
    progress.watch(job, 40)
    progress.upload(30)
    job.counts, job.nodes = Counts(active=10), NodeStates({"idle": 1, "starting": 2}, 4)
    clock.now += 7
    assert states(progress) == {FINDING: "over", SENDING: "goes on", AWAITING: "goes on"}
    assert (phase(progress, SENDING).counts, phase(progress, SENDING).note) == ("10 of 40", "30 uploaded")
    assert phase(progress, AWAITING).counts == "1 of 4"
    job.counts = Counts(active=38, running=2)
    assert states(progress) == {FINDING: "over", SENDING: "over", AWAITING: "over", RUNNING: "goes on"}
    assert phase(progress, AWAITING).seconds(clock.now + 50) == 7
    job.counts, results[:] = Counts(succeeded=39, failed=1), [1]
    assert states(progress) | {RUNNING: "over", COLLECTING: "goes on"} == states(progress)
    results[:] = range(40)
    progress.clean_up()
    assert states(progress)[COLLECTING] == "over"
    progress.finish(broken=False)
    assert set(states(progress).values()) == {"over"}


def test_an_error_breaks_what_goes_on_and_nothing_else(progress: RunProgress) -> None:
    progress.begin(FINDING)
    progress.end(FINDING)
    progress.begin(SENDING)
    progress.finish(broken=True)
    assert states(progress) == {FINDING: "over", SENDING: "broken"}


def test_pace_and_money_are_known_while_tasks_end(clock: Clock) -> None:
    meter, job = Meter("here", PRICES, budget=5, clock=clock), Job(Counts(active=38, running=2))
    meter.begin("p", is_new=True)
    progress = RunProgress(meter, clock)
    progress.watch(job, 40)
    assert (progress.look().rate, progress.look().spent) == (None, None)
    meter.note("p", NodeHours(2), "Standard_D2s_v5")
    clock.now += 100
    job.counts = Counts(active=18, running=2, succeeded=20)
    seen = progress.look()
    assert (seen.rate, seen.left, seen.budget) == (0.2, 100.0, 5)
    assert seen.spent == pytest.approx(2.0)  # two nodes of 36 dollars an hour for 100 seconds


def test_of_a_run_that_finds_all_done_the_results_count(progress: RunProgress) -> None:
    progress.begin(FINDING)
    progress.advance(FINDING, 4)
    progress.end(FINDING, "4 done before")
    progress.collects(lambda: 4, 4)
    progress.finish(broken=False)
    seen = progress.look()
    assert (seen.percent, in_a_line(seen, NOON)) == (100.0, "Finding inputs, 4; Collecting, 4 of 4")


def test_who_waits_for_nodes_tells_of_them_before_there_is_a_poller(progress: RunProgress) -> None:
    progress.begin(AWAITING, 3)
    progress.see_nodes(NodeStates({"idle": 2, "running start task": 1}, 3))
    assert phase(progress, AWAITING).counts == "2 of 3"
    assert progress.look().nodes == NodeStates({"idle": 2, "running start task": 1}, 3)
    progress.watch(Job(Counts(running=1), NodeStates({"running": 3})), 1)
    assert phase(progress, AWAITING).counts == "3 of 3"


def run_of(*active: str, **changes: object) -> Snapshot:
    """A moment in a run with all phases begun up to the last of those that go on."""
    last = PHASES.index(active[-1])
    phases = (Phase(name, 0.0, None if name in active else 5.0) if place <= last else Phase(name)
              for place, name in enumerate(PHASES))  # fmt: skip
    return replace(Snapshot(30.0, tuple(phases), total=40), **changes)  # type: ignore[arg-type]


HALF = run_of(
    RUNNING,
    COLLECTING,
    counts=Counts(active=16, running=4, succeeded=19, failed=1),
    nodes=NodeStates({"running": 4, "starting": 1}, 6),
    rate=0.4,
    spent=0.25,
    budget=5.0,
)


@pytest.mark.parametrize(
    ("seen", "text"),
    [
        (run_of(FINDING, total=0), "Finding inputs"),
        (
            run_of(AWAITING, nodes=NodeStates({}, 4)),
            "0 of 40 tasks have ended, 0 run, 40 wait; nodes: none, 4 to come",
        ),
        (
            HALF,
            "20 of 40 tasks have ended (1 failed), 4 run, 16 wait; nodes: 4 running, 1 starting, 1 to come; "
            "24 tasks/min, about 50 s left, until about 12:00 UTC; USD 0.25 of USD 5.00 so far",
        ),
        (run_of(CLEANING, counts=Counts(succeeded=40), rate=2.0), "40 of 40 tasks have ended, 0 run, 0 wait"),
    ],
)
def test_a_log_tells_it_in_a_line(seen: Snapshot, text: str) -> None:
    assert in_a_line(seen, NOON) == text


def test_the_ui_shows_an_item_for_each_fact() -> None:
    assert in_markdown(HALF, NOON).splitlines() == [
        "- 20 of 40 tasks have ended (1 failed), 4 run, 16 wait",
        "- Nodes: 4 running, 1 starting, 1 to come",
        "- 24 tasks/min, about 50 s left, until about 12:00 UTC",
        "- USD 0.25 of USD 5.00 so far",
    ]


def test_an_end_on_another_day_has_its_day() -> None:
    assert moment(NOON, 3600) == "13:00 UTC"
    assert moment(NOON, 13 * 3600) == "Tue 05 May 01:00 UTC"


def drawn(seen: Snapshot, width: int, encoding: str = "utf-8") -> list[str]:
    """The lines that a terminal shows."""
    console = Console(file=io.TextIOWrapper(io.BytesIO(), encoding=encoding), width=width, color_system=None)
    with console.capture() as captured:
        console.print(TerminalView(seen, NOON, None))
    return [line.rstrip() for line in captured.get().splitlines()]


def test_a_terminal_shows_a_line_for_each_phase_a_strip_of_nodes_and_what_is_left() -> None:
    lines = drawn(HALF, 100)
    assert all(line[2:].startswith(name) for line, name in zip(lines[:5], PHASES, strict=False))
    assert [line[0] for line in lines[:5]] == ["✓", "✓", "✓", "-", "-"]
    assert lines[3].endswith(", 1 failed, 4 run, 16 wait")
    assert lines[5:] == [
        "Nodes ■■■■▫·",
        "      ■ 4 running  ▫ 1 starting  · 1 to come",
        "24 tasks/min, about 50 s left, until about 12:00 UTC; USD 0.25 of USD 5.00 so far",
    ]


def test_what_stays_on_the_terminal_is_the_phases_alone() -> None:
    over = replace(HALF, phases=tuple(Phase(name, 0.0, 5.0) for name in PHASES))
    assert len(drawn(over, 100)) == len(PHASES)


@pytest.mark.parametrize("width", [20, 40, 60, 80])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    crowd = replace(HALF, nodes=NodeStates({"running": 900, "idle": 90, "unusable": 1}, 1200), total=1_000_000)
    assert max(map(len, drawn(crowd, width))) <= width


def test_a_terminal_without_unicode_gets_letters() -> None:
    text = "\n".join(drawn(HALF, 100, "ascii"))
    assert "Nodes ####s." in text
    assert "✓" not in text


def test_of_hundreds_of_nodes_each_state_has_its_share_of_the_strip() -> None:
    assert shares({"running": 3, "idle": 1}, 60) == {"running": 3, "idle": 1}
    assert shares({"running": 900, "idle": 99, "unusable": 1}, 60) == {"running": 54, "idle": 5, "unusable": 1}
