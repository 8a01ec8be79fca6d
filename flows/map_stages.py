"""The stages that the inputs of a map go through, in batches, and how each fares."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from prefect import unmapped
from prefect.exceptions import CrashedRun, UnfinishedRun
from prefect.futures import PrefectFuture, as_completed
from prefect.utilities.annotations import quote

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.flows.live_logs import LiveLogs
from prefect_azure_batch.flows.map_parameters import MapParameters
from prefect_azure_batch.flows.outcomes import failed_result, result_of_other, task_outcome, task_result
from prefect_azure_batch.flows.reduction import Reduction
from prefect_azure_batch.flows.result_index import ResultIndex
from prefect_azure_batch.flows.results import TaskResult
from prefect_azure_batch.flows.resume import TakenUp
from prefect_azure_batch.flows.run_progress import RunProgress
from prefect_azure_batch.flows.telling import note_away
from prefect_azure_batch.tasks.batches import (
    ReportEnded,
    add_batch,
    add_batch_task,
    batch_size,
    collect_batch,
    collect_batch_task,
    keep_manifest_task,
    restore_batch,
    restore_batch_task,
    upload_batch,
    upload_batch_task,
    wait_for_batch,
    wait_for_batch_task,
    wait_for_other_batch_task,
)
from prefect_azure_batch.tasks.errors import BatchFlowError, StepFailed
from prefect_azure_batch.tasks.job import close_job_task
from prefect_azure_batch.tasks.ledger import Ledgers, Outcome
from prefect_azure_batch.tasks.manifest import DONE, OURS, Batch, Manifest
from prefect_azure_batch.tasks.names import REDUCE_LABEL
from prefect_azure_batch.tasks.poller import Ends
from prefect_azure_batch.tasks.records import AddedTask, Collected, EndedTask, Place, Run, TaskEnd, TaskPlan
from prefect_azure_batch.tasks.reduce import add_reduce, add_reduce_task
from prefect_azure_batch.tasks.wait import abandon_job, job_poller

# What becomes of a stage that Prefect could not start, or not end, because its server is gone.
_OF_PREFECT = (httpx.HTTPError, CrashedRun, UnfinishedRun)
_NOT_DONE = "the run that had it ended without having done it: run again"

_logger = logging.getLogger(__name__)


def _nothing() -> None:
    return


@dataclass(frozen=True)
class _OnItsWay:
    """A batch that goes through the stages.

    Attributes:
        stages: the future of each, in order.
        send, fetch: the same stages once more, in this thread and without Prefect: those up to the tasks in their job,
            and those from there on. What has been done already they find done.
    """

    batch: Batch
    stages: tuple[PrefectFuture[Any], ...]
    fetch: Callable[[], object]
    send: Callable[[], object] = _nothing


@dataclass(frozen=True)
class _OfBoth:
    """Takes ends for two manifests; the second has one task of the same job, which is a stranger to the first."""

    first: Ends
    second: Ends

    def add(self, ends: Mapping[str, TaskEnd]) -> int:
        self.second.add(ends)
        return self.first.add(ends)


@dataclass(frozen=True)
class MapStages:
    """The stages of a map run, and where its results and the ends of its tasks go."""

    account: AzureBatchAccount
    asked: MapParameters
    plan: TaskPlan
    manifest: Manifest
    index: ResultIndex
    results: Path | Place
    ledgers: Ledgers
    progress: RunProgress
    logs: LiveLogs
    reduction: Reduction | None = None

    def run(self, run: Run | None, others: Sequence[TakenUp]) -> None:
        """Has all tasks go through their stages; how each fares is in the index then.

        Args:
            run: does what nobody has done; None if there is nothing.
            others: runs that have done, or are doing, some of it.
        """
        waited = [other for other in others if other.found.tasks]
        runs = [
            *([(OURS, run)] if run else []),
            *((other.found.number, other.run) for other in waited if other.is_ours),
        ]
        if self.reduction is not None and run is not None:
            self.reduction.begin(run)
        with ExitStack() as kept:
            kept.callback(self.manifest.abandon)
            total = sum(self.manifest.count(source) + self._reduces(source) for source, _ in runs)
            for source, watched in runs:
                kept.callback(abandon_job, self.account, watched)
                poller = kept.enter_context(job_poller(self.account, watched, ends=self._ends_of(source)))
                kept.enter_context(self.logs.of_tasks(watched, poller, self._tasks_of(source, watched), total))
                if watched is runs[0][1]:
                    self.progress.watch(poller, self.manifest.count(source) + self._reduces(source))
            under_way = [*self._restored(), *(one for other in waited for one in self._waited(other))]
            further: list[PrefectFuture[Any]] = []
            if run is not None:
                added = self._start(run, under_way, further)
                # What others do is known to have ended well only when it has, and then the reduce can follow it.
                if self.reduction is None or not waited:
                    self._close(run, added, further)
            self._follow(under_way)
            if self.reduction is not None:
                self._reduce(self.reduction, run, further)
            for unwritten in self.ledgers.waiting():
                self._record(unwritten, [])
            for future in further:
                with suppress(httpx.HTTPError):  # Prefect is away
                    future.wait()

    def _reduces(self, source: int) -> bool:
        """Whether the reduce is a task of a job, besides those of the inputs."""
        return source == OURS and self.reduction is not None and not self.reduction.is_done

    def _tasks_of(self, source: int, run: Run) -> Iterator[AddedTask]:
        """The tasks in a run that have no result yet; in ours there may be the reduce."""
        yield from self.manifest.tasks_of(source, run)
        if self.reduction is not None and source == OURS:
            yield from self.reduction.manifest.tasks_of(OURS, run)

    def _batches(self, source: int) -> list[Batch]:
        return self.manifest.batches(source, self.asked.group_size or batch_size(self.manifest.count(source)))

    def _restored(self) -> Iterator[_OnItsWay]:
        for batch in self._batches(DONE):
            yield _OnItsWay(batch, (self._restore(batch),), partial(self._restore_here, batch))

    def _waited(self, other: TakenUp) -> Iterator[_OnItsWay]:
        run = other.run
        for batch in self._batches(other.found.number):
            label = f"{run.run_id}, {batch.label}"
            if other.is_ours:
                ended = self._wait(run, batch, label)
                futures = (ended, self._collect(run, batch, label, ended))
                yield _OnItsWay(batch, futures, partial(self._collect_here, run, batch))
            else:
                told = wait_for_other_batch_task.submit(
                    self.account.storage,
                    other.found.record,
                    self.manifest,
                    batch,
                    self.asked.time_limit,
                    label=label,
                    return_state=False,
                )
                yield _OnItsWay(batch, (told, self._restore(batch, told)), partial(self._restore_here, batch))

    def _ends_of(self, source: int) -> Ends:
        """Takes the ends of tasks in the job of one who does them; in ours there may be the reduce."""
        ends = self.manifest.ends_of(source)
        return _OfBoth(ends, self.reduction.manifest.ends_of(OURS)) if self.reduction and source == OURS else ends

    def _start(
        self, run: Run, under_way: list[_OnItsWay], further: list[PrefectFuture[Any]]
    ) -> list[PrefectFuture[Batch]]:
        """Sends what is ours on its way; gives the futures of adding its tasks."""
        batches = self._batches(OURS)
        if not batches:
            return []
        storage, manifest = unmapped(self.account.storage), unmapped(self.manifest)
        further.append(keep_manifest_task.submit(self.account.storage, run, self.manifest, return_state=False))
        stored = upload_batch_task.map(storage, manifest, batches, label=[batch.label for batch in batches])
        for batch, future in zip(batches, stored, strict=True):
            future.add_done_callback(partial(self._note_uploaded, batch))
        added = [self._add(run, batch, before) for batch, before in zip(batches, stored, strict=True)]
        ended = [self._wait(run, batch, batch.label, before) for batch, before in zip(batches, added, strict=True)]
        collected = [self._collect(run, batch, batch.label, of) for batch, of in zip(batches, ended, strict=True)]
        stages = zip(stored, added, ended, collected, strict=True)
        under_way += [
            _OnItsWay(batch, futures, partial(self._collect_here, run, batch), partial(self._send_here, run, batch))
            for batch, futures in zip(batches, stages, strict=True)
        ]
        return added

    def _note_uploaded(self, batch: Batch, future: PrefectFuture[Any]) -> None:
        self.progress.upload(batch.size)

    def _close(self, run: Run, added: Sequence[PrefectFuture[Any]], further: list[PrefectFuture[Any]]) -> None:
        """Has the job end when its tasks have; the reduce, if there is one, is the last of them."""
        before = list(added)
        if self.reduction is not None:
            self.reduction.added = self._add_reduce(self.reduction, run, added)
            before.append(self.reduction.added)
        further.append(close_job_task.submit(self.account, run, wait_for=before, return_state=False))

    def _add_reduce(
        self, reduction: Reduction, run: Run, before: Sequence[PrefectFuture[Any]]
    ) -> PrefectFuture[AddedTask]:
        takes = (reduction.index, reduction.plan, quote(reduction.maps))
        return add_reduce_task.submit(
            self.account, run, *takes, label=REDUCE_LABEL, wait_for=list(before), return_state=False
        )

    def _reduce(self, reduction: Reduction, run: Run | None, further: list[PrefectFuture[Any]]) -> None:
        """Follows the reduce to its end, now that what it takes has ended; in the job it may have begun already."""
        stages = replace(self, manifest=reduction.manifest, plan=reduction.plan, reduction=None)
        if reduction.is_done or run is None:
            stages._follow(list(stages._restored()))
            return
        (batch,) = stages._batches(OURS)
        if failed := self.index.counts.failed:
            text = f"it has no result, for {failed} of the {reduction.index} tasks before it failed"
            stages._give_up(batch, StepFailed(text))
            return
        if reduction.added is None:
            self._close(run, [], further)
        assert reduction.added is not None
        ended = stages._wait(run, batch, REDUCE_LABEL, reduction.added)
        futures = (reduction.added, ended, stages._collect(run, batch, REDUCE_LABEL, ended))
        send = partial(add_reduce, self.account, run, reduction.index, reduction.plan, reduction.maps)
        stages._follow([_OnItsWay(batch, futures, partial(stages._collect_here, run, batch), send)])

    def _send_here(self, run: Run, batch: Batch) -> None:
        upload_batch(self.account.storage, self.manifest, batch)
        add_batch(self.account, run, self.manifest, batch, self.plan)

    def _collect_here(self, run: Run, batch: Batch) -> None:
        wait_for_batch(self.account, run, self.manifest, batch)
        collect_batch(self.account, run, self.manifest, batch, self.results, self._report_ended(run))

    def _restore_here(self, batch: Batch) -> None:
        restore_batch(self.account.storage, self.manifest, batch, self.results, self._report_restored)

    def _report_ended(self, run: Run) -> ReportEnded:
        def report(some: Sequence[tuple[int, EndedTask, Collected]]) -> None:
            outcomes = []
            for number, task, files in some:
                result = self._queued(task_result(task, files, self.plan.outputs, run.run_id))
                if result.exit_code in self.plan.stop_on:
                    result = result.model_copy(update={"error": f"{result.error}; it has ended the run: --stop-on"})
                self.index.write(number, result)
                self.logs.note_end(result)
                outcomes.append(task_outcome(task, files, result, run.outputs.container))
            self._record(run, outcomes)

        return report

    def _queued(self, result: TaskResult) -> TaskResult:
        """The same; a reduce could have started when the last of what it takes had ended, and no sooner."""
        last_end = self.index.last_end
        if result.input != REDUCE_LABEL or result.queued is None or last_end is None:
            return result
        return result.model_copy(update={"queued": max(result.queued, last_end)})

    def _report_restored(self, some: Sequence[tuple[int, str, Outcome, Collected]]) -> None:
        for number, label, outcome, files in some:
            self.index.write(number, result_of_other(outcome, files).model_copy(update={"input": label}))

    # What a stage follows is said by ``wait_for``: a future that is an argument costs Prefect a client and a request.

    def _add(self, run: Run, batch: Batch, stored: PrefectFuture[Any]) -> PrefectFuture[Batch]:
        return add_batch_task.submit(
            self.account,
            run,
            self.manifest,
            batch,
            self.plan,
            label=batch.label,
            wait_for=[stored],
            return_state=False,
        )

    def _wait(self, run: Run, batch: Batch, label: str, *before: PrefectFuture[Any]) -> PrefectFuture[Batch]:
        return wait_for_batch_task.submit(
            self.account, run, self.manifest, batch, label=label, wait_for=before, return_state=False
        )

    def _collect(self, run: Run, batch: Batch, label: str, ended: PrefectFuture[Any]) -> PrefectFuture[None]:
        report = self._report_ended(run)
        return collect_batch_task.submit(
            self.account,
            run,
            self.manifest,
            batch,
            self.results,
            report,
            label=label,
            wait_for=[ended],
            return_state=False,
        )

    def _restore(self, batch: Batch, *before: PrefectFuture[Any]) -> PrefectFuture[None]:
        return restore_batch_task.submit(
            self.account.storage,
            self.manifest,
            batch,
            self.results,
            self._report_restored,
            label=batch.label,
            wait_for=before,
            return_state=False,
        )

    def _follow(self, under_way: Sequence[_OnItsWay]) -> None:
        """Waits for all batches; inputs that did not come through the stages have failed."""
        by_future = {one.stages[-1]: one for one in under_way}
        lost = []
        for future in as_completed(list(by_future)):
            one = by_future[future]
            error = _error_of(one.stages)
            if isinstance(error, _OF_PREFECT):
                lost.append(one)
            else:
                self._give_up(one.batch, error)
        if lost:
            note_away()
            _logger.warning("Prefect cannot be reached: the stages of %d batches go on without it.", len(lost))
            self._go_on_without_prefect(lost)

    def _give_up(self, batch: Batch, error: BaseException | None) -> None:
        """Says of the inputs of a batch that have no result why they have none."""
        for rows in self.manifest.unreported(batch):
            for number, label, task_id in rows:
                self.index.write(number, failed_result(label, task_id, str(error or _NOT_DONE)))
            self.manifest.report(batch, [number for number, *_ in rows])

    def _go_on_without_prefect(self, lost: Sequence[_OnItsWay]) -> None:
        unsent = [one for one in lost if _error_of(one.stages[:-2]) is not None]  # the last two fetch
        for stages in ([(one.batch, one.send) for one in unsent], [(one.batch, one.fetch) for one in lost]):
            for batch, stage in stages:
                try:
                    stage()
                except BatchFlowError as error:
                    self._give_up(batch, error)
        for one in lost:
            self._give_up(one.batch, None)

    def _record(self, run: Run, outcomes: Sequence[Outcome]) -> None:
        try:
            self.ledgers.add(run, outcomes)
        except BatchFlowError as error:
            _logger.warning("%s It is tried again; what is missing at the end is done again by a later run.", error)


def _error_of(stages: Sequence[PrefectFuture[Any]]) -> BaseException | None:
    """Why the stages did not come to their end: an error of theirs, or one of Prefect's."""
    for future in stages:
        try:
            future.wait()
            value = future.state.result(raise_on_failure=False)
        except httpx.HTTPError as error:
            return error
        if isinstance(value, BaseException):
            return value
    return None
