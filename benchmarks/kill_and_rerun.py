"""Kills a map of many inputs at a random moment, starts it again, and counts what was done twice and what was left.

    python -m benchmarks.kill_and_rerun [KILLS] [INPUTS] [SEED]

Each round has inputs of its own: a run over them is killed, with its whole process group, and the same command is let
come to its end. A task takes a second and writes a line each time that it is begun. At the end upkeep is run; then
nothing may be left in the account.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from azure.batch import BatchClient
from azure.core.credentials import AzureNamedKeyCredential

from benchmarks.arguments import amount
from benchmarks.trial import heed_signals
from localbatch.launcher import CONNECTION_VARIABLE, LocalAzure

NODES, SLOTS = 2, 4
LONGEST = 30.0
HOLD_SECONDS = 16


@dataclass(frozen=True)
class Round:
    """A kill, and what came of it."""

    killed_after: float | None
    begun_before: int
    seconds: float
    twice: int
    wrong: int

    def __str__(self) -> str:
        """A line of the table."""
        moment = f"{self.killed_after:5.1f} s" if self.killed_after else "ended by itself"
        return f"{moment:>15} {self.begun_before:>12} {self.seconds:>12.1f} s {self.twice:>6} {self.wrong:>6}"


def play(home: Path, variables: dict[str, str], number: int, inputs: int, moment: float) -> Round:
    """Kills a run at a moment and runs it again."""
    here, log = home / f"{number:03}", home / f"{number:03}.log"
    here.mkdir()
    for place in range(inputs):
        (here / f"n{place:03}").write_text(f"{number} {place}")
    command = [
        sys.executable, "-m", "prefect_azure_batch.flows.map_flow", "--inputs", str(here), "--nodes", str(NODES),
        "--command", f"echo {{stem}} >> {log}; sleep 1; cat {{input}}", "--slots", str(SLOTS), "--json",
        "--results", f"{here}-out",
    ]  # fmt: skip
    process = subprocess.Popen(
        command, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    killed: float | None = moment
    try:
        with suppress(subprocess.TimeoutExpired):
            process.wait(moment)
            killed = None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    before = len(log.read_text().split()) if log.exists() else 0
    begun = time.monotonic()
    last = subprocess.run(command, env=variables, capture_output=True, check=False)
    seconds = time.monotonic() - begun
    if last.returncode:
        raise SystemExit(f"round {number}: exit {last.returncode}\n{last.stderr.decode()}")
    tasks = json.loads(last.stdout)["tasks"]
    wrong = sum(Path(task["stdout"]).read_text() != Path(task["input"]).read_text() for task in tasks)
    times = Counter(log.read_text().split())
    return Round(killed, before, seconds, times.total() - len(times), wrong + inputs - len(tasks))


def read(arguments: Sequence[str] | None) -> argparse.Namespace:
    """What is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("kills", nargs="?", type=amount, default=10)
    parser.add_argument("inputs", nargs="?", type=amount, default=100, help="of each round")
    parser.add_argument("seed", nargs="?", type=int, default=1, help="of the moments")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Plays the rounds, and sums up."""
    asked = read(arguments)
    heed_signals()
    kills, inputs = asked.kills, asked.inputs
    chance, rounds = random.Random(asked.seed), list[Round]()
    with tempfile.TemporaryDirectory() as name, LocalAzure(attach=False) as azure:
        home = Path(name)
        (home / "azure.json").write_text(azure.endpoints.to_line())
        variables = os.environ | {CONNECTION_VARIABLE: str(home / "azure.json"), "PREFECT_HOME": str(home / "prefect")}
        print("   killed after  begun before   run again in  twice  wrong", flush=True)
        while sum(one.killed_after is not None for one in rounds) < kills:
            rounds.append(play(home, variables, len(rounds), inputs, chance.uniform(1, LONGEST)))
            print(rounds[-1], flush=True)
        print(f"{kills} kills; {inputs} inputs each; {NODES * SLOTS} tasks at a time")
        print(f"begun twice: {sum(one.twice for one in rounds)}; wrong: {sum(one.wrong for one in rounds)}")
        print(f"longest second run: {max(one.seconds for one in rounds):.1f} s; left before upkeep: {left(azure)}")
        time.sleep(HOLD_SECONDS)
        upkeep = [sys.executable, "-m", "prefect_azure_batch.flows.upkeep_flow", "--delete"]
        subprocess.run(upkeep, env=variables, stdout=subprocess.DEVNULL, check=True)
        print(f"left after upkeep: {left(azure)}")


def left(azure: LocalAzure) -> list[str]:
    """Pools and jobs in the account."""
    found = azure.endpoints
    with BatchClient(found.batch_endpoint, AzureNamedKeyCredential(found.batch_account, found.batch_key)) as client:
        pools = [f"pool {pool.id}" for pool in client.list_pools() if pool.state != "deleting"]
        return pools + [f"job {job.id}" for job in client.list_jobs() if job.state != "deleting"]


if __name__ == "__main__":
    main()
