"""Adding tasks to a job: the stage of a map against ``create_tasks`` of the SDK alone, taking turns.

    python -m benchmarks.adding [--tasks 1000 10000] [--rounds 3] [--json]

Each contender adds so many tasks, each with one input and its logs kept, to a job of a local Azure whose pool has no
nodes. Seconds and the CPU seconds of this process are the best of the rounds.

stage       ``tasks.submit.add_tasks``: links to the inputs, ids by content, each answer looked at
sdk         tasks as a user makes them, with one link for all; ``create_tasks``, one request after the other
sdk threads the same with ``max_concurrency`` of 4
"""

import argparse
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

from azure.batch import models
from azure.storage.blob import generate_container_sas

from benchmarks.arguments import amount
from benchmarks.findings import Target, at_least, show
from benchmarks.tasks_of_a_job import batch_client, job_on_pool
from benchmarks.trial import heed_signals
from localbatch.launcher import LocalAzure
from localbatch.wire.connection import Endpoints
from prefect_azure_batch.flows.account import local_account
from prefect_azure_batch.tasks.records import Run, StoredInput, TaskPlan
from prefect_azure_batch.tasks.submit import add_tasks
from prefect_azure_batch.tasks.upload import INPUT_CONTAINER

COMMAND = "wc -c < {input}"
_LIFE = timedelta(hours=2)


def stage(azure: LocalAzure, job: str, count: int) -> None:
    """Ours."""
    account = local_account(azure)
    run = Run(job, job, job, account.storage.work_container, folder=f"benchmark/{job}", ends=datetime.now(UTC) + _LIFE)
    inputs = [
        StoredInput(number, f"{number}.txt", f"{number}.txt", INPUT_CONTAINER, f"inputs/{number}.txt", f"v{number}")
        for number in range(count)
    ]
    add_tasks(account, run, inputs, TaskPlan(COMMAND))


def sdk(azure: LocalAzure, job: str, count: int, threads: int | None = None) -> None:
    """What a user writes."""
    endpoints = azure.endpoints
    reads, writes = (_link(endpoints, name, may) for name, may in ((INPUT_CONTAINER, "r"), ("batch-work", "cw")))
    tasks = [_task(job, number, reads, writes) for number in range(count)]
    batch_client(endpoints).create_tasks(job, tasks, max_concurrency=threads)


def _link(endpoints: Endpoints, container: str, permission: str) -> tuple[str, str]:
    """Address of a container, and a signature for it."""
    sas = generate_container_sas(
        endpoints.storage_account, container, endpoints.storage_key, permission=permission,
        expiry=datetime.now(UTC) + _LIFE,
    )  # fmt: skip
    return f"{endpoints.blob_endpoint}/{container}", sas


def _task(job: str, number: int, reads: tuple[str, str], writes: tuple[str, str]) -> models.BatchTaskCreateOptions:
    name = f"{number}.txt"
    container = models.OutputFileBlobContainerDestination(
        container_url="?".join(writes), path=f"benchmark/{job}/{number}"
    )
    return models.BatchTaskCreateOptions(
        id=f"task{number}",
        command_line=f"/bin/bash -c '{COMMAND.replace('{input}', name)}'",
        resource_files=[models.ResourceFile(http_url=f"{reads[0]}/inputs/{name}?{reads[1]}", file_path=name)],
        output_files=[
            models.OutputFile(
                file_pattern="../std*.txt",
                destination=models.OutputFileDestination(container=container),
                upload_options=models.OutputFileUploadConfiguration(
                    upload_condition=models.OutputFileUploadCondition.TASK_COMPLETION
                ),
            )
        ],
    )


CONTENDERS: dict[str, Callable[[LocalAzure, str, int], None]] = {
    "stage": stage,
    "sdk": sdk,
    "sdk threads": partial(sdk, threads=4),
}


def measure(azure: LocalAzure, contender: str, count: int, number: int) -> tuple[float, float]:
    """Seconds and CPU seconds that a contender takes."""
    client = batch_client(azure.endpoints)
    with job_on_pool(client, f"adding-{contender.replace(' ', '-')}-{count}-{number}", nodes=0, slots=1) as job:
        begun, busy = time.perf_counter(), time.process_time()
        CONTENDERS[contender](azure, job, count)
        taken = time.perf_counter() - begun, time.process_time() - busy
        if (found := client.get_job_task_counts(job).task_counts.active) != count:
            raise SystemExit(f"{contender} has added {found} tasks")
    return taken


def row(azure: LocalAzure, count: int, rounds: int) -> dict[str, float]:
    """The best of each contender for so many tasks."""
    found = [{name: measure(azure, name, count, number) for name in CONTENDERS} for number in range(rounds)]
    best = {name: [min(times) for times in zip(*(each[name] for each in found), strict=True)] for name in CONTENDERS}
    return {
        "tasks": count,
        **{f"{name} (s)": round(seconds, 2) for name, (seconds, _) in best.items()},
        **{f"{name} (CPU s)": round(busy, 2) for name, (_, busy) in best.items()},
    }


def targets(rows: Sequence[dict[str, float]]) -> list[Target]:
    """What is wanted of the rows."""
    return [
        at_least(
            0.9,
            min(each["sdk (s)"], each["sdk threads (s)"]) / each["stage (s)"],
            f"rate of adding {each['tasks']:,} tasks, of create_tasks at its best",
        )
        for each in rows
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tasks", nargs="+", type=amount, default=[1000, 10_000], help="how many, a row for each")
    parser.add_argument("--rounds", type=amount, default=3, help="of which the best is taken")
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse_args(arguments)
    heed_signals()
    with LocalAzure(attach=False) as azure:
        found = [row(azure, count, asked.rounds) for count in asked.tasks]
    show(found, targets(found), as_json=asked.json)


if __name__ == "__main__":
    main()
