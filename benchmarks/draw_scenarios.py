"""Draws what each autoscale scenario makes of a made-up load: the pictures in docs/pools.md.

    python -m benchmarks.draw_scenarios docs/scenarios.svg

The formulas are those that are sent, evaluated by localbatch's engine every five minutes. A node takes three minutes to
come; a task takes a quarter of an hour; half an hour in which no spot node is to be had begins at half past ten.
"""

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from localbatch.autoscale.formula import PoolSizes, evaluate
from prefect_azure_batch.blocks.pool_description import PoolDescription
from prefect_azure_batch.tasks.formulas import pool_formula
from prefect_azure_batch.tasks.records import PoolPlan

_BEGUN = datetime(2026, 1, 5, 7, tzinfo=UTC)
_HOURS = 13
_SLOTS = 4
_TASK_MINUTES, _NODE_MINUTES, _INTERVAL = 15, 3, 5
_ARRIVALS = {0: 60, 150: 300, 330: 60, 450: 340, 700: 40}
"""Tasks that are added, by the minute."""
_LAST_ONES = {0: 300}
_NO_SPOT = range(210, 240)

_LEASED_UNTIL = _BEGUN + timedelta(hours=12)
_SCENARIOS: dict[str, dict[str, Any]] = {
    "pending": {"nodes": 4, "spot_nodes": 8},
    "spot-first": {"nodes": 4, "spot_nodes": 8},
    "working-hours": {"nodes": 4, "spot_nodes": 4},
    "drain": {"nodes": 10},
}
_OPTIONS = {"working-hours": {"min_nodes": 1}}


@dataclass
class _Pool:
    """A pool that is simulated, minute by minute."""

    waiting: int = 0
    running: list[int] = field(default_factory=list)
    targets: tuple[int, int] = (0, 0)
    asked: int = 0
    nodes: tuple[int, int] = (0, 0)
    samples: list[float] = field(default_factory=list)

    def live(self, minute: int, arrivals: Mapping[int, int]) -> None:
        """One minute: tasks come, end and start, and nodes come and go."""
        self.waiting += arrivals.get(minute, 0)
        self.running = [left - 1 for left in self.running if left > 1]
        kept = (min(self.nodes[0], self.targets[0]), min(self.nodes[1], self.targets[1]))
        self.nodes = self.targets if minute - self.asked >= _NODE_MINUTES else kept
        if minute in _NO_SPOT:
            self.nodes = (self.nodes[0], 0)
        started = min(self.waiting, max(0, sum(self.nodes) * _SLOTS - len(self.running)))
        self.waiting -= started
        self.running += [_TASK_MINUTES] * started
        self.samples += [float(self.waiting + len(self.running))] * 2

    def scale(self, formula: str, minute: int) -> None:
        """Evaluates the formula."""
        samples: dict[str, Sequence[float]] = {
            "$PendingTasks": self.samples,
            "$CurrentDedicatedNodes": [self.nodes[0]],
            "$CurrentLowPriorityNodes": [self.nodes[1]],
        }
        sizes = PoolSizes(*self.targets, *self.nodes)
        outcome = evaluate(formula, samples=samples, pool=sizes, now=_BEGUN + timedelta(minutes=minute))
        if (outcome.dedicated, outcome.low_priority) != self.targets:
            self.targets, self.asked = (outcome.dedicated, outcome.low_priority), minute


def simulate(scenario: str) -> list[tuple[int, int, int]]:
    """Tasks that wait or run, dedicated nodes and spot nodes, for each minute."""
    asked = {**_SCENARIOS[scenario], "slots": _SLOTS, "autoscale": {"scenario": scenario, **_OPTIONS.get(scenario, {})}}
    arrivals = _LAST_ONES if scenario == "drain" else _ARRIVALS
    plan = PoolPlan("p", PoolDescription.model_validate(asked), tasks=arrivals[0])
    formula, pool, seen = pool_formula(plan, _BEGUN, _LEASED_UNTIL), _Pool(), []
    for minute in range(_HOURS * 60):
        if minute % _INTERVAL == 0:
            pool.scale(formula, minute)
        pool.live(minute, arrivals)
        seen.append((pool.waiting + len(pool.running), *pool.nodes))
    return seen


_WIDTH, _HEIGHT, _LEFT, _TOP = 780, 120, 60, 40
_MOST_TASKS, _MOST_NODES = 360, 13


def _line(values: Iterable[float], most: float, top: int) -> str:
    """A line through values for each minute; where they stay the same it has points at both ends alone."""
    heights = [round(top + _HEIGHT * (1 - value / most), 1) for value in values]
    around = zip([None, *heights], heights, [*heights[1:], None], strict=False)
    corners = [(minute, here) for minute, (before, here, after) in enumerate(around) if not before == here == after]
    return " ".join(f"{_LEFT + minute},{height:g}" for minute, height in corners)


def _panel(scenario: str, top: int) -> str:
    seen = simulate(scenario)
    base = top + _HEIGHT
    both = _line((dedicated + spot for _, dedicated, spot in seen), _MOST_NODES, top)
    dedicated = _line((dedicated for _, dedicated, _ in seen), _MOST_NODES, top)
    tasks = _line((tasks for tasks, _, _ in seen), _MOST_TASKS, top)
    corners = f"{_LEFT},{base}", f"{_LEFT + len(seen) - 1},{base}"
    hours = "".join(
        f'<text x="{_LEFT + 60 * hour}" y="{base + 14}" text-anchor="middle">{7 + hour}</text>'
        for hour in range(_HOURS + 1)
    )
    return (
        f'<text x="{_LEFT}" y="{top - 8}" class="name">{scenario}</text>'
        f'<polygon points="{corners[0]} {both} {corners[1]}" class="spot"/>'
        f'<polygon points="{corners[0]} {dedicated} {corners[1]}" class="dedicated"/>'
        f'<polyline points="{tasks}" class="tasks"/>'
        f'<text x="{_LEFT - 6}" y="{top + 10}" text-anchor="end">{_MOST_NODES}</text>'
        f'<text x="{_LEFT - 6}" y="{base}" text-anchor="end">0</text>'
        f'<line x1="{_LEFT}" x2="{_LEFT + _WIDTH}" y1="{base}" y2="{base}" class="axis"/>{hours}'
    )


_STYLE = (
    "text{font:11px sans-serif;fill:#444}.name{font-weight:bold;font-size:13px}.spot{fill:#9ecae1}"
    ".dedicated{fill:#3182bd}.tasks{fill:none;stroke:#e6550d;stroke-width:1.5}.axis{stroke:#888}"
)


def draw() -> str:
    """The picture: a panel for each scenario, the hours of a day from left to right."""
    step = _HEIGHT + 50
    height = _TOP + step * len(_SCENARIOS) + 20
    panels = "".join(_panel(name, _TOP + number * step) for number, name in enumerate(_SCENARIOS))
    legend = (
        '<rect x="300" y="12" width="12" height="12" class="dedicated"/><text x="316" y="22">dedicated nodes</text>'
        '<rect x="430" y="12" width="12" height="12" class="spot"/><text x="446" y="22">spot nodes</text>'
        f'<line x1="540" x2="556" y1="18" y2="18" class="tasks"/><text x="562" y="22">'
        f"pending tasks (top: {_MOST_TASKS})</text>"
    )
    box = f"0 0 {_LEFT + _WIDTH + 20} {height}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}"><style>{_STYLE}</style>'
        f'<rect width="100%" height="100%" fill="white"/>{legend}{panels}</svg>\n'
    )


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(draw())
