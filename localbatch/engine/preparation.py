"""Job preparation tasks: once on each node, before the first task of the job there."""

from localbatch.bodies.jobs import JobPreparationTask
from localbatch.driver.interface import Outcome
from localbatch.engine.background import settle
from localbatch.engine.context import Context
from localbatch.engine.failure_log import tell_failure
from localbatch.engine.fleet import Node
from localbatch.engine.orders import OrderError, preparation_of, preparation_order
from localbatch.engine.outcomes import FAILURE, SUCCESS, completion, ended_by_request, runs_again
from localbatch.store.jobs import JobRecord, PreparationRecord


class Preparations:
    """Runs preparation tasks, each once per node however many tasks wait for it.

    Args:
        context: the engine's surroundings.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._nodes: dict[int, set[Node]] = {}

    def is_done(self, node: Node, job: JobRecord) -> bool:
        """Tells whether a task of the job may run on the node without waiting."""
        body = preparation_of(job)
        if body is None:
            return True
        known = node.preparations.get(job.seq)
        if known is not None and known.done() and not known.cancelled() and known.exception() is None:
            return known.result()
        record = self._context.store.find_preparation(job.seq, node.id)
        return record is not None and record.result == SUCCESS and not record.stale

    async def make_ready(self, node: Node, job: JobRecord) -> bool:
        """Runs the job's preparation task on the node unless it has run there, and waits as long as the job wants it.

        Returns:
            Whether tasks of the job may run on the node.
        """
        body = preparation_of(job)
        if body is None or self.is_done(node, job):
            return True
        work = node.preparations.get(job.seq)
        if work is None:
            work = self._context.background.start(self._run(node, job, body))
            node.preparations[job.seq] = work
            self._nodes.setdefault(job.seq, set()).add(node)
        if not body.wait_for_success:
            return True
        await settle(work)
        return not work.cancelled() and work.exception() is None and work.result()

    async def stop(self, job: int) -> None:
        """Ends the preparation tasks of a job that run."""
        nodes = self._nodes.get(job, set())
        works = [node.preparations[job] for node in nodes if job in node.preparations]
        for work in works:
            work.cancel()
        await settle(*works)
        for node in self._nodes.pop(job, set()):
            node.preparations.pop(job, None)
        for record in list(self._context.store.preparations.where("job = ?", job)):
            end_preparation(self._context, record)

    async def leave_node(self, node: Node) -> None:
        """Ends the preparation tasks that run on a node."""
        works = list(node.preparations.values())
        for work in works:
            work.cancel()
        await settle(*works)
        for job in node.preparations:
            self._nodes.get(job, set()).discard(node)
            if (record := self._context.store.find_preparation(job, node.id)) is not None:
                end_preparation(self._context, record)
        node.preparations.clear()

    def forget(self, node: Node, *, reimaged: bool) -> None:
        """Has preparation tasks run again on a node that is being started anew, as far as their jobs want it.

        Where one has failed, no task of its job runs until the node is reimaged.

        Args:
            node: the node, on which none of them runs.
            reimaged: whether its disk was emptied, so that all must run again.
        """
        store = self._context.store
        node.barred.clear()
        with store.transaction():
            for record in list(store.preparations.where("node_id = ?", node.id)):
                job = store.jobs.get(record.job)
                body = preparation_of(job) if job else None
                if reimaged or (body is not None and runs_on_reboot(record, body)):
                    store.preparations.change(record, stale=True, emptied=reimaged or record.emptied)
                elif body is not None and body.wait_for_success and _has_failed(record):
                    node.barred.add(record.job)

    async def _run(self, node: Node, job: JobRecord, body: JobPreparationTask) -> bool:
        store, clock = self._context.store, self._context.clock
        former = store.find_preparation(job.seq, node.id)
        if former is not None:
            store.preparations.remove(former.seq)
        record = store.preparations.add(
            PreparationRecord(0, job.seq, node.place.pool_id, node.id, state="running", started=clock.now())
        )
        limit = body.constraints.max_task_retry_count or 0
        outcome = await self._execute(node, job, body)
        while runs_again(outcome, record.retries, limit):
            record = store.preparations.change(record, retries=record.retries + 1, retried=clock.now())
            outcome = await self._execute(node, job, body)
        tell_failure(f"The preparation task of job {job.id}", node.id, outcome)
        store.preparations.change(record, state="completed", **completion(outcome))
        return outcome.failure is None

    async def _execute(self, node: Node, job: JobRecord, body: JobPreparationTask) -> Outcome:
        try:
            order = preparation_order(self._context, node, job, body)
        except OrderError as error:
            now = self._context.clock.now()
            return Outcome(now, now, None, error.failure)
        return await self._context.driver.execute(order, _ignore_start)


def end_preparation(context: Context, record: PreparationRecord) -> None:
    """Has the record of a preparation task that runs no more say so; it is to run again if it is still needed."""
    if record.state == "running":
        ended = ended_by_request(context.clock.now())
        context.store.preparations.change(record, state="completed", **ended, stale=True)


def runs_on_reboot(record: PreparationRecord, body: JobPreparationTask) -> bool:
    """Tells whether a preparation task that has ended runs again on a node that was rebooted."""
    return body.rerun_on_node_reboot_after_success and record.result == SUCCESS


def _has_failed(record: PreparationRecord) -> bool:
    return record.result == FAILURE and not record.stale


def _ignore_start() -> None:
    """Its state is ``running`` from the first resource file on."""
