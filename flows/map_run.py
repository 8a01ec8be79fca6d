"""The stages of a map run, in order, and the cleanup that follows whatever happens."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from prefect import unmapped
from prefect.futures import PrefectFuture

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.flows.examples import example
from prefect_azure_batch.flows.outcomes import task_result
from prefect_azure_batch.flows.parameters import EXAMPLE_COMMAND, MapParameters
from prefect_azure_batch.flows.progress import show_progress
from prefect_azure_batch.flows.results import MapResult, TaskResult, count_results
from prefect_azure_batch.flows.runs import open_run
from prefect_azure_batch.tasks.collect import collect_outputs_task
from prefect_azure_batch.tasks.inputs import find_inputs
from prefect_azure_batch.tasks.job import close_job_task
from prefect_azure_batch.tasks.records import InputItem, Run, TaskPlan
from prefect_azure_batch.tasks.submit import add_tasks_task
from prefect_azure_batch.tasks.upload import blob_lister, upload_inputs_task
from prefect_azure_batch.tasks.wait import abandon_job, job_poller, wait_for_tasks_task

MOST_BATCHES = 50
"""Up to this many inputs go through the stages one by one; more go in this many batches."""


def run_map(account: AzureBatchAccount, asked: MapParameters) -> MapResult:
    """Runs the stages inside a Prefect flow run.

    Args:
        account: the Batch account and its storage.
        asked: what was asked for.

    Returns:
        The result, failed tasks included.

    Raises:
        BadInput: something asked for does not exist; nothing has been created.
        ServiceFailure: Azure refused or failed a request that the whole run needs.
    """
    inputs = find_inputs(asked.inputs or [str(example("map") / "inputs")], blob_lister(account.storage))
    with open_run(
        account,
        "map",
        program=asked.app or (example("map") / "app" if asked.is_example else None),
        pool=asked.pool,
        nodes=asked.nodes,
        slots=asked.slots,
        vm_size=asked.vm_size,
        retries=asked.retries,
        time_limit=asked.time_limit,
        lease=asked.lease,
    ) as run:
        tasks = _run_stages(account, run, asked, inputs)
    return MapResult(
        run_id=run.run_id, job_id=run.job_id, pool_id=run.pool_id, counts=count_results(tasks), tasks=tasks
    )


@dataclass(frozen=True)
class _Batch:
    """A group of inputs that goes through the stages together, and the future of each stage, in order."""

    inputs: Sequence[InputItem]
    stages: tuple[PrefectFuture[Any], ...]


def _run_stages(
    account: AzureBatchAccount, run: Run, asked: MapParameters, inputs: list[InputItem]
) -> list[TaskResult]:
    groups = list(split(inputs, MOST_BATCHES))
    labels = [_label(group) for group in groups]
    plan = TaskPlan(asked.command or EXAMPLE_COMMAND, tuple(asked.outputs), asked.task_limit)
    results = asked.results_directory(run.run_id)
    fixed = unmapped(account), unmapped(run)
    stored = upload_inputs_task.map(unmapped(account.storage), groups, label=labels)
    with job_poller(account, run) as poller, show_progress(poller, len(inputs)):
        try:
            added = add_tasks_task.map(*fixed, stored, unmapped(plan), label=labels)
            closed = close_job_task.submit(account, run, wait_for=added, return_state=False)
            ended = wait_for_tasks_task.map(*fixed, added, label=labels)
            collected = collect_outputs_task.map(
                unmapped(account.storage), unmapped(run), ended, unmapped(results), label=labels
            )
            batches = [
                _Batch(*batch) for batch in zip(groups, zip(stored, added, ended, collected, strict=True), strict=True)
            ]
            tasks = [task for batch in batches for task in _batch_results(batch)]
            closed.wait()
        finally:
            abandon_job(account, run)
    return tasks


def split(inputs: Sequence[InputItem], most: int) -> Iterator[Sequence[InputItem]]:
    """Splits inputs into at most so many groups of nearly the same size."""
    groups = min(most, len(inputs))
    for number in range(groups):
        yield inputs[len(inputs) * number // groups : len(inputs) * (number + 1) // groups]


def _label(group: Sequence[InputItem]) -> str:
    return group[0].name if len(group) == 1 else f"{group[0].index + 1} to {group[-1].index + 1}"


def _batch_results(batch: _Batch) -> Iterator[TaskResult]:
    """Results of one batch, once it has gone through its stages or failed in one."""
    values = []
    for future in batch.stages:
        future.wait()
        value = future.state.result(raise_on_failure=False)
        if isinstance(value, BaseException):
            yield from (
                TaskResult(input=item.label, task_id="", state="failed", error=str(value)) for item in batch.inputs
            )
            return
        values.append(value)
    for ended, collected in zip(values[-2], values[-1], strict=True):
        yield task_result(ended, collected)
