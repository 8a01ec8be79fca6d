"""A map from the command line against what a user would have written: seconds, side by side in one run.

    python -m benchmarks.end_to_end [--inputs 4 100 1000] [--rounds 3] [--latency-ms 30] [--json] [WORD...]

Each contender runs ``wc -c`` over so many small files on four nodes with four slots of one local Azure, which is there
already, as is the flow's Prefect server. They take turns, and medians are shown. The words choose contenders.

xargs   the same commands on this machine with 16 at a time, without any Azure: what the work itself takes
plain   plain_script.py: the SDKs, one call after the other
good    good_script.py: the SDKs with threads, bulk calls and counts
flow    ``python -m flows.map_flow``: besides, it keeps logs and ledger in storage, and can be killed and run again
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.many_inputs import make_files
from benchmarks.prefect_servers import free_port
from benchmarks.trial import line, prefect_server
from localbatch.launcher import CONNECTION_VARIABLE, LocalAzure

NODES, SLOTS = 4, 4
COMMAND = "wc -c < {input}"
HERE = Path(__file__).parent


def xargs(inputs: Path, results: Path, connection: Path) -> list[str]:
    """The work alone."""
    results.mkdir()
    shell = (
        f"find {inputs} -type f -print0 | xargs -0 -P {NODES * SLOTS} -I@ sh -c 'wc -c < @ > {results}/$(basename @)'"
    )
    return ["/bin/bash", "-c", shell]


def plain(inputs: Path, results: Path, connection: Path) -> list[str]:
    """The script that comes first."""
    return _script("plain_script.py", inputs, results, connection)


def good(inputs: Path, results: Path, connection: Path) -> list[str]:
    """The script of an afternoon."""
    return _script("good_script.py", inputs, results, connection)


def flow(inputs: Path, results: Path, connection: Path) -> list[str]:
    """Ours."""
    return [
        sys.executable, "-m", "prefect_azure_batch.flows.map_flow", "--inputs", str(inputs), "--command", COMMAND,
        "--nodes", str(NODES), "--slots", str(SLOTS), "--results", str(results), "--no-resume",
    ]  # fmt: skip


def _script(name: str, inputs: Path, results: Path, connection: Path) -> list[str]:
    files = (str(connection), str(inputs / "000"), str(results))
    return [sys.executable, str(HERE / name), *files, str(NODES), str(SLOTS), COMMAND]


CONTENDERS: list[Callable[[Path, Path, Path], list[str]]] = [xargs, plain, good, flow]


def measure(contender: Callable[[Path, Path, Path], list[str]], count: int, azure: LocalAzure, server: str) -> float:
    """Seconds that a contender takes over so many files of its own."""
    with tempfile.TemporaryDirectory() as folder:
        inputs, connection = Path(folder, "inputs"), Path(folder, "azure.json")
        make_files(inputs, count)
        connection.write_text(azure.endpoints.to_line())
        variables = os.environ | {CONNECTION_VARIABLE: str(connection), "PREFECT_API_URL": server}
        command = contender(inputs, Path(folder, "results"), connection)
        begun = time.perf_counter()
        done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - begun
        if done.returncode:
            raise SystemExit(f"{contender.__name__} ended with {done.returncode}: {done.stderr[-2000:]}")
    return seconds


def rows(asked: argparse.Namespace, azure: LocalAzure, server: str) -> list[dict[str, float]]:
    """Medians of all contenders, for each number of inputs."""
    chosen = [each for each in CONTENDERS if not asked.words or any(word in each.__name__ for word in asked.words)]
    found = []
    for count in asked.inputs:
        taken: dict[str, list[float]] = {each.__name__: [] for each in chosen}
        for _ in range(asked.rounds):
            for each in chosen:
                taken[each.__name__].append(measure(each, count, azure, server))
        found.append({"inputs": count, **{name: round(statistics.median(some), 2) for name, some in taken.items()}})
        if not asked.json:
            if len(found) == 1:
                print(line([*found[0]]), line(["---:"] * len(found[0])), sep="\n")
            print(line([*found[-1].values()]), flush=True)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--inputs", nargs="+", type=int, default=[4, 100, 1000], help="how many, a row for each")
    parser.add_argument("--rounds", type=int, default=3, help="of which medians are taken")
    parser.add_argument("--latency-ms", type=float, default=0.0, help="by how much each answer of Azure is late")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("words", nargs="*", help="contenders; all of them unless said")
    asked = parser.parse_args(arguments)
    with (
        tempfile.TemporaryDirectory() as home,
        LocalAzure(attach=False, options=(f"--latency-ms={asked.latency_ms}",)) as azure,
        prefect_server(Path(home, "prefect"), free_port()) as (server, _),
    ):
        found = rows(asked, azure, server)
    if asked.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
