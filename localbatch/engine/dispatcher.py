"""Puts waiting tasks on free slots, whenever slots or tasks have come."""

import logging
import math
from itertools import groupby

from localbatch.engine.background import breathe
from localbatch.engine.context import Context
from localbatch.engine.fleet import Node
from localbatch.engine.preemption import Preemption
from localbatch.engine.room import Room
from localbatch.engine.runs import TaskRuns
from localbatch.engine.waiting import describe_node, describe_waiting
from localbatch.rules.scheduler import Assignment, Fill, assign
from localbatch.store.jobs import JobRecord
from localbatch.store.tasks import TaskRecord

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
        self._preemption = Preemption(context, runs)

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
        if pool is None:
            return
        room = Room(self._context, pool)
        if room.is_left():
            jobs = self._context.store.list_waiting_jobs(pool.account, pool.id)
            for _priority, equals in groupby(jobs, key=lambda job: job.priority):
                await self._serve_equals(room, list(equals))
        self._preemption.make_room(pool)

    async def _serve_equals(self, room: Room, jobs: list[JobRecord]) -> None:
        """Serves jobs of one priority: the oldest first, or each with an equal share of the room."""
        in_order = room.policy("jobDefaultOrder") == "creationtime"
        while jobs and room.is_left():
            served = jobs[:1] if in_order else sorted(jobs, key=lambda job: self._runs.running_of(job.seq))
            most = _MOST_AT_ONCE if len(served) == 1 else math.ceil(room.slots() / len(served))
            unfinished: list[JobRecord] = []
            for job in served:
                if room.is_left() and self._serve_job(room, job.seq, most):
                    unfinished.append(job)
                    await breathe()
            jobs = unfinished + jobs[len(served) :]

    def _serve_job(self, room: Room, seq: int, most: int) -> bool:
        """Starts some tasks of a job; false if no more of them can be started now."""
        job = self._context.store.jobs.get(seq)
        if job is None or job.state != "active" or self._share(job) == 0:
            return False
        manager = self._context.store.find_manager(job)
        if manager is not None and manager.state == "active" and not self._runs.is_running(manager.seq):
            if self._place(room, job, [manager], room.nodes(job)):
                return True
            room.keep(job, describe_waiting(job, manager, None))
        return self._serve_tasks(room, job, most)

    def _share(self, job: JobRecord) -> int | None:
        """Tells how many further tasks of a job may run at once."""
        return None if job.max_parallel < 0 else max(0, job.max_parallel - self._runs.running_of(job.seq))

    def _serve_tasks(self, room: Room, job: JobRecord, most: int) -> bool:
        nodes, share = room.nodes(job), self._share(job)
        slots = sum(node.free_slots for node in nodes)
        limit = min(slots, most, _MOST_AT_ONCE, slots if share is None else share)
        if limit <= 0:
            return False
        largest = max(node.free_slots for node in nodes)
        together = len(nodes) if room.runs_together() else 0
        found = self._context.store.list_waiting_tasks(job.seq, largest, limit, together)
        # A task ended by request and made active again may still be on its old node.
        return self._place(room, job, [task for task in found if not self._runs.is_running(task.seq)], nodes)

    def _place(self, room: Room, job: JobRecord, tasks: list[TaskRecord], nodes: list[Node]) -> bool:
        """Starts those of some tasks for which there is room; false if there is none for any."""
        share = self._share(job)
        waiting = (describe_waiting(job, task, share) for task in tasks)
        fill: Fill = "pack" if room.policy("nodeFillType") == "pack" else "spread"
        assignments = assign([describe_node(node) for node in nodes], waiting, fill)
        self._start(job, {task.id: task for task in tasks}, {node.id: node for node in nodes}, assignments)
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
