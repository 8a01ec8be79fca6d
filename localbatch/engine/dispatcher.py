"""Puts waiting tasks on free slots, whenever slots or tasks have come."""

import logging

from localbatch.engine.background import breathe
from localbatch.engine.context import Context
from localbatch.engine.fleet import Node
from localbatch.engine.runs import TaskRuns
from localbatch.records import JobRecord, PoolRecord, TaskRecord
from localbatch.scheduler import Assignment, Fill, FreeNode, Waiting, assign

logger = logging.getLogger("localbatch")

# The event loop serves requests too; so many tasks are started before it gets its turn.
_MOST_AT_ONCE = 200


class Dispatcher:
    """Serves the pools that are rung for, one after the other.

    Args:
        context: the engine's surroundings.
        runs: what runs the tasks.
    """

    def __init__(self, context: Context, runs: TaskRuns) -> None:
        self._context, self._runs = context, runs

    async def run(self) -> None:
        """Serves pools for as long as the service lives."""
        while True:
            await self._context.woken.wait()
            self._context.woken.clear()
            pools = list(self._context.pools_to_serve)
            self._context.pools_to_serve.clear()
            for pool in pools:
                try:
                    await self._serve(pool)
                except Exception:
                    logger.exception("Putting tasks on nodes failed")
            self._settle()
            await breathe()

    async def _serve(self, seq: int) -> None:
        pool = self._context.store.pools.get(seq)
        if pool is None or not self._context.fleet.with_room(seq):
            return
        for job in self._context.store.list_waiting_jobs(pool.account, pool.id):
            while self._serve_job(pool, job.seq):
                await breathe()

    def _serve_job(self, pool: PoolRecord, seq: int) -> bool:
        """Starts some tasks of a job; false if no more of them can be started now."""
        job = self._context.store.jobs.get(seq)
        nodes = [node for node in self._context.fleet.with_room(pool.seq) if seq not in node.barred]
        if job is None or job.state != "active" or not nodes:
            return False
        share = None if job.max_parallel < 0 else job.max_parallel - self._runs.running_of(seq)
        room = sum(node.free_slots for node in nodes)
        limit = min(room, _MOST_AT_ONCE, room if share is None else share)
        if limit <= 0:
            return False
        largest = max(node.free_slots for node in nodes)
        together = len(nodes) if _runs_together(pool) else 0
        found = self._context.store.list_waiting_tasks(seq, largest, limit, together)
        # A task ended by request and made active again may still be on its old node.
        tasks = {task.id: task for task in found if not self._runs.is_running(task.seq)}
        waiting = (_waiting(job, task, share) for task in tasks.values())
        assignments = assign([_free(node) for node in nodes], waiting, _fill(pool))
        self._start(job, tasks, {node.id: node for node in nodes}, assignments)
        return bool(assignments)

    def _start(
        self, job: JobRecord, tasks: dict[str, TaskRecord], nodes: dict[str, Node], assignments: list[Assignment]
    ) -> None:
        with self._context.store.transaction():
            for waiting, node_ids in assignments:
                self._runs.begin(job, tasks[waiting.task_id], [nodes[node_id] for node_id in node_ids])

    def _settle(self) -> None:
        """Calls nodes idle, or offline, that have nothing to do, now that it is sure that no task waited for them."""
        quiet = list(self._context.quiet)
        self._context.quiet.clear()
        for node in quiet:
            if not node.runs and node.record.state == "running":
                self._context.set_node_state(node, node.resting_state)


def _waiting(job: JobRecord, task: TaskRecord, share: int | None) -> Waiting:
    return Waiting(
        job_id=job.id,
        task_id=task.id,
        required_slots=task.required_slots,
        priority=job.priority,
        parallel_left=share,
        affinity_id=task.affinity,
        instances=task.instances,
    )


def _free(node: Node) -> FreeNode:
    return FreeNode(node.id, node.free_slots, affinity_id=f"TVM:{node.id}", running_tasks=len(node.runs))


def _runs_together(pool: PoolRecord) -> bool:
    """Tells whether multi-instance tasks run on a pool; on any other they wait for ever, as on Azure."""
    return pool.body.get("enableInterNodeCommunication") is True and pool.body.get("taskSlotsPerNode") == 1


def _fill(pool: PoolRecord) -> Fill:
    policy = pool.body.get("taskSchedulingPolicy")
    kind = policy.get("nodeFillType") if isinstance(policy, dict) else None
    return "pack" if str(kind).lower() == "pack" else "spread"
