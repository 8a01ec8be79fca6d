"""What Prefect itself costs of a map: processor seconds in the flow's process and of the server, as inputs grow.

    python -m benchmarks.prefect_share [--inputs 4 100 1000] [--rounds 1] [--json]

Each row runs a map over so many small files, on simulated nodes of a local Azure and with a Prefect server that is
there already, whose settings are those of docs/server.md. In the flow's process a thread looks at what the others do
(sampled_map.py); of the server the system knows. With more rounds medians are shown.

import   importing Prefect, the SDKs of Azure and the flow
prefect  flow and task-run engine, API calls, events and logs of Prefect
run      all else: what the map is for
server   the Prefect server, until it has recorded all
runs     task runs; ``prefect ms`` is what both cost Prefect for each input
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.arguments import amount
from benchmarks.findings import Target, at_most, show
from benchmarks.prefect_servers import busy, count_runs, prefect, unset
from benchmarks.simulated_map import make_files
from benchmarks.trial import heed_signals
from localbatch.launcher import CONNECTION_VARIABLE, LocalAzure
from prefect_azure_batch.flows.environment import RECORDING

_RECORDED_SECONDS, _IDLE_SHARE = 2.0, 0.1
_MOST_MILLISECONDS = 10.0


def measure(azure: LocalAzure, url: str, server: int, count: int) -> dict[str, float]:
    """One run; its numbers by their names."""
    with tempfile.TemporaryDirectory(prefix="share-") as temporary:
        folder = Path(temporary)
        connection, inputs, used = folder / "azure.json", folder / "inputs", folder / "used.json"
        connection.write_text(azure.endpoints.to_line())
        make_files(inputs, count)
        command = [
            sys.executable, "-m", "benchmarks.sampled_map", str(used), "--inputs", str(inputs), "--command", "true",
            "--nodes", "50", "--slots", "8", "--results", str(folder / "results"), "--no-resume",
        ]  # fmt: skip
        own = {CONNECTION_VARIABLE: str(connection), "PREFECT_API_URL": url, "PREFECT_HOME": str(folder / "client")}
        kept = {name: value for name, value in unset().items() if name != "PYTHONDONTWRITEBYTECODE"}
        runs, before, begun = count_runs(url, {}), busy(server), time.perf_counter()
        done = subprocess.run(command, env={**kept, **own}, capture_output=True, text=True, check=False)
        wall = time.perf_counter() - begun
        if not used.exists() or len((folder / "results" / "index.jsonl").read_bytes().splitlines()) != count:
            raise SystemExit(done.stderr[-2000:])
        _wait_until_idle(server)
        seconds = json.loads(used.read_text())
        of_server = busy(server) - before
        return {
            "wall": wall,
            "import": seconds.get("import", 0.0),
            "prefect": seconds.get("Prefect", 0.0),
            "run": seconds.get("run", 0.0),
            "server": of_server,
            "runs": count_runs(url, {}) - runs,
            "prefect ms": 1000 * (seconds.get("Prefect", 0.0) + of_server) / count,
        }


def _wait_until_idle(process: int) -> None:
    """Waits until a process has little to do."""
    while True:
        before = busy(process)
        time.sleep(_RECORDED_SECONDS)
        if busy(process) - before < _IDLE_SHARE * _RECORDED_SECONDS:
            return


def rows(asked: argparse.Namespace) -> list[dict[str, object]]:
    """A row for each number of inputs."""
    found = []
    with (
        tempfile.TemporaryDirectory(prefix="share-") as folder,
        LocalAzure(driver="simulated", attach=False) as azure,
        prefect(Path(folder, "home"), RECORDING) as (url, server),
    ):
        for count in asked.inputs:
            some = [measure(azure, url, server, count) for _ in range(asked.rounds)]
            middle = {name: round(statistics.median(each[name] for each in some), 2) for name in some[0]}
            found.append({"inputs": count, **middle})
    return found


def targets(found: Sequence[dict[str, object]]) -> list[Target]:
    """What is wanted of the last row, where the costs of a run as a whole count least."""
    last = found[-1]
    wanted = f"milliseconds of Prefect and its server for each of {last['inputs']:,} inputs"
    return [at_most(_MOST_MILLISECONDS, float(str(last["prefect ms"])), wanted)]


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--inputs", nargs="+", type=amount, default=[4, 100, 1000], help="how many, a row for each")
    parser.add_argument("--rounds", type=amount, default=1, help="of which medians are taken")
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse_args(arguments)
    heed_signals()
    os.environ.pop(CONNECTION_VARIABLE, None)
    found = rows(asked)
    show(found, targets(found), as_json=asked.json)


if __name__ == "__main__":
    main()
