"""The pictures of a run's report, as SVG that needs nothing else. Pure."""

from collections.abc import Iterator, Sequence
from html import escape

from prefect_azure_batch.flows.run_times import BINS, NodeTimes, RunTimes

WIDTH = 1000
"""Units of the pictures; they are shown as wide as there is room."""

_LEFT, _RIGHT, _BOTTOM = 74, 10, 30
_PLOT = WIDTH - _LEFT - _RIGHT
_MOST_ROWS = 200
_HISTOGRAM_BINS = 40


def clock(seconds: float) -> str:
    """A time in the words of a person: 4.2 s, 3 min 20 s, 2 h 05 min."""
    if seconds < 100:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def timeline(times: RunTimes) -> Iterator[str]:
    """Tasks on nodes over time: a row for each node, a bar for each task; of very many how busy each node was."""
    shown = times.nodes[:_MOST_ROWS]
    lane = 12.0 if sum(max(1, len(node.ends)) for node in shown) <= 60 else 4.0
    heights = [max(1, len(node.ends)) * lane + 4 for node in shown]
    yield _open(sum(heights) + _BOTTOM, "Tasks on nodes over time")
    top = 0.0
    for number, (node, height) in enumerate(zip(shown, heights, strict=True), start=1):
        yield f'<g transform="translate(0 {top:.0f})"><title>{escape(node.node_id)}, {node.tasks} tasks</title>'
        yield f'<rect class="idle" x="{_LEFT}" y="1" width="{_PLOT}" height="{height - 3:.0f}"/>'
        yield f'<text x="{_LEFT - 6}" y="{height / 2 + 3:.0f}" class="right">node {number}</text>'
        yield from _bars(node, times.seconds, lane) if node.spans else _strip(node, times, height)
        yield "</g>"
        top += height
    yield from _time_axis(top, times.seconds)
    yield "</svg>"
    if len(times.nodes) > _MOST_ROWS:
        yield f"<p>The first {_MOST_ROWS} of {len(times.nodes)} nodes.</p>"


def _bars(node: NodeTimes, seconds: float, lane: float) -> Iterator[str]:
    for span in node.spans:
        width = max(0.8, (span.end - span.begin) / seconds * _PLOT)
        kind = "bad" if span.failed else "good"
        yield (
            f'<rect class="{kind}" x="{_LEFT + span.begin / seconds * _PLOT:.1f}" y="{2 + span.lane * lane:.0f}" '
            f'width="{width:.1f}" height="{lane - 1:.0f}"><title>{escape(span.label)}: '
            f"{clock(span.end - span.begin)}</title></rect>"
        )


def _strip(node: NodeTimes, times: RunTimes, height: float) -> Iterator[str]:
    most = max(max(each.busy) for each in times.nodes) or 1
    for number, busy in enumerate(node.busy):
        if busy:
            yield (
                f'<rect class="good" x="{_LEFT + number * _PLOT / BINS:.1f}" y="2" width="{_PLOT / BINS + 0.3:.1f}" '
                f'height="{height - 5:.0f}" opacity="{busy / most:.2f}"/>'
            )


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
    yield f'<text x="{_LEFT - 6}" y="10" class="right">{most:,}</text>'
    yield f'<text x="{_LEFT - 6}" y="{height}" class="right">0</text>'
    for number, tasks in enumerate(bins):
        if tasks:
            tall = max(1.0, tasks / most * height)
            begin, end = clock(number * seconds / len(bins)), clock((number + 1) * seconds / len(bins))
            yield (
                f'<rect class="good" x="{_LEFT + number * width:.1f}" y="{height - tall:.1f}" width="{width - 1:.1f}" '
                f'height="{tall:.1f}"><title>{tasks:,} tasks, {begin} to {end}</title></rect>'
            )
    yield from _time_axis(height, seconds)
    yield "</svg>"


def _time_axis(top: float, seconds: float) -> Iterator[str]:
    yield f'<line class="axis" x1="{_LEFT}" y1="{top:.0f}" x2="{WIDTH - _RIGHT}" y2="{top:.0f}"/>'
    for part in range(5):
        place = ("left", "middle side", "middle", "middle side", "right")[part]
        x = _LEFT + part / 4 * _PLOT
        yield f'<text x="{x:.0f}" y="{top + 19:.0f}" class="{place}">{clock(part / 4 * seconds)}</text>'


def _open(height: float, title: str) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(title)}">'
