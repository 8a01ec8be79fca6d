"""Records the samples of a pool that follows its tasks, while two bursts of tasks come and go.

    python -m benchmarks.record_samples 24 tests/unit/tasks/recorded_samples.csv

The pool is one of a local Azure whose nodes take a minute and a half to come, and its samples are read as a formula
reads them, once in 30 seconds. Its scenario is spot-first, and its formula evaluated every
five minutes, as on Azure.
"""

import argparse
import csv
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from azure.batch import BatchClient, models

from benchmarks.arguments import duration
from benchmarks.trial import heed_signals
from localbatch.launcher import LocalAzure
from prefect_azure_batch.blocks.pool_description import PoolDescription
from prefect_azure_batch.flows.account import local_account
from prefect_azure_batch.tasks.adding import add_all
from prefect_azure_batch.tasks.job import create_job
from prefect_azure_batch.tasks.pool import create_pool
from prefect_azure_batch.tasks.records import JobPlan, PoolPlan

COLUMNS = {
    "pending": "$PendingTasks",
    "running": "$RunningTasks",
    "dedicated": "$CurrentDedicatedNodes",
    "spot": "$CurrentLowPriorityNodes",
}
"""Columns of the file besides ``seconds``, and the variables of formulas that they hold samples of."""

_PERIOD = 30.0
_POOL = {"nodes": 2, "spot_nodes": 4, "slots": 2, "autoscale": {"scenario": "spot-first"}}
_BURSTS = {0: 60, 12 * 60: 24}
"""Tasks that are added, by the second."""
_FORMULA = "\n".join(f"{name} = max(0, {variable}.GetSample(1));" for name, variable in COLUMNS.items())


def read_samples(client: BatchClient, pool_id: str) -> Mapping[str, float] | None:
    """The last sample of each variable; None where there is none yet."""
    options = models.BatchPoolEvaluateAutoScaleOptions(auto_scale_formula=_FORMULA)
    run = client.evaluate_pool_auto_scale(pool_id, options)
    if run.error is not None:
        return None
    found = dict(part.partition("=")[::2] for part in (run.results or "").split(";"))
    return {name: float(found[name]) for name in COLUMNS}


def add_burst(client: BatchClient, job_id: str, number: int, name: str) -> None:
    """Adds tasks that take a minute to a minute and a half."""
    tasks = [
        models.BatchTaskCreateOptions(id=f"{name}-{each}", command_line=f"sleep {60 + each * 7 % 31}")
        for each in range(number)
    ]
    add_all(client, job_id, tasks)


def record(minutes: float) -> Iterator[Mapping[str, float]]:
    """Has the bursts run; gives a row for each half of a minute."""
    with LocalAzure(options=("--allocation-seconds=60", "--start-seconds=30"), attach=False) as azure:
        account, name = local_account(azure), f"recorded-{uuid4()}"
        client, life = account.get_client(), timedelta(minutes=minutes + 10)
        description = PoolDescription.model_validate(_POOL)
        create_pool(account, PoolPlan(name, description, run_id=name, lease=life, tasks=_BURSTS[0]))
        create_job(account, JobPlan(name, name, name))
        begun, left = time.monotonic(), dict(_BURSTS)
        while (passed := time.monotonic() - begun) < minutes * 60:
            for second in [second for second in left if second <= passed]:
                add_burst(client, name, left.pop(second), f"at-{second}")
            if (found := read_samples(client, name)) is not None:
                yield {"seconds": round(passed), **found}
            time.sleep(_PERIOD - (time.monotonic() - begun) % _PERIOD)


def main(arguments: Sequence[str] | None = None) -> None:
    """Records for so long, into a file that grows meanwhile."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("minutes", type=duration)
    parser.add_argument("path", type=Path, help="of the file")
    asked = parser.parse_args(arguments)
    heed_signals()
    with asked.path.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["seconds", *COLUMNS], lineterminator="\n")
        writer.writeheader()
        for row in record(asked.minutes):
            writer.writerow({name: f"{value:g}" for name, value in row.items()})
            file.flush()
            sys.stderr.write(f"{datetime.now(UTC):%H:%M:%S} {row}\n")


if __name__ == "__main__":
    main()
