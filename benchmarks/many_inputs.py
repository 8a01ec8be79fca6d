"""What very many inputs cost the process of a map flow: its peak memory and its time, for growing numbers of inputs.

    python -m benchmarks.many_inputs 10000 100000            memory and time
    python -m benchmarks.many_inputs --calls 1000 10000      the requests to Batch and to Blob storage, too

Each row runs ``python -m flows.map_flow`` over so many small files on simulated nodes of a local Azure. Nothing runs
there, so no log arrives in storage, and every task is told to have failed: that is the longer way.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.counting import counted
from localbatch.launcher import CONNECTION_VARIABLE, LocalAzure
from localbatch.wire.connection import Endpoints

_IN_ONE_DIRECTORY = 10_000


def make_files(folder: Path, count: int) -> None:
    """Makes so many files, no two with the same content."""
    for number in range(count):
        if number % _IN_ONE_DIRECTORY == 0:
            (folder / f"{number // _IN_ONE_DIRECTORY:03}").mkdir(parents=True)
        (folder / f"{number // _IN_ONE_DIRECTORY:03}" / f"{number:07}.txt").write_text(f"{folder} {number}")


def peak_bytes(pid: int) -> int:
    """The most memory that a process that runs has taken so far; 0 if it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


def measure(endpoints: Endpoints, count: int) -> tuple[float, int]:
    """Seconds and peak memory of a run over so many inputs."""
    with tempfile.TemporaryDirectory() as folder:
        connection, inputs = Path(folder, "azure.json"), Path(folder, "inputs")
        connection.write_text(endpoints.to_line())
        make_files(inputs, count)
        command = [
            sys.executable, "-m", "prefect_azure_batch.flows.map_flow", "--inputs", str(inputs), "--command", "true",
            "--nodes", "50", "--slots", "8", "--results", f"{folder}/results", "--json",
        ]  # fmt: skip
        begun, peak = time.perf_counter(), 0
        with Path(folder, "result.json").open("wb") as output:
            process = subprocess.Popen(command, env=os.environ | {CONNECTION_VARIABLE: str(connection)}, stdout=output)
            while process.poll() is None:
                peak = max(peak, peak_bytes(process.pid))
                time.sleep(0.1)
        with Path(folder, "results", "index.jsonl").open("rb") as lines:
            ended = sum(1 for _ in lines)
        if ended != count:
            raise SystemExit(f"{ended} of {count} results are there; the flow ended with {process.returncode}")
        return time.perf_counter() - begun, peak


def measure_calls(endpoints: Endpoints, count: int) -> tuple[float, int, str]:
    """The same, and the requests that were made."""
    with counted(endpoints) as (relayed, batch, blob):
        seconds, peak = measure(relayed, count)
        return seconds, peak, f"  Batch {batch.total()} {dict(batch)}, Blob {blob.total()} {dict(blob)}"


def main(words: list[str]) -> None:
    """Prints the table."""
    print("  inputs   seconds  peak MiB  bytes for each input beyond those of the first row")
    first: tuple[int, int] | None = None
    with LocalAzure(driver="simulated", attach=False) as azure:
        for count in [int(word) for word in words if word.isdecimal()] or [1000, 10000]:
            if "--calls" in words:
                seconds, peak, calls = measure_calls(azure.endpoints, count)
            else:
                (seconds, peak), calls = measure(azure.endpoints, count), ""
            first = first or (count, peak)
            more = f"{(peak - first[1]) / (count - first[0]):.0f}" if count > first[0] else ""
            print(f"{count:>8} {seconds:>9.1f} {peak / 2**20:>9.1f}  {more}{calls}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
