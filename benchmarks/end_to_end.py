"""A map from the command line against what a user would have written: seconds, side by side in one run.

    python -m benchmarks.end_to_end [--inputs 4 100 1000 10000] [--rounds 3] [--latency-ms 30] [--airflow PYTHON]
                                    [--json] [CONTENDER...]

Each contender runs ``wc -c`` over so many small files on four nodes with four slots of one local Azure, which is there
already, as are the flow's Prefect server and Airflow's database. They take turns, and medians are shown, with the
processor seconds of the contender's own processes. Each must have an answer for each file, or the benchmark fails.

xargs    the same commands on this machine with 16 at a time, without any Azure: what the work itself takes
plain    plain_script.py: the SDKs, one call after the other
good     good_script.py: the SDKs with threads, bulk calls and counts
airflow  dags/over_inputs.py: Airflow's AzureBatchOperator, mapped over the inputs; only with ``--airflow PYTHON``,
         which has it
flow     ``python -m flows.map_flow``

They do not leave the same behind. The scripts and the DAG download what tasks print on stdout, and nothing else. The
flow has its nodes upload what tasks print on stdout and stderr, downloads that, writes a report and a ledger, and can
be killed at any moment and run again without doing anything twice.

There are as many rounds as are asked for below 1,000 inputs, one fewer from there on, and two fewer from 10,000 on.
What takes minutes and says nothing new is left out: ``xargs`` and ``plain`` have at most 1,000 inputs, and ``airflow``
has one round of at most 100.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.arguments import amount, duration
from benchmarks.findings import Target, at_least, at_most, show
from benchmarks.machine import airflow_versions
from benchmarks.prefect_servers import free_port
from benchmarks.simulated_map import make_files
from benchmarks.trial import heed_signals, prefect_server
from localbatch.launcher import CONNECTION_VARIABLE, LocalAzure

NODES, SLOTS = 4, 4
COMMAND = "wc -c < {input}"
HERE = Path(__file__).parent
IMPORT_SECONDS = 4.0
"""What the target allows the flow for importing Prefect."""
_MOST_INPUTS = 10_000  # the scripts read one directory


@dataclass(frozen=True)
class Place:
    """Where a contender finds and leaves things.

    Attributes:
        inputs: directory of the files, which are in directories of it.
        results: directory to be made.
        connection: file that says how the local Azure is reached.
        airflow: a Python that has Airflow; None if there is none.
    """

    inputs: Path
    results: Path
    connection: Path
    airflow: str | None


@dataclass(frozen=True)
class Measured:
    """What a contender took."""

    seconds: float
    processor_seconds: float


@dataclass(frozen=True)
class Contender:
    """One way to do it.

    Attributes:
        name: of the column.
        command: what is run.
        most: how many inputs it is given.
        rounds: how many rounds it takes part in.
    """

    name: str
    command: Callable[[Place], list[str]]
    most: int = _MOST_INPUTS
    rounds: int = 1000


def xargs(place: Place) -> list[str]:
    """The work alone."""
    one = f"wc -c < @ > {place.results}/$(basename @)"
    each = f"xargs -0 -P {NODES * SLOTS} -I@ sh -c '{one}'"
    return ["/bin/bash", "-c", f"mkdir {place.results} && find {place.inputs} -type f -print0 | {each}"]


def script(name: str, place: Place, python: str = sys.executable) -> list[str]:
    """A script of this directory."""
    files = (str(place.connection), str(place.inputs / "000"), str(place.results))
    return [python, str(HERE / name), *files, str(NODES), str(SLOTS), COMMAND]


def flow(place: Place) -> list[str]:
    """Ours."""
    return [
        sys.executable, "-m", "prefect_azure_batch.flows.map_flow", "--inputs", str(place.inputs),
        "--command", COMMAND, "--nodes", str(NODES), "--slots", str(SLOTS), "--results", str(place.results),
        "--no-resume",
    ]  # fmt: skip


CONTENDERS = (
    Contender("xargs", xargs, most=1000),
    Contender("plain", lambda place: script("plain_script.py", place), most=1000),
    Contender("good", lambda place: script("good_script.py", place)),
    Contender("airflow", lambda place: script("dags/over_inputs.py", place, str(place.airflow)), most=100, rounds=1),
    Contender("flow", flow),
)


def answers(results: Path) -> int:
    """How many files hold a number and nothing else."""
    texts = (file.read_bytes() for file in results.rglob("*") if file.suffix == ".txt")
    return sum(text.strip().isdigit() for text in texts)


def measure(contender: Contender, count: int, variables: Mapping[str, str], airflow: str | None) -> Measured:
    """What a contender takes over so many files of its own."""
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder, "inputs"), Path(folder, "results"), Path(variables[CONNECTION_VARIABLE]), airflow)
        make_files(place.inputs, count)
        command = contender.command(place)
        begun, before = time.perf_counter(), processor_seconds()
        done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
        measured = Measured(time.perf_counter() - begun, processor_seconds() - before)
        if done.returncode:
            raise SystemExit(f"{done.stderr[-2000:]}\n{contender.name}, {count} inputs: exit status {done.returncode}")
        if (found := answers(place.results)) != count:
            raise SystemExit(f"{contender.name}: {found} answers for {count} inputs")
    return measured


def processor_seconds() -> float:
    """What programs that have ended, and were waited for, have taken of the processors."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def rounds_of(asked: int, count: int) -> int:
    """Fewer where they take longer."""
    return max(1, asked - (count >= 1000) - (count >= 10_000))


def medians(asked: argparse.Namespace, variables: Mapping[str, str]) -> Iterator[tuple[int, str, Measured]]:
    """Of all contenders, for each number of inputs."""
    chosen = [each for each in CONTENDERS if each.name in asked.contenders]
    for count in asked.inputs:
        taken: dict[str, list[Measured]] = {each.name: [] for each in chosen if count <= each.most}
        for number in range(rounds_of(asked.rounds, count)):
            for each in chosen:
                if each.name in taken and number < each.rounds:
                    taken[each.name].append(measure(each, count, variables, asked.airflow))
                    print(f"{count} inputs, {each.name}: {taken[each.name][-1].seconds:.2f} s", file=sys.stderr)
        for name, some in taken.items():
            seconds = statistics.median(each.seconds for each in some)
            yield count, name, Measured(seconds, statistics.median(each.processor_seconds for each in some))


def rows(found: Mapping[tuple[int, str], Measured]) -> list[dict[str, object]]:
    """A row for each contender and each number of inputs."""
    return [
        {
            "inputs": count, "contender": name, "seconds": round(took.seconds, 2),
            "of good": round(took.seconds / good.seconds, 2) if (good := found.get((count, "good"))) else "",
            "its CPU seconds": round(took.processor_seconds, 2),
        }
        for (count, name), took in found.items()
    ]  # fmt: skip


def targets(found: Mapping[tuple[int, str], Measured], latency_ms: float) -> list[Target]:
    """Those that what was measured says something of."""
    seconds = {key: took.seconds for key, took in found.items()}
    answered: list[Target] = []
    if latency_ms:
        if {(1000, "plain"), (1000, "flow")} <= seconds.keys():
            times = seconds[1000, "plain"] / seconds[1000, "flow"]
            answered += [at_least(10, times, f"1,000 inputs, {latency_ms:g} ms of latency: plain script / flow")]
        return answered
    if {(4, "good"), (4, "flow")} <= seconds.keys():
        allowed = 1.5 * seconds[4, "good"] + IMPORT_SECONDS
        answered += [at_most(1, seconds[4, "flow"] / allowed, "4 inputs: flow / (1.5 x good script + 4 s)")]
    if {(1000, "good"), (1000, "flow")} <= seconds.keys():
        times = seconds[1000, "flow"] / seconds[1000, "good"]
        answered += [at_most(1, times, "1,000 inputs: flow / good script")]
    if {(10_000, "good"), (10_000, "flow")} <= seconds.keys():
        times = seconds[10_000, "good"] / seconds[10_000, "flow"]
        answered += [at_least(1.3, times, "10,000 inputs: good script / flow")]
    return answered


def read(arguments: Sequence[str] | None) -> argparse.Namespace:
    """What is asked for."""
    names = [each.name for each in CONTENDERS]
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--inputs", nargs="+", type=amount, default=[4, 100, 1000], help="how many: rows for each")
    parser.add_argument("--rounds", type=amount, default=3, help="of which medians are taken")
    parser.add_argument("--latency-ms", type=duration, default=0.0, help="by how much each answer of Azure is late")
    parser.add_argument("--airflow", metavar="PYTHON", help="a Python that has Airflow and its provider for Azure")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("contenders", nargs="*", metavar="CONTENDER", help=f"of {', '.join(names)}; all unless said")
    asked = parser.parse_args(arguments)
    if any(count > _MOST_INPUTS for count in asked.inputs):
        parser.error(f"--inputs: 1 to {_MOST_INPUTS}")
    if unknown := [word for word in asked.contenders if word not in names]:
        parser.error(f"no contender is called {unknown[0]!r}: {', '.join(names)}")
    if asked.airflow and not airflow_versions(asked.airflow):
        parser.error(f"--airflow: {asked.airflow} is no Python that has Airflow and its provider for Azure")
    if "airflow" in asked.contenders and not asked.airflow:
        parser.error("airflow: --airflow PYTHON must say where it is")
    asked.contenders = asked.contenders or [name for name in names if name != "airflow" or asked.airflow]
    return asked


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the table."""
    asked = read(arguments)
    heed_signals()
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        azure = stack.enter_context(LocalAzure(attach=False, options=(f"--latency-ms={asked.latency_ms}",)))
        server, _ = stack.enter_context(prefect_server(home / "prefect", free_port()))
        connection = home / "azure.json"
        connection.write_text(azure.endpoints.to_line())
        variables = os.environ | {
            CONNECTION_VARIABLE: str(connection), "PREFECT_API_URL": server, "AIRFLOW_HOME": str(home / "airflow"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False", "AIRFLOW__CORE__DAGS_FOLDER": str(HERE / "dags"),
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
        }  # fmt: skip
        if "airflow" in asked.contenders:
            migrate = [asked.airflow, "-m", "airflow", "db", "migrate"]
            subprocess.run(migrate, env=variables, capture_output=True, check=True)
        found = {(count, name): took for count, name, took in medians(asked, variables)}
    show(rows(found), targets(found, asked.latency_ms), as_json=asked.json)


if __name__ == "__main__":
    main()
