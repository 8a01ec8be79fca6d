"""What a map costs as inputs, nodes and time grow: requests by stage, bytes, records of Prefect, memory, CPU.

    python -m benchmarks.growth [--inputs 100 1000 10000] [--nodes 10 100 1000] [--only sweep files ...] [--json]

Each row is ``python -m flows.map_flow`` on a local Azure, told to a Prefect server with a new database, with the log of
a deployment. Rows of one kind differ in one number, x; after them comes what grows with it, by least squares: ``a`` for
no x at all, and ``b`` for each x. ``--only`` chooses kinds:

sweep      x is the number of inputs: parameters, no files
files      x is the number of inputs: files of some bytes, no two alike
processes  the same as ``files`` with tasks that run (``cat``), and so have logs to collect; up to 1,000 inputs
again      the same once more: all has been done, and is restored from storage
groups     x is the number of groups (``--group-size``) that 1,000 inputs go through the stages in
nodes      x is the number of nodes: 1,000 inputs in some 20 seconds
seconds    x is how long the tasks take: 100 at once

Nothing runs on simulated nodes, but each task leaves a log of a line, which is fetched. Columns: seconds and CPU
seconds of the flow's process and its peak memory in MiB; requests by what they are for, those of the nodes apart;
kilobytes of bodies sent and received; task runs, events, log lines and artifacts that Prefect has; CPU seconds of its
server, and how much its database has grown, in kilobytes.
"""

import argparse
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.arguments import amount, duration, one_of
from benchmarks.findings import show
from benchmarks.map_process import MIB, MapProcess
from benchmarks.prefect_servers import AS_DEPLOYED, busy, prefect
from benchmarks.simulated_map import make_files
from benchmarks.trial import heed_signals
from benchmarks.wire import NODES, STAGES, Wire, weighed
from localbatch.launcher import LocalAzure
from prefect_azure_batch.flows.environment import RECORDING

_TABLES = {"task runs": "task_run", "events": "events", "log lines": "log", "artifacts": "artifact"}
_SLOTS, _NODES, _AT_ONCE = 8, 50, 100
KINDS = ("sweep", "files", "processes", "again", "groups", "nodes", "seconds")
_LONG, _FEW, _MOST_PROCESSES = 20.0, 1000, 1000
_QUIET_SECONDS = 4.0
_KB = 1000


@dataclass(frozen=True)
class Row:
    """A run.

    Attributes:
        kind: what it is one of.
        x: what differs.
        inputs, nodes: how many.
        task_seconds: how long each task takes.
        has_files: whether inputs are files.
        driver: of the nodes.
        group_size: inputs that go through the stages together; None leaves it to the flow.
        is_again: it has been done before.
    """

    kind: str
    x: float
    inputs: int
    nodes: int = _NODES
    slots: int = _SLOTS
    task_seconds: float = 0.0
    has_files: bool = False
    driver: str = "simulated"
    group_size: int | None = None
    is_again: bool = False

    def arguments(self, folder: Path) -> list[str]:
        """Of the command line."""
        where = ["--nodes", str(self.nodes), "--slots", str(self.slots)]
        if self.group_size:
            where += ["--group-size", str(self.group_size)]
        if not self.has_files:
            return [*where, "--sweep", f"seed=1..{self.inputs}", "--command", "echo {seed}"]
        make_files(folder / "inputs", self.inputs)
        return [*where, "--inputs", str(folder / "inputs"), "--command", "cat {input}"]


def rows(asked: argparse.Namespace) -> Iterator[Row]:
    """All runs that were asked for."""
    for count in asked.inputs:
        yield Row("sweep", count, count)
    for count in asked.inputs:
        yield Row("files", count, count, has_files=True)
    for count in [count for count in asked.inputs if count <= _MOST_PROCESSES]:
        yield Row("processes", count, count, has_files=True, driver="process", nodes=2, slots=4)
        yield Row("again", count, count, has_files=True, driver="process", nodes=2, slots=4, is_again=True)
    for groups in asked.groups:
        yield Row("groups", groups, _FEW, group_size=-(-_FEW // groups))
    for nodes in asked.nodes:
        waves = max(1, -(-_FEW // (nodes * _SLOTS)))
        yield Row("nodes", nodes, _FEW, nodes, task_seconds=_LONG / waves)
    for seconds in asked.seconds:
        yield Row("seconds", seconds, _AT_ONCE, _AT_ONCE, 1, task_seconds=seconds)


@dataclass(frozen=True)
class Server:
    """The Prefect server that all runs tell of themselves."""

    url: str
    pid: int
    database: Path

    def records(self) -> dict[str, int]:
        """How many records of each kind it has, and the size of its database; when it writes no more."""
        known, since = self._count(), time.monotonic()
        while time.monotonic() - since < _QUIET_SECONDS:
            time.sleep(0.5)
            now = self._count()
            if now != known:
                known, since = now, time.monotonic()
        return known

    def _count(self) -> dict[str, int]:
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=60)) as rows:
            counts = {name: rows.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
                      for name, table in _TABLES.items()}  # fmt: skip
            pages, size = (rows.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
        return {**counts, "database kB": pages * size // _KB}


@dataclass
class Found:
    """What a run has cost."""

    row: Row
    numbers: dict[str, float] = field(default_factory=dict)


def measure(row: Row, server: Server) -> Found:
    """Carries out a run."""
    own = {**AS_DEPLOYED, "PREFECT_API_URL": server.url}
    options = (f"--task-seconds={row.task_seconds}",) if row.driver == "simulated" else ()
    with (
        tempfile.TemporaryDirectory(prefix="growth-") as name,
        LocalAzure(driver=row.driver, attach=False, options=options) as azure,
    ):
        folder = Path(name)
        arguments = row.arguments(folder)
        if row.is_again:
            MapProcess(azure.endpoints, folder / "before", arguments, own).wait()
        before, busy_before = server.records(), busy(server.pid)
        with weighed(azure.endpoints) as (endpoints, wire):
            process = MapProcess(endpoints, folder / "measured", arguments, own)
            cost = process.wait()
        if (ended := process.results()) != row.inputs:
            raise SystemExit(f"{ended} of {row.inputs} results are there:\n{process.said()[-2000:]}")
        after = server.records()
    records = {name: after[name] - before[name] for name in after}
    flow = {"seconds": cost.seconds, "CPU": cost.cpu, "MiB": cost.peak / MIB}
    return Found(row, {**flow, **_weights(wire), **records, "server CPU": busy(server.pid) - busy_before})


def _weights(wire: Wire) -> dict[str, float]:
    own = [stage for stage in wire.calls if stage != NODES]
    sent, received = (sum(weights[stage] for stage in own) / _KB for weights in (wire.sent, wire.received))
    calls = {stage: float(wire.calls[stage]) for stage in (*STAGES, NODES)}
    return {**calls, "sent kB": sent, "received kB": received}


def lines(found: Sequence[Found]) -> list[dict[str, object]]:
    """What was measured, with what grows after each kind."""
    table: list[dict[str, object]] = []
    for kind in dict.fromkeys(each.row.kind for each in found):
        alike = [each for each in found if each.row.kind == kind]
        table += [_line(kind, each.row.x, each.numbers) for each in alike]
        if len({each.row.x for each in alike}) > 1:
            xs = [each.row.x for each in alike]
            fits = {name: statistics.linear_regression(xs, [each.numbers[name] for each in alike])
                    for name in alike[0].numbers}  # fmt: skip
            table.append(_line(kind, "a", {name: fit.intercept for name, fit in fits.items()}))
            table.append(_line(kind, "b", {name: fit.slope for name, fit in fits.items()}))
    return table


def _line(kind: str, x: float | str, numbers: Mapping[str, float]) -> dict[str, object]:
    return {"kind": kind, "x": x, **{name: float(f"{number:.4g}") for name, number in numbers.items()}}


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--inputs", type=amount, nargs="+", default=[100, 1000, 10000])
    parser.add_argument("--groups", type=amount, nargs="+", default=[10, 50, 250])
    parser.add_argument("--nodes", type=amount, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--seconds", type=duration, nargs="+", default=[20.0, 80.0])
    parser.add_argument(
        "--only", nargs="+", default=[], type=one_of(KINDS), metavar="KIND", help=f"of {', '.join(KINDS)}"
    )
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args(arguments)
    heed_signals()
    wanted = [row for row in rows(asked) if not asked.only or row.kind in asked.only]
    with tempfile.TemporaryDirectory(prefix="growth-") as name:
        home = Path(name, "home")
        home.mkdir()
        with prefect(home, RECORDING) as (url, pid):
            server = Server(url, pid, home / "prefect.db")
            found = []
            for row in wanted:
                found.append(measure(row, server))
                print(row, found[-1].numbers, file=sys.stderr, flush=True)
    show(lines(found), as_json=asked.json)


if __name__ == "__main__":
    main()
