"""How a run looks on a terminal while it goes: a line for each phase, a strip of nodes, and what is left."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from prefect_azure_batch.flows.progress_state import (
    AWAITING,
    RUNNING,
    Phase,
    Snapshot,
    money_in_words,
    pace_in_words,
)
from prefect_azure_batch.flows.report_pictures import clock

_NARROW, _WIDE = 50, 76
_BAR, _TIME = 20, 5
_MOST_SIGNS = 60
_MARGIN = 2


@dataclass(frozen=True)
class _Look:
    """How nodes in one state are shown: by colour, and by a sign for those who see none."""

    style: str
    sign: str
    plain: str


_LOOKS = {
    "running": _Look("green", "■", "#"),
    "idle": _Look("cyan", "□", "o"),
    "running start task": _Look("yellow", "◧", "t"),
    "starting": _Look("yellow", "▫", "s"),
    "creating": _Look("yellow", "▫", "s"),
    "rebooting": _Look("yellow", "▫", "s"),
    "reimaging": _Look("yellow", "▫", "s"),
    "preempted": _Look("magenta", "▽", "p"),
    "unusable": _Look("red", "✗", "X"),
    "start task failed": _Look("red", "✗", "X"),
}
_OTHER = _Look("bright_black", "·", ".")
_TO_COME = "to come"


class TerminalView:
    """What is known of a run, as rich shows it.

    Args:
        seen: what is known.
        now: the time in the zone of whoever looks.
        spinner: turns beside what goes on; None for a picture that stands still.
    """

    def __init__(self, seen: Snapshot, now: datetime, spinner: Spinner | None) -> None:
        self._seen, self._now, self._spinner = seen, now, spinner

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Lines that fit the width there is."""
        signs = options.encoding.startswith("utf")
        yield self._phases(options.max_width, signs)
        if not self._is_over:
            yield from self._strip(options.max_width, signs)
            yield from self._summary()

    @property
    def _is_over(self) -> bool:
        return not self._seen.active

    def _phases(self, width: int, signs: bool) -> Table:
        bars = width >= _WIDE and not self._is_over
        table = Table.grid(padding=(0, 1))
        table.add_column(width=1)
        table.add_column(no_wrap=True, min_width=len(AWAITING))
        table.add_column(no_wrap=True, justify="right", min_width=_TIME)
        if bars:
            table.add_column(width=_BAR)
        table.add_column(no_wrap=True, overflow="ellipsis")
        for phase in self._seen.phases:
            if phase.begun is None:
                continue
            time = Text(clock(max(0.0, phase.seconds(self._seen.now))), "dim")
            cells: list[RenderableType] = [self._mark(phase, signs), Text(phase.name), time]
            if bars:
                cells.append(_bar(phase))
            table.add_row(*cells, self._counts(phase, width))
        return table

    def _mark(self, phase: Phase, signs: bool) -> Text | Spinner:
        if phase.broken:
            return Text("✗" if signs else "X", "red")
        if phase.ended is not None:
            return Text("✓" if signs else "+", "green")
        return self._spinner or Text("-")

    def _counts(self, phase: Phase, width: int) -> Text:
        text = Text(phase.counts)
        counts = self._seen.counts
        if phase.name == RUNNING and counts.failed:
            text.append(f", {counts.failed:,} failed", "red")
        if phase.name == RUNNING and phase.is_active and width >= _NARROW:
            text.append(f", {counts.running:,} run, {self._seen.waiting:,} wait", "dim")
        if phase.note and width >= _NARROW:
            text.append(f"{', ' if text else ''}{phase.note}", "dim")
        return text

    def _strip(self, width: int, signs: bool) -> Iterator[Text]:
        nodes = self._seen.nodes
        if nodes is None or self._seen.is_cleaning or not (nodes.total or nodes.target):
            return
        numbers = {**nodes.numbers}
        if (missing := (nodes.target or 0) - nodes.total) > 0:
            numbers[_TO_COME] = missing
        strip = Text("Nodes ", no_wrap=True)
        for state, number in shares(numbers, min(_MOST_SIGNS, max(1, width - len(strip) - _MARGIN))).items():
            strip.append(_sign(state, signs) * number, _look(state).style)
        yield strip
        legend = Text("      ")
        for place, (state, number) in enumerate(numbers.items()):
            legend.append("  " if place else "")
            legend.append(_sign(state, signs), _look(state).style)
            legend.append(f" {number:,} {state}")
        yield legend

    def _summary(self) -> Iterator[Text]:
        facts = [pace_in_words(self._seen, self._now), money_in_words(self._seen)]
        if any(facts):
            yield Text("; ".join(fact for fact in facts if fact))


def _look(state: str) -> _Look:
    return _LOOKS.get(state, _OTHER)


def _sign(state: str, signs: bool) -> str:
    return _look(state).sign if signs else _look(state).plain


def _bar(phase: Phase) -> ProgressBar | Text:
    if not phase.total:
        return Text()
    return ProgressBar(total=phase.total, completed=min(phase.done, phase.total), width=_BAR)


def shares(numbers: Mapping[str, int], most: int) -> dict[str, int]:
    """How many signs each state gets: one for each node, or its share of them where nodes are more than that.

    Args:
        numbers: of nodes by state, none of them 0.
        most: signs that there is room for, if each state has one.
    """
    total = sum(numbers.values())
    if total <= most:
        return dict(numbers)
    return {state: max(1, number * most // total) for state, number in numbers.items()}
