"""Runs the benchmarks of docs/performance.md one after the other, and makes its table.

    python -m benchmarks.performance [--quick] [--airflow PYTHON] [--json | --write] [WORD...]

Each is a program of its own, ``python -m benchmarks.NAME --json``; this one shows what they have found, which targets
are met, and what it was measured on. The words choose benchmarks by their letter or by a part of their name.
``--write`` puts the result between the two marks of docs/performance.md. A benchmark that fails is shown with the last
line that it has said, and the others go on; then the exit status is 1. A target that is not met is no failure.
Ctrl-C and SIGTERM end it with what has been found so far; nothing is written then.

The sizes are those at which targets are stated, with fewer rounds where one takes minutes: less than 25 minutes on two
quiet cores. ``--quick`` shows in five that everything runs; most targets are stated for larger sizes.
"""

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path

from benchmarks.findings import Target
from benchmarks.machine import Machine, airflow_versions, describe
from benchmarks.trial import heed_signals, line

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- made by benchmarks/performance.py -->", "<!-- end of what was made -->"
LIMIT_MINUTES = 30.0
_GRACE_SECONDS = 60.0

Row = Mapping[str, object]


@dataclass(frozen=True)
class Benchmark:
    """A program, and how it is called.

    Attributes:
        letter: of the section.
        title: of the section.
        name: of the module.
        arguments: those of a full run.
        quick: those of a quick one.
        airflow: whether it takes ``--airflow``.
    """

    letter: str
    title: str
    name: str
    arguments: tuple[str, ...] = ()
    quick: tuple[str, ...] = ()
    airflow: bool = False

    def command(self, asked: argparse.Namespace) -> list[str]:
        """What is run, but for the Python that runs it."""
        arguments = self.quick if asked.quick else self.arguments
        airflow = ("--airflow", asked.airflow) if self.airflow and asked.airflow else ()
        return ["-m", f"benchmarks.{self.name}", *airflow, *arguments, "--json"]

    def chosen(self, words: Sequence[str]) -> bool:
        """Whether one of the words says its letter, or a part of its name."""
        return not words or any(word == self.letter or (len(word) > 1 and word in self.name) for word in words)


BENCHMARKS = (
    Benchmark(
        "a", "End to end", "end_to_end", ("--inputs", "4", "100", "1000", "10000"),
        ("--inputs", "4", "20", "--rounds", "1"), airflow=True,
    ),
    Benchmark(
        "a", "End to end, each answer 30 ms late", "end_to_end",
        ("--latency-ms", "30", "--inputs", "1000", "--rounds", "1", "plain", "good", "flow"),
        ("--latency-ms", "30", "--inputs", "20", "--rounds", "1", "plain", "good", "flow"),
    ),
    Benchmark(
        "b", "Upload and collect", "blob_transfer",
        quick=("--small", "100", "--large", "2", "--large-mib", "16", "--rounds", "1"),
    ),
    Benchmark("c", "Adding tasks", "adding", quick=("--tasks", "500", "--rounds", "1")),
    Benchmark("d", "Waiting", "waiting", quick=("--tasks", "100")),
    Benchmark("e", "Makespan of short tasks", "makespan", quick=("--tasks", "100", "--rounds", "1")),
    Benchmark(
        "f", "The local Batch service", "service_rates",
        quick=("--tasks", "200", "--rounds", "1", "--sizes", "1000", "--mebibytes", "32"),
    ),
    Benchmark("g", "Memory as inputs grow, on simulated nodes", "simulated_map", quick=("--inputs", "1000")),
    Benchmark("h", "Prefect's own share", "prefect_share", quick=("--inputs", "4", "20")),
    Benchmark("i", "Start-up by phases", "start_up", quick=("--rounds", "1")),
)  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """What a benchmark has found.

    Attributes:
        rows: of its table.
        targets: that it answers to.
        seconds: that it took.
        failed: the last line that it said, or what else went wrong; None if nothing did.
    """

    rows: tuple[Row, ...] = ()
    targets: tuple[Target, ...] = ()
    seconds: float = 0.0
    failed: str | None = None


@dataclass(frozen=True)
class Section:
    """A benchmark of a run, and its outcome."""

    letter: str
    title: str
    command: str
    outcome: Outcome


def run(command: Sequence[str], limit: float = LIMIT_MINUTES * 60) -> Outcome:
    """Runs a program that prints its findings as JSON, and ends it when its time is over."""
    begun, pipe = time.perf_counter(), subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True) as process:
        try:
            printed, said = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            return Outcome(seconds=limit, failed=f"not done after {limit / 60:g} minutes")
        finally:
            if process.poll() is None:
                stop(process)
    return replace(outcome(process.returncode, printed, said), seconds=time.perf_counter() - begun)


def stop(process: "subprocess.Popen[str]") -> None:
    """Ends a program as Ctrl-C does, so that it ends what it has started; then it and its group, hard."""
    process.send_signal(signal.SIGINT)
    try:
        with suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=_GRACE_SECONDS)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def outcome(status: int, printed: str, said: str) -> Outcome:
    """What a program has found, by its exit status and what it wrote on standard output and error."""
    with suppress(ValueError, KeyError, TypeError, IndexError):
        found = json.loads(printed.splitlines()[-1])
        if status == 0:
            return Outcome(tuple(found["rows"]), tuple(Target(**target) for target in found["targets"]))
    last = "".join([text.strip() for text in (said or printed).splitlines() if text.strip()][-1:])
    shown = last.replace(sys.executable, "python").replace(f"{ROOT}/", "")
    return Outcome(failed=f"exit status {status}: {shown or 'it said nothing'}")


def sections(chosen: Sequence[Benchmark], asked: argparse.Namespace) -> Iterator[Section]:
    """Runs the benchmarks, and says how it goes on standard error."""
    for benchmark in chosen:
        command = benchmark.command(asked)
        shown = shlex.join(["PYTHON" if word == asked.airflow else word for word in command])
        say(f"{benchmark.letter}. {benchmark.title}: python {shown}")
        found = run([sys.executable, *command])
        say(f"   {found.failed or 'done'}, {found.seconds:.0f} s")
        yield Section(benchmark.letter, benchmark.title, f"python {shown}", found)


def until_interrupted(some: Iterable[Section]) -> tuple[list[Section], int]:
    """What is found until Ctrl-C or SIGTERM, and the exit status that these ask for; 0 if all of it is."""
    found = list[Section]()
    try:
        for section in some:
            found.append(section)
    except KeyboardInterrupt:
        return found, 128 + signal.SIGINT
    except SystemExit as told:
        return found, int(told.code or 0)
    return found, 0


def say(text: str) -> None:
    """Says how far it is."""
    print(text, file=sys.stderr, flush=True)


def table(rows: Sequence[Row]) -> str:
    """Rows in Markdown, with a table for each set of keys."""
    parts = []
    for keys, some in groupby(rows, key=keys_of):
        cells = [[cell(value) for value in row.values()] for row in some]
        aligned = ["---:" if all(is_number(row[place]) for row in cells) else "---" for place in range(len(keys))]
        parts.append("\n".join([line(keys), line(aligned), *map(line, cells)]))
    return "\n\n".join(parts)


def keys_of(row: Row) -> tuple[str, ...]:
    """The columns that a row has."""
    return tuple(row)


def cell(value: object) -> str:
    """A value as a cell of a table in Markdown."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.10g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value).replace("|", "\\|").replace("\n", " ")


def is_number(text: str) -> bool:
    """Whether a cell stands on the right: that of a number, or with nothing in it."""
    return text.replace(",", "").replace(".", "").replace("-", "").isdigit() or not text


def section_text(section: Section) -> str:
    """A section of the page."""
    found = section.outcome
    parts = [f"### {section.letter}. {section.title}", f"    {section.command}"]
    if found.failed is not None:
        parts.append(f"**Failed** after {found.seconds:.0f} s: `{found.failed.replace('`', chr(39))}`")
    elif found.rows:
        parts.append(table(found.rows))
    else:
        parts.append("It found nothing.")
    return "\n\n".join(parts)


def target_text(found: Sequence[Section]) -> str:
    """The table of all targets."""
    cells: list[tuple[str, str, float | str, bool]] = []
    for section in found:
        if section.outcome.failed is not None:
            cells.append((section.letter, f"{section.title}, measured", "failed", False))
        cells += [(section.letter, each.wanted, each.measured, each.met) for each in section.outcome.targets]
    rows = [
        {"": letter, "wanted": wanted, "measured": measured, "met": "yes" if met else "**no**"}
        for letter, wanted, measured, met in cells
    ]
    return table(rows) if rows else "None was measured."


def page(machine: Machine, found: Sequence[Section]) -> str:
    """What is made, as Markdown."""
    seconds = sum(section.outcome.seconds for section in found)
    parts = ["## Targets", target_text(found), "## Measured", f"{machine} All of it took {seconds / 60:.0f} minutes."]
    return "\n\n".join([*parts, *map(section_text, found)])


def fill(text: str, made: str) -> str:
    """A page with what is made between its two marks.

    Raises:
        ValueError: it has not both marks, in their order.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"The page has no {BEGIN} with {END} after it.")
    return f"{before}{BEGIN}\n\n{made}\n\n{END}{after}"


def read(arguments: Sequence[str] | None) -> argparse.Namespace:
    """What is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes: whether everything runs")
    parser.add_argument("--airflow", metavar="PYTHON", help="a Python that has Airflow and its provider for Azure")
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--json", action="store_true", help="print JSON")
    shown.add_argument("--write", action="store_true", help=f"write it into {PAGE.parent.name}/{PAGE.name}, too")
    parser.add_argument("words", nargs="*", metavar="WORD", help="letters, or parts of names; all unless said")
    asked = parser.parse_args(arguments)
    if unknown := [word for word in asked.words if not any(each.chosen([word]) for each in BENCHMARKS)]:
        known = ", ".join(dict.fromkeys(f"{each.letter} {each.name}" for each in BENCHMARKS))
        parser.error(f"no benchmark is called {unknown[0]!r}: {known}")
    if asked.write and (asked.words or asked.quick):
        parser.error("--write is for a whole run: without --quick and words")
    if asked.airflow and not airflow_versions(asked.airflow):
        parser.error(f"--airflow: {asked.airflow} is no Python that has Airflow and its provider for Azure")
    if asked.write:
        try:
            fill(PAGE.read_text(), "")
        except (OSError, ValueError) as error:
            parser.error(f"--write: {error}")
    return asked


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table; returns the exit status."""
    asked = read(arguments)
    heed_signals()
    machine = describe(asked.airflow)
    chosen = [each for each in BENCHMARKS if each.chosen(asked.words)]
    found, ended = until_interrupted(sections(chosen, asked))
    if ended:
        say(f"Interrupted: {len(found)} of {len(chosen)} benchmarks are done.")
    if asked.json:
        print(json.dumps({"machine": asdict(machine), "benchmarks": [asdict(section) for section in found]}))
    else:
        print(page(machine, found))
    if asked.write and not ended:
        PAGE.write_text(fill(PAGE.read_text(), page(machine, found)))
    return ended or int(any(section.outcome.failed is not None for section in found))


if __name__ == "__main__":
    sys.exit(main())
