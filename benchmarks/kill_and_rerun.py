"""Kills a map of many inputs at random moments, starts it again, and counts what was done twice and what was left.

    python benchmarks/kill_and_rerun.py [KILLS] [INPUTS] [SEED] [SECONDS]

It runs against a local Azure of its own, whose command writes a line for each time that an input is worked on. At the
end the run is let come to its end, and upkeep is run; then nothing may be left in the account.
"""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from azure.batch import BatchClient
from azure.core.credentials import AzureNamedKeyCredential

from localbatch.launcher import CONNECTION_VARIABLE, LocalAzure

LONGEST = 40.0


def main(kills: int = 10, inputs: int = 100, seed: int = 1, seconds_each: int = 1) -> None:
    """Runs, kills, and counts; a task takes so many seconds."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as name, LocalAzure(attach=False) as azure:
        home, log = Path(name), Path(name, "log")
        (home / "azure.json").write_text(azure.endpoints.to_line())
        (home / "in").mkdir()
        for number in range(inputs):
            (home / "in" / f"n{number:03}").write_text(str(number))
        command = [
            *(sys.executable, "-m", "flows.map_flow", "--inputs", str(home / "in"), "--results", str(home / "out")),
            *(
                "--command",
                f"echo {{stem}} >> {log}; sleep {seconds_each}; cat {{input}}",
                "--nodes",
                "2",
                "--slots",
                "4",
                "--json",
            ),
        ]
        variables = os.environ | {CONNECTION_VARIABLE: str(home / "azure.json"), "PREFECT_HOME": str(home / "prefect")}
        for kill in range(kills):
            process = subprocess.Popen(command, env=variables, stdout=subprocess.DEVNULL, start_new_session=True)
            seconds = chance.uniform(1, LONGEST)
            try:
                print(f"run {kill}: ended by itself with {process.wait(seconds)}")
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                runs = len(log.read_text().split()) if log.exists() else 0
                print(f"run {kill}: killed after {seconds:.1f} s, {runs} tasks begun so far", flush=True)
        begun = time.monotonic()
        last = subprocess.run(command, env=variables, stdout=subprocess.PIPE, check=False)
        print(
            f"last run: exit {last.returncode}, {time.monotonic() - begun:.1f} s, {json.loads(last.stdout)['counts']}"
        )
        begun = time.monotonic()
        again = subprocess.run(command, env=variables, stdout=subprocess.PIPE, check=False)
        result = json.loads(again.stdout)
        print(f"once more: exit {again.returncode}, {time.monotonic() - begun:.1f} s, {result['counts']}")
        wrong = [t["input"] for t in result["tasks"] if Path(t["stdout"]).read_text() != Path(t["input"]).read_text()]
        times = Counter(log.read_text().split())
        print(f"inputs {len(times)}, begun {times.total()}, twice or more {sum(n > 1 for n in times.values())}")
        print(f"outputs wrong: {len(wrong)}; left before upkeep: {left(azure)}")
        time.sleep(16)
        upkeep = [sys.executable, "-m", "flows.upkeep_flow", "--delete"]
        subprocess.run(upkeep, env=variables, stdout=subprocess.DEVNULL, check=True)
        print(f"left after upkeep: {left(azure)}")


def left(azure: LocalAzure) -> list[str]:
    """Pools and jobs in the account."""
    found = azure.endpoints
    with BatchClient(found.batch_endpoint, AzureNamedKeyCredential(found.batch_account, found.batch_key)) as client:
        pools = [f"pool {pool.id}" for pool in client.list_pools() if pool.state != "deleting"]
        return pools + [f"job {job.id}" for job in client.list_jobs() if job.state != "deleting"]


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
