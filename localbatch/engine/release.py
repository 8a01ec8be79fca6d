"""Job release tasks: at the end of a job, on each node that its preparation task made ready."""

import asyncio

from localbatch.bodies.jobs import JobReleaseTask
from localbatch.driver.interface import Outcome
from localbatch.engine.background import settle
from localbatch.engine.context import Context
from localbatch.engine.failure_log import tell_failure
from localbatch.engine.fleet import Node
from localbatch.engine.orders import OrderError, preparation_of, release_of, release_order
from localbatch.engine.outcomes import SUCCESS, completion, ended_by_request, expiry
from localbatch.rules.states import COMING_NODES, UP_NODES
from localbatch.store.jobs import JobRecord, PreparationRecord, ReleaseRecord


class Releases:
    """Runs release tasks beside whatever else the nodes run: they take no slots.

    Args:
        context: the engine's surroundings.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._works: dict[int, set[asyncio.Task[None]]] = {}

    async def run_all(self, job: JobRecord) -> None:
        """Runs a job's release task on all nodes where it has not ended yet, and waits for that.

        A node that starts anew is waited for, and the task runs there once more. One that leaves, or does not come up,
        has none. Cancelling it ends the processes.
        """
        body = release_of(job)
        if body is None:
            return
        works = {self._context.background.start(self._run(node, job, body)) for node in self._nodes_left(job)}
        self._works.setdefault(job.seq, set()).update(works)
        try:
            await settle(*works)
        finally:
            for work in works:
                work.cancel()
            await settle(*works)
            self._forget(job.seq, works)

    def _forget(self, job: int, works: set[asyncio.Task[None]]) -> None:
        left = self._works.get(job, set()) - works
        self._works[job] = left
        if not left:
            del self._works[job]

    async def stop(self, job: int) -> None:
        """Ends the release tasks of a job that run."""
        works = self._works.pop(job, set())
        for work in works:
            work.cancel()
        await settle(*works)

    def _nodes_left(self, job: JobRecord) -> list[Node]:
        preparations = list(self._context.store.preparations.where("job = ?", job.seq))
        ready = [each for each in preparations if _made_ready(job, each) and not self._has_ended(each)]
        return [node for each in ready if (node := self._find_node(job, each)) is not None]

    def _has_ended(self, preparation: PreparationRecord) -> bool:
        record = self._context.store.find_release(preparation.job, preparation.node_id)
        return record is not None and record.state == "completed"

    def _find_node(self, job: JobRecord, preparation: PreparationRecord) -> Node | None:
        pool = self._context.store.find_pool(job.account, preparation.pool_id)
        return None if pool is None else self._context.fleet.find(pool.seq, preparation.node_id)

    async def _run(self, node: Node, job: JobRecord, body: JobReleaseTask) -> None:
        record = None
        while await _comes_up(node):
            record = self._begin(node, job)
            outcome = await self._execute(node, job, body)
            if outcome is not None:
                tell_failure(f"The release task of job {job.id}", node.id, outcome)
                expires = expiry(outcome.ended, body.retention_time.total_seconds())
                self._context.store.releases.change(record, state="completed", **completion(outcome), expires=expires)
                self._context.expiring.set()
                return
        if record is not None:
            end_release(self._context, record)

    def _begin(self, node: Node, job: JobRecord) -> ReleaseRecord:
        store = self._context.store
        former = store.find_release(job.seq, node.id)
        if former is not None:
            store.releases.remove(former.seq)
        started = self._context.clock.now()
        return store.releases.add(
            ReleaseRecord(0, job.seq, node.place.pool_id, node.id, state="running", started=started)
        )

    async def _execute(self, node: Node, job: JobRecord, body: JobReleaseTask) -> Outcome | None:
        """Runs the task once; None if its node was taken down meanwhile."""
        try:
            order = release_order(self._context, node, job, body)
        except OrderError as error:
            now = self._context.clock.now()
            return Outcome(now, now, None, error.failure)
        work = self._context.background.start(self._context.driver.execute(order, _ignore_start))
        node.releases.add(work)
        try:
            await settle(work)
        finally:
            work.cancel()
            await settle(work)
            node.releases.discard(work)
        return None if work.cancelled() else work.result()


async def leave_node(node: Node) -> None:
    """Ends the release tasks that run on a node which is about to go down."""
    works = list(node.releases)
    for work in works:
        work.cancel()
    await settle(*works)


def end_release(context: Context, record: ReleaseRecord) -> ReleaseRecord:
    """Has the record of a release task that runs no more say so."""
    return context.store.releases.change(record, state="completed", **ended_by_request(context.clock.now()))


def _made_ready(job: JobRecord, preparation: PreparationRecord) -> bool:
    """Tells whether tasks of the job could run on a node after its preparation task there."""
    body = preparation_of(job)
    waits = body is not None and body.wait_for_success
    done = preparation.state == "completed" and not preparation.emptied
    return done and (preparation.result == SUCCESS or not waits)


async def _comes_up(node: Node) -> bool:
    """Waits while a node starts; false if it leaves or fails instead."""
    while node.record.state in COMING_NODES:
        await node.moved.wait()
    return node.record.state in UP_NODES


def _ignore_start() -> None:
    """Its state is ``running`` from the first resource file on."""
