"""The pictures of a run's report, as SVG that needs nothing else. Pure."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby, pairwise

from prefect_azure_batch.blocks.hiding import without_hidden
from prefect_azure_batch.flows.run_times import BINS, NodeTimes, RunTimes

WIDTH = 1000
"""Units of the pictures; they are shown as wide as there is room."""

KINDS = {
    "wait": "waiting for a machine",
    "starting": "starting",
    "startup": "start task",
    "idle": "idle",
    "coordination": "coordination command",
    "task": "task",
    "again": "task that has begun more than once",
    "failed": "task that failed",
    "lost": "preempted",
    "dead": "not usable",
}
"""What is drawn of a node, and what it means; the names are classes of the style."""

_COLOURS = {
    "wait": ("#c3c8d1", "#4a4e57"),
    "starting": ("#f2c868", "#8a6a1e"),
    "startup": ("#c98f10", "#c99a34"),
    "idle": ("#e9ebef", "#2b2e35"),
    "coordination": ("#2a9d8f", "#3fb8a9"),
    "task": ("#2a78c9", "#5aa2ea"),
    "again": ("#8457c2", "#a98be0"),
    "failed": ("#c9302c", "#f0706b"),
    "lost": ("#3a3d44", "#d7d9de"),
    "dead": ("#e3a09e", "#7d3230"),
}
STYLE = "".join(f".{kind}{{fill:light-dark({light},{dark})}}" for kind, (light, dark) in _COLOURS.items())
"""Colours of all that is drawn, by light and dark pages."""

_LEFT, _RIGHT, _BOTTOM = 84, 10, 30
_PLOT = WIDTH - _LEFT - _RIGHT
_MOST_ROWS, _MOST_LANES, _MOST_TITLES = 100, 400, 2_500
_HISTOGRAM_BINS = 40
_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 21600, 43200, 86400)
_LEVELS = 5
_MARKED, _MOST_MARKS = ("failed", "again"), 500
# Of the picture that a browser gets in an address, which has to stay below 100 KB; a box takes about 25 bytes of it.
_MOST_BOXES, _IMAGE_ROWS, _FEWEST_BINS = 2_200, 60, 10


def clock(seconds: float) -> str:
    """A time in the words of a person: 4.2 s, 3 min 20 s, 2 h 05 min."""
    if seconds < 100:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


@dataclass(frozen=True)
class _Box:
    """A rectangle: how long something lasted, in seconds, and which part of its row's height it takes."""

    kind: str
    begin: float
    end: float
    title: str = ""
    top: float = 0.0
    bottom: float = 1.0
    strength: float = 1.0


@dataclass(frozen=True)
class _Row:
    label: str
    title: str
    height: float
    boxes: Sequence[_Box]


def kinds_in(times: RunTimes) -> list[str]:
    """What a timeline shows, in the order of ``KINDS``."""
    return _kinds_of(_rows(times, _MOST_ROWS))


def _kinds_of(rows: Sequence[_Row]) -> list[str]:
    found = {box.kind for row in rows for box in row.boxes}
    return [kind for kind in KINDS if kind in found]


def timeline(times: RunTimes) -> Iterator[str]:
    """Tasks on nodes over time: a row for each node, a bar for each task; of very many how busy nodes were."""
    rows = _rows(times, _MOST_ROWS)
    yield _open(sum(row.height for row in rows) + _BOTTOM, "Tasks on nodes over time")
    paint = _titled if sum(len(row.boxes) for row in rows) <= _MOST_TITLES else _merged
    yield from _painted(rows, times.seconds, paint)
    yield "</svg>"


def timeline_image(times: RunTimes) -> str:
    """The same as a picture that stands alone, below 100 KB also when a browser gets it in an address."""
    rows, bins = _rows(times, _IMAGE_ROWS), BINS
    while sum(len(row.boxes) for row in rows) > _MOST_BOXES and bins > _FEWEST_BINS:
        rows, bins = _rows(times, _IMAGE_ROWS, drawn_singly=False, bins=bins), bins // 2
    height = sum(row.height for row in rows) + _BOTTOM
    style = (
        ":root{color-scheme:light dark}text{font:11px system-ui,sans-serif;fill:light-dark(#565b65,#9a9fa9)}"
        ".right{text-anchor:end}.middle{text-anchor:middle}.axis{stroke:light-dark(#c9ccd3,#3a3d44)}"
        f".back{{fill:light-dark(#fff,#17181b)}}{STYLE}"
    )
    return "".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 -24 {WIDTH} {height + 24:.0f}" width="{WIDTH}">',
            f'<style>{style}</style><rect class="back" y="-24" width="{WIDTH}" height="{height + 24:.0f}"/>',
            *_legend(_kinds_of(rows)),
            *_painted(rows, times.seconds, _merged),
            "</svg>",
        ]
    )


def _legend(kinds: Sequence[str]) -> Iterator[str]:
    x = float(_LEFT)
    for kind in kinds:
        yield f'<rect class="{kind}" x="{x:.0f}" y="-18" width="11" height="11"/>'
        yield f'<text x="{x + 15:.0f}" y="-8">{KINDS[kind]}</text>'
        x += 36 + 5.6 * len(KINDS[kind])


def _rows(times: RunTimes, most: int, *, drawn_singly: bool = True, bins: int = BINS) -> list[_Row]:
    """A row for each node, or for several that came one after the other."""
    nodes, lanes = times.nodes, sum(max(1, len(node.ends)) for node in times.nodes)
    marked = sum(span.kind in _MARKED for node in nodes for span in node.spans) <= _MOST_MARKS
    if (
        drawn_singly
        and len(nodes) <= most
        and lanes <= _MOST_LANES
        and all(node.spans or not node.tasks for node in nodes)
    ):
        lane = next((size for number, size in ((4, 40.0), (8, 28.0), (60, 12.0), (150, 7.0)) if lanes <= number), 4.0)
        return [
            _Row(f"{number}", _title(node), max(1, len(node.ends)) * lane + 3, [*_life(node, times), *_bars(node)])
            for number, node in enumerate(nodes, start=1)
        ]
    size = -(-len(nodes) // most)
    groups = [nodes[first : first + size] for first in range(0, len(nodes), size)]
    height = 18.0 if len(groups) <= 40 else 9.0
    return [
        _Row(
            f"{number}" if size == 1 else f"{(number - 1) * size + 1}-{(number - 1) * size + len(group)}",
            _title(group[0]) if size == 1 else f"{len(group)} nodes, {sum(node.tasks for node in group):,} tasks",
            height,
            [
                *(_life(group[0], times) if size == 1 else _lives(group)),
                *_strip(group, times, bins),
                *(_marks(group) if marked else ()),
            ],
        )
        for number, group in enumerate(groups, start=1)
    ]


def _title(node: NodeTimes) -> str:
    return f"{node.node_id}{', spot' if node.is_spot else ''}, {node.tasks:,} tasks"


def _life(node: NodeTimes, times: RunTimes) -> Iterator[_Box]:
    """What a node did besides its tasks."""
    if node.begin is None or node.end is None:
        yield _Box("idle", 0.0, times.seconds)
        return
    if node.asked is not None:
        yield _Box(
            "wait", node.asked, node.begin, f"waiting for a machine: {clock(node.begin - node.asked)}", 0.35, 0.65
        )
    yield _Box("idle", node.begin, node.end)
    if node.ready is not None:
        yield _Box("starting", node.begin, node.ready, f"starting: {clock(node.ready - node.begin)}")
    elif not node.absences:
        what = "dead" if node.is_dead else "starting"
        yield _Box(what, node.begin, node.end, f"{KINDS[what]}: {clock(node.end - node.begin)}")
    if node.start_task:
        begin, end = node.start_task
        yield _Box("startup", begin, end, f"start task: {clock(end - begin)}")
    for begin, end in node.absences:
        yield _Box("lost", begin, end, f"preempted for {clock(end - begin)}", 0.2, 0.8)


def _lives(nodes: Sequence[NodeTimes]) -> Iterator[_Box]:
    begins, ends = [node.begin or 0.0 for node in nodes], [node.end for node in nodes if node.end is not None]
    if ends:
        yield _Box("idle", min(begins), max(ends))


def _bars(node: NodeTimes) -> Iterator[_Box]:
    lanes = max(1, len(node.ends))
    for span in node.spans:
        title = f"{span.label}: {clock(span.end - span.begin)}"
        top, bottom = span.lane / lanes, (span.lane + (0.86 if lanes > 1 else 1)) / lanes
        yield _Box(span.kind, span.begin, span.end, title, top, bottom)


def _strip(nodes: Sequence[NodeTimes], times: RunTimes, bins: int) -> Iterator[_Box]:
    """How busy nodes were: the more, the darker."""
    width, step = times.seconds / BINS, BINS / bins
    edges = [round(number * step) for number in range(bins + 1)]
    ready = min((node.ready or 0.0 for node in nodes), default=0.0)
    levels = []
    for first, last in pairwise(edges):
        busy = sum(sum(node.busy[first:last]) for node in nodes)
        whole = (last - first) * width * times.places * len(nodes)
        share = min(1.0, busy / whole) if whole else 0.0
        levels.append((first, last, -(-int(share * 100) * _LEVELS // 100) if share else 0))
    for level, several in groupby(levels, key=lambda each: each[2]):
        found = list(several)
        if level:
            title = f"about {level / _LEVELS:.0%} busy"
            begin, end = max(ready, found[0][0] * width), found[-1][1] * width
            yield _Box("task", begin, max(begin, end), title, strength=level / _LEVELS)


def _marks(nodes: Sequence[NodeTimes]) -> Iterator[_Box]:
    """What is not to be lost where tasks are not drawn one by one."""
    for node in nodes:
        for span in node.spans:
            if span.kind in _MARKED:
                yield _Box(span.kind, span.begin, span.end, span.label, 0.25, 0.75)


Paint = Callable[[Sequence[_Box], float, float, float], Iterator[str]]


def _painted(rows: Sequence[_Row], seconds: float, paint: Paint) -> Iterator[str]:
    top = 0.0
    step = max(1, round(14 / rows[0].height + 0.49)) if rows else 1
    narrow = step * max(1, round(32 / (step * rows[0].height) + 0.49)) if rows else 1
    for number, row in enumerate(rows):
        yield f"<g><title>{plain(row.title)}</title>"
        if number % step == 0:
            side = "" if number % narrow == 0 else " side"
            middle = top + min(row.height * step, row.height) / 2 + 4
            yield f'<text x="{_LEFT - 6}" y="{middle:.0f}" class="right{side}">{row.label}</text>'
        yield from paint(row.boxes, seconds, top, row.height - 3)
        yield "</g>"
        top += row.height
    yield f'<text x="{_LEFT - 6}" y="{top + 21:.0f}" class="right">node</text>'
    yield from _time_axis(top, seconds)


def _place(box: _Box, seconds: float, top: float, height: float) -> tuple[float, float, float, float]:
    x = _LEFT + box.begin / seconds * _PLOT
    return x, top + box.top * height, max(0.8, (box.end - box.begin) / seconds * _PLOT), (box.bottom - box.top) * height


def _titled(boxes: Sequence[_Box], seconds: float, top: float, height: float) -> Iterator[str]:
    """A rectangle for each, which tells what it is to whom points at it."""
    for box in boxes:
        x, y, width, tall = _place(box, seconds, top, height)
        strength = f' opacity="{box.strength:.1f}"' if box.strength < 1 else ""
        title = f"<title>{plain(box.title)}</title>" if box.title else ""
        yield (
            f'<rect class="{box.kind}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{tall:.1f}"{strength}>'
            f"{title}</rect>"
        )


def _merged(boxes: Sequence[_Box], seconds: float, top: float, height: float) -> Iterator[str]:
    """All of a kind as one shape, which takes few bytes."""
    shapes = dict[tuple[str, float], list[str]]()
    for box in boxes:
        x, y, width, tall = _place(box, seconds, top, height)
        shape = f"M{x:.1f} {y:.1f}h{width:.1f}v{tall:.1f}h-{width:.1f}z"
        shapes.setdefault((box.kind, box.strength), []).append(shape)
    for (kind, strength), several in shapes.items():
        opacity = f' opacity="{strength:.1f}"' if strength < 1 else ""
        yield f'<path class="{kind}"{opacity} d="{"".join(several)}"/>'


def histogram(times: RunTimes) -> Iterator[str]:
    """How long tasks ran: number of tasks by seconds."""
    durations = sorted(times.durations)
    longest = durations[-1] or 1e-3
    bins = [0] * _HISTOGRAM_BINS
    for duration in durations:
        bins[min(int(duration / longest * _HISTOGRAM_BINS), _HISTOGRAM_BINS - 1)] += 1
    yield from _columns(bins, longest, "Number of tasks by how long they ran")


def throughput(times: RunTimes) -> Iterator[str]:
    """How many tasks ended when."""
    step = BINS // 50
    bins = [sum(times.ended[begin : begin + step]) for begin in range(0, BINS, step)]
    yield from _columns(bins, times.seconds, "Number of tasks that ended, over time")


def _columns(bins: Sequence[int], seconds: float, title: str) -> Iterator[str]:
    height, most, width = 120, max(bins) or 1, _PLOT / len(bins)
    yield _open(height + _BOTTOM, title)
    yield f'<text x="{_LEFT - 6}" y="16" class="right">{most:,}</text>'
    yield f'<text x="{_LEFT - 6}" y="{height}" class="right">0</text>'
    for number, tasks in enumerate(bins):
        if tasks:
            tall = max(1.0, tasks / most * height)
            begin, end = clock(number * seconds / len(bins)), clock((number + 1) * seconds / len(bins))
            yield (
                f'<rect class="task" x="{_LEFT + number * width:.1f}" y="{height - tall:.1f}" width="{width - 1:.1f}" '
                f'height="{tall:.1f}"><title>{tasks:,} tasks, {begin} to {end}</title></rect>'
            )
    yield from _time_axis(height, seconds)
    yield "</svg>"


def _time_axis(top: float, seconds: float) -> Iterator[str]:
    yield f'<line class="axis" x1="{_LEFT}" y1="{top:.0f}" x2="{WIDTH - _RIGHT}" y2="{top:.0f}"/>'
    step = next((step for step in _STEPS if seconds / step <= 8), -(-seconds // (8 * 86400)) * 86400)
    for number in range(int(seconds / step) + 1):
        x = _LEFT + number * step / seconds * _PLOT
        anchor = "left" if number == 0 else "right" if x > WIDTH - 40 else "middle"
        yield f'<line class="axis" x1="{x:.0f}" y1="{top:.0f}" x2="{x:.0f}" y2="{top + 5:.0f}"/>'
        side = "" if number % 3 == 0 else " side"
        yield f'<text x="{x:.0f}" y="{top + 21:.0f}" class="{anchor}{side}">{_tick(number * step, seconds)}</text>'


def _tick(moment: float, seconds: float) -> str:
    """Of an axis: 90 s is 1:30."""
    if seconds <= 100:
        return f"{moment:g} s"
    minutes, rest = divmod(round(moment), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d} h" if seconds >= 7200 else f"{hours * 60 + minutes}:{rest:02d} min"


def plain(text: str) -> str:
    """A text of others, without secrets, and without what a browser would obey instead of show."""
    return escape(without_hidden(text))


def _open(height: float, title: str) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(title)}">'
