"""The stages that the inputs of a map go through, in batches, and how each fares."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from prefect import unmapped
from prefect.futures import PrefectFuture, as_completed

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.flows.outcomes import failed_result, result_of_other, task_outcome, task_result
from prefect_azure_batch.flows.parameters import MapParameters
from prefect_azure_batch.flows.progress import show_progress
from prefect_azure_batch.flows.results import TaskResult, result_index
from prefect_azure_batch.flows.resume import TakenUp
from prefect_azure_batch.tasks.collect import collect_outputs_task, restore_outputs_task
from prefect_azure_batch.tasks.errors import BatchFlowError
from prefect_azure_batch.tasks.job import close_job_task
from prefect_azure_batch.tasks.ledger import Outcome, record_outcomes
from prefect_azure_batch.tasks.others import wait_for_other_run_task
from prefect_azure_batch.tasks.records import Collected, InputItem, Run, TaskPlan
from prefect_azure_batch.tasks.submit import add_tasks_task, task_namer
from prefect_azure_batch.tasks.upload import upload_inputs_task
from prefect_azure_batch.tasks.wait import abandon_job, job_poller, wait_for_tasks_task

MOST_BATCHES = 50
"""Up to this many inputs go through the stages one by one; more go in this many batches."""

_Item = TypeVar("_Item")

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Batch:
    """Tasks that go through the stages together.

    Attributes:
        names: their ids, and what the user calls their inputs.
        stages: the future of each stage, in order.
        done: what the ledger says of them, if that is all there is to do.
        run: the run that does them, into whose ledger their ends are to be written; None for a run of somebody else's.
    """

    names: Sequence[tuple[str, str]]
    stages: tuple[PrefectFuture[Any], ...]
    done: Sequence[Outcome] = ()
    run: Run | None = None


@dataclass(frozen=True)
class MapStages:
    """The stages of a map run, and where their results go."""

    account: AzureBatchAccount
    asked: MapParameters
    results: Path

    def run(
        self,
        run: Run | None,
        rest: Sequence[InputItem],
        plan: TaskPlan,
        others: Sequence[TakenUp],
        done: Mapping[str, Outcome],
    ) -> dict[str, TaskResult]:
        """Has all tasks go through their stages; returns how each fared, by its id."""
        waited = [other for other in others if other.found.tasks]
        runs = [*([run] if run else []), *(other.run for other in waited if other.is_ours)]
        with ExitStack() as kept:
            for watched in runs:
                kept.callback(abandon_job, self.account, watched)
                poller = kept.enter_context(job_poller(self.account, watched))
                if watched is runs[0]:
                    kept.enter_context(show_progress(poller, len(rest) or len(waited[0].found.tasks)))
            batches = [*self._restored(list(done.values())), *self._waited(waited)]
            if run is None:
                return dict(self._fates(batches))
            started, closed = self._started(run, rest, plan)
            fates = dict(self._fates([*batches, *started]))
            closed.wait()
            return fates

    def _restored(self, done: Sequence[Outcome]) -> Iterator[_Batch]:
        for some in split(done, MOST_BATCHES):
            names = [(outcome.task_id, outcome.label) for outcome in some]
            future = restore_outputs_task.submit(
                self.account.storage,
                some,
                self.results,
                label=_label([label for _, label in names]),
                return_state=False,
            )
            yield _Batch(names, (future,), done=some)

    def _waited(self, others: Sequence[TakenUp]) -> Iterator[_Batch]:
        storage = self.account.storage
        for other in others:
            tasks, run, limit = list(other.found.tasks), other.run, self.asked.time_limit
            names = [(task.task_id, task.label) for task in tasks]
            label = f"{run.run_id}, {len(tasks)} inputs"
            if other.is_ours:
                ended = wait_for_tasks_task.submit(self.account, run, tasks, label=label, return_state=False)
                collected = collect_outputs_task.submit(
                    storage, run, ended, self.results, label=label, return_state=False
                )
                yield _Batch(names, (ended, collected), run=run)
            else:
                told = wait_for_other_run_task.submit(
                    storage, other.found.record, tasks, limit, label=label, return_state=False
                )
                restored = restore_outputs_task.submit(storage, told, self.results, label=label, return_state=False)
                yield _Batch(names, (told, restored))

    def _started(self, run: Run, rest: Sequence[InputItem], plan: TaskPlan) -> tuple[list[_Batch], PrefectFuture[None]]:
        groups = list(split(rest, MOST_BATCHES))
        labels = [_label([item.name for item in group], group[0].index) for group in groups]
        name = task_namer(run.program, plan)
        storage, fixed = unmapped(self.account.storage), (unmapped(self.account), unmapped(run))
        stored = upload_inputs_task.map(storage, groups, label=labels)
        added = add_tasks_task.map(*fixed, stored, unmapped(plan), label=labels)
        closed = close_job_task.submit(self.account, run, wait_for=added, return_state=False)
        ended = wait_for_tasks_task.map(*fixed, added, label=labels)
        collected = collect_outputs_task.map(storage, unmapped(run), ended, unmapped(self.results), label=labels)
        batches = [
            _Batch([(name(item), item.label) for item in group], stages, run=run)
            for group, stages in zip(groups, zip(stored, added, ended, collected, strict=True), strict=True)
        ]
        return batches, closed

    def _fates(self, batches: Sequence[_Batch]) -> Iterator[tuple[str, TaskResult]]:
        """How tasks fared, as their batches come to their ends; written down at once, here and in the ledger."""
        by_future = {batch.stages[-1]: batch for batch in batches}
        with result_index(self.results) as write:
            for future in as_completed(list(by_future)):
                outcomes = []
                for result, outcome in self._results(by_future[future]):
                    write(result)
                    outcomes += [outcome] if outcome else []
                    yield result.task_id, result
                self._record(by_future[future].run, outcomes)

    def _results(self, batch: _Batch) -> Iterator[tuple[TaskResult, Outcome | None]]:
        values = []
        for future in batch.stages:
            future.wait()
            value = future.state.result(raise_on_failure=False)
            if isinstance(value, BaseException):
                yield from ((failed_result(label, task_id, str(value)), None) for task_id, label in batch.names)
                return
            values.append(value)
        if batch.run is None:
            yield from (
                (result, None) for result in _results_of_others(batch.names, batch.done or values[0], values[-1])
            )
            return
        for ended, files in zip(values[-2], values[-1], strict=True):
            result = task_result(ended, files, self.asked.outputs, batch.run.run_id)
            yield result, task_outcome(ended, files, result)

    def _record(self, run: Run | None, outcomes: Sequence[Outcome]) -> None:
        if run is None or not outcomes:
            return
        try:
            record_outcomes(self.account.storage, run, outcomes, self.asked.keep_time)
        except BatchFlowError as error:
            _logger.warning("%s A later run will do these inputs again.", error)


def _results_of_others(
    names: Sequence[tuple[str, str]], outcomes: Sequence[Outcome], collected: Sequence[Collected]
) -> Iterator[TaskResult]:
    known = {outcome.task_id: (outcome, files) for outcome, files in zip(outcomes, collected, strict=True)}
    for task_id, label in names:
        if task_id in known:
            yield result_of_other(*known[task_id])
        else:
            yield failed_result(label, task_id, "the run that had it ended without having done it: run again")


def split(items: Sequence[_Item], most: int) -> Iterator[Sequence[_Item]]:
    """Splits into at most so many groups of nearly the same size."""
    groups = min(most, len(items))
    for number in range(groups):
        yield items[len(items) * number // groups : len(items) * (number + 1) // groups]


def _label(names: Iterable[str], first: int | None = None) -> str:
    some = list(names)
    if len(some) == 1:
        return some[0]
    return f"{len(some)} inputs" if first is None else f"{first + 1} to {first + len(some)}"
