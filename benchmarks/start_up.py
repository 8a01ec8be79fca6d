"""What the start of a map from the command line takes, by phases: to its first task, and from its last to the exit.

    python -m benchmarks.start_up [--rounds 3] [--json] [CASE...]

Each run has four small files and a local Azure of its own, which begins with it. The cases take turns, and medians are
shown, but for ``cold``, which comes first and once.

cold     a new home of Prefect: its temporary server makes its database first, as in the first run of all
warm     the home is there, and a temporary server starts for the run
server   a Prefect server is there
both     a Prefect server and a local Azure are there

Azurite is installed already, and modules are compiled, as pip does. The phases end when

begun    the flow run is running: all is imported, a server has answered
checked  the creation of the pool begins: inputs are found, the account was looked at
opened   pool and job are there
task     the first task runs: inputs are in storage, the tasks are added
tasks    the last task has ended
done     the flow run has ended: outputs are collected, job and pool deleted, Prefect knows of all
exit     the process has ended, and with it all that it has started

by the records of Prefect's server, the times of Batch, and the clock here. ``first task`` is the sum of the first four,
``cpu`` the processor seconds of all processes that the run has started.
"""

import argparse
import json
import os
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from benchmarks.arguments import amount, one_of
from benchmarks.findings import Target, at_most, show
from benchmarks.prefect_servers import free_port, unset
from benchmarks.trial import heed_signals, prefect_server, wait_until
from localbatch.launcher import CONNECTION_VARIABLE, LocalAzure

CASES = ("cold", "warm", "server", "both")
PHASES = ("begun", "checked", "opened", "task", "tasks", "done", "exit")
_TARGETS = {"warm": 5.0, "server": 3.0}
_INPUTS = 4


@dataclass(frozen=True)
class Case:
    """Where a run finds its services.

    Attributes:
        home: of Prefect.
        database: of the Prefect server that the run talks to.
        variables: environment variables that say where services are.
    """

    home: Path
    database: Path
    variables: Mapping[str, str]


def measure(case: Case, folder: Path) -> dict[str, float]:
    """Seconds of each phase of a run."""
    command = [
        sys.executable, "-m", "prefect_azure_batch.flows.map_flow", "--inputs", str(folder / "inputs"), "--command",
        "wc -c < {input}", "--no-resume", "--results", str(folder / "results"), "--json",
    ]  # fmt: skip
    kept = {name: value for name, value in unset().items() if name != "PYTHONDONTWRITEBYTECODE"}
    variables = kept | {"PREFECT_HOME": str(case.home), **case.variables}
    before, begun = _busy(), time.time()
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    ended, after = time.time(), _busy()
    if done.returncode:
        raise SystemExit(f"the map ended with {done.returncode}: {done.stderr[-2000:]}")
    result = json.loads(done.stdout)
    tasks = [[_instant(task[name]) for name in ("started", "ended")] for task in result["tasks"]]
    run, opened = _recorded(case.database, result["run_id"].partition("-")[2])
    moments = [begun, run[0], *opened, min(first for first, _ in tasks), max(last for _, last in tasks), run[1], ended]
    phases = {name: later - sooner for name, (sooner, later) in zip(PHASES, pairwise(moments), strict=True)}
    return {**phases, "first task": moments[4] - begun, "total": ended - begun, "cpu": after - before}


def _busy() -> float:
    """Processor seconds of processes that this one has started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _instant(text: str) -> float:
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _recorded(database: Path, flow_run_id: str) -> tuple[tuple[float, float], tuple[float, float]]:
    """Begin and end of a flow run; and when its pool began to be made, and when its job was there."""
    of_run = "SELECT start_time, end_time FROM flow_run WHERE id = ?"
    of_tasks = (
        "SELECT min(start_time), max(end_time) FROM task_run WHERE flow_run_id = ? AND name IN "
        "('Create pool', 'Create job') AND end_time IS NOT NULL HAVING count(*) = 2"
    )
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as server:
        # One that stays records task runs in its own time.
        wait_until(lambda: server.execute(of_tasks, [flow_run_id]).fetchone(), 60)
        run, opened = (server.execute(query, [flow_run_id]).fetchone() for query in (of_run, of_tasks))
    return (_instant(run[0]), _instant(run[1])), (_instant(opened[0]), _instant(opened[1]))


def rows(asked: argparse.Namespace, folder: Path) -> Iterator[dict[str, object]]:
    """A row for each case."""
    (folder / "inputs").mkdir()
    for number in range(_INPUTS):
        (folder / "inputs" / f"{number}.txt").write_text(f"{number}")
    chosen = [name for name in CASES if not asked.words or name in asked.words]
    found: dict[str, list[dict[str, float]]] = {name: [] for name in chosen}
    with ExitStack() as stack:
        cases = _cases(stack, folder, chosen)
        for number in range(asked.rounds + 1):
            for name in chosen:
                if name == "cold" and number:
                    continue
                measured = measure(cases[name], folder)
                if name == "cold" or number:  # a first run fills caches of files for those that follow
                    found[name].append(measured)
    for name, some in found.items():
        yield {"case": name} | {key: round(statistics.median(each[key] for each in some), 2) for key in some[0]}


def _cases(stack: ExitStack, folder: Path, chosen: Sequence[str]) -> dict[str, Case]:
    own, lasting = folder / "home", folder / "lasting"
    cases = {name: Case(own, own / "prefect.db", {}) for name in ("cold", "warm")}
    if not {"server", "both"}.intersection(chosen):
        return cases
    url, _ = stack.enter_context(prefect_server(lasting, free_port()))
    azure, connection = stack.enter_context(LocalAzure(attach=False)), folder / "azure.json"
    connection.write_text(azure.endpoints.to_line())
    server = {"PREFECT_API_URL": url}
    cases["server"] = Case(lasting, lasting / "prefect.db", server)
    cases["both"] = Case(lasting, lasting / "prefect.db", {**server, CONNECTION_VARIABLE: str(connection)})
    return cases


def targets(found: Sequence[Mapping[str, object]]) -> list[Target]:
    """What is wanted of the rows."""
    first = {str(row["case"]): float(str(row["first task"])) for row in found}
    return [
        at_most(bound, first[name], f"seconds to the first task, {name}")
        for name, bound in _TARGETS.items()
        if name in first
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=amount, default=3, help="of which medians are taken")
    parser.add_argument("--json", action="store_true", help="print JSON")
    said = f"{', '.join(CASES)}; all of them unless said"
    parser.add_argument("words", nargs="*", type=one_of(CASES), metavar="CASE", help=said)
    asked = parser.parse_args(arguments)
    heed_signals()
    os.environ.pop(CONNECTION_VARIABLE, None)
    with tempfile.TemporaryDirectory(prefix="start-up-") as folder:
        found = list(rows(asked, Path(folder)))
    show(found, targets(found), as_json=asked.json)


if __name__ == "__main__":
    main()
