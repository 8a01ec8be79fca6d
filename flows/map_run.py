"""The stages of a map run, in order, and the cleanup that follows whatever happens."""

import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from prefect import unmapped
from prefect.futures import PrefectFuture

from blocks.azure_batch import AzureBatchAccount
from flows.examples import example
from flows.parameters import MapParameters
from flows.preflight import package_of
from flows.progress import show_progress
from flows.results import MapResult, TaskResult, count_results
from tasks.application import ship_program_task, use_package_task
from tasks.cleanup import delete_created, delete_created_task
from tasks.collect import collect_outputs_task, tail
from tasks.inputs import find_inputs
from tasks.job import close_job_task, create_job_task
from tasks.pool import check_pool_task, create_pool_task
from tasks.records import Collected, Created, EndedTask, InputItem, JobPlan, PoolPlan, Program, TaskPlan
from tasks.submit import add_tasks_task
from tasks.upload import blob_lister, upload_inputs_task
from tasks.wait import job_poller, wait_for_tasks_task

_SIGNAL_BASE = 128

MOST_BATCHES = 50
"""Up to this many inputs go through the stages one by one; more go in this many batches."""


def run_map(account: AzureBatchAccount, run: MapParameters, run_id: str) -> MapResult:
    """Runs the stages inside a Prefect flow run.

    Args:
        account: the Batch account and its storage.
        run: what was asked for.
        run_id: names the job, the pool and the output container.

    Returns:
        The result, failed tasks included.

    Raises:
        BadInput: something asked for does not exist; nothing has been created.
        ServiceFailure: Azure refused or failed a request that the whole run needs.
    """
    inputs = find_inputs(run.inputs or [str(example("map") / "inputs")], blob_lister(account.storage))
    package = use_package_task(account, *found) if run.app and (found := package_of(run.app)) else None
    if run.pool:
        check_pool_task(account, run.pool)
    created = Created(run_id, None if run.pool else run_id, (run_id,))
    try:
        result = _run_stages(account, run, run_id, inputs, package)
    except BaseException:
        delete_created(account, created)  # not as a task: the flow run may be in no state to start one
        raise
    delete_created_task(account, created)
    return result


@dataclass(frozen=True)
class _Batch:
    """A group of inputs that goes through the stages together, and the future of each stage, in order."""

    inputs: Sequence[InputItem]
    stages: tuple[PrefectFuture[Any], ...]


def _run_stages(
    account: AzureBatchAccount, run: MapParameters, run_id: str, inputs: list[InputItem], package: Program | None
) -> MapResult:
    limit = timedelta(hours=run.hours)
    results = Path(run.results or f"results/{run_id}").absolute()
    groups = list(split(inputs, MOST_BATCHES))
    pool_id = run.pool or create_pool_task(account, _pool_plan(run, run_id, package))
    labels = [_label(group) for group in groups]
    stored = upload_inputs_task.map(unmapped(account.storage), groups, label=labels)
    program = package or _ship(account, run)
    job = JobPlan(run_id, pool_id, run_id, program, time_limit=limit, task_retries=run.retries)
    job_id = create_job_task(account, job)
    plan = TaskPlan(
        run.template.script(program.variable if program else None),
        output_container=run_id,
        outputs=tuple(run.outputs),
        time_limit=timedelta(minutes=run.task_minutes) if run.task_minutes else None,
        link_lifetime=limit,
    )
    with job_poller(account, job_id, pool_id, limit) as poller, show_progress(poller, len(inputs)):
        try:
            added = add_tasks_task.map(
                unmapped(account), job_id, stored, unmapped(plan), unmapped(program), label=labels
            )
            closed = close_job_task.submit(account, job_id, wait_for=added, return_state=False)
            ended = wait_for_tasks_task.map(unmapped(account), job_id, pool_id, added, unmapped(limit), label=labels)
            collected = collect_outputs_task.map(
                unmapped(account.storage), run_id, ended, unmapped(results), label=labels
            )
            batches = [
                _Batch(*batch) for batch in zip(groups, zip(stored, added, ended, collected, strict=True), strict=True)
            ]
            tasks = [task for batch in batches for task in _batch_results(batch)]
            closed.wait()
        finally:
            poller.close()
    return MapResult(run_id=run_id, job_id=job_id, pool_id=pool_id, counts=count_results(tasks), tasks=tasks)


def split(inputs: Sequence[InputItem], most: int) -> Iterator[Sequence[InputItem]]:
    """Splits inputs into at most so many groups of nearly the same size."""
    groups = min(most, len(inputs))
    for number in range(groups):
        yield inputs[len(inputs) * number // groups : len(inputs) * (number + 1) // groups]


def _label(group: Sequence[InputItem]) -> str:
    return group[0].name if len(group) == 1 else f"{group[0].index + 1} to {group[-1].index + 1}"


def _pool_plan(run: MapParameters, run_id: str, package: Program | None) -> PoolPlan:
    packages = (package.package,) if package and package.package else ()
    return PoolPlan(run_id, run.nodes, run.slots, run.vm_size, packages=packages, run_id=run_id)


def _ship(account: AzureBatchAccount, run: MapParameters) -> Program | None:
    path = Path(run.app) if run.app else None if run.command else example("map") / "app"
    return ship_program_task(account.storage, path) if path else None


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
        yield _task_result(ended, collected)


def _task_result(task: EndedTask, collected: Collected) -> TaskResult:
    end = task.end
    return TaskResult(
        input=task.label,
        task_id=task.task_id,
        state="succeeded" if end.succeeded else "failed",
        exit_code=end.exit_code,
        node_id=end.node_id or None,
        started=end.started,
        ended=end.ended,
        stdout=str(collected.stdout) if collected.stdout else None,
        outputs=[str(path) for path in collected.outputs],
        error=None if end.succeeded else _failure(task, collected),
    )


def _failure(task: EndedTask, collected: Collected) -> str:
    end = task.end
    what = "no exit code" if end.exit_code is None else f"exit code {end.exit_code}{_signal(end.exit_code)}"
    where = f" on node {end.node_id}" if end.node_id else ""
    stderr = tail(collected.stderr)
    return f"{what}{where}: {end.failure}" + (f"; stderr ends: {stderr}" if stderr else "")


def _signal(exit_code: int) -> str:
    try:
        return f" (killed by {signal.Signals(exit_code - _SIGNAL_BASE).name})"
    except ValueError:
        return ""
