"""Running tasks make room for those of more important jobs, if their job allows it, and for managers without a node."""

from localbatch.engine.context import Context
from localbatch.engine.fleet import Node, TaskRun
from localbatch.engine.runs import TaskRuns
from localbatch.engine.waiting import describe_waiting
from localbatch.rules.preemption import CrowdedNode, Yielding, choose
from localbatch.store.jobs import JobRecord
from localbatch.store.pools import PoolRecord
from localbatch.store.tasks import TaskRecord

_MOST_AT_ONCE = 200


class Preemption:
    """Looks for room where the dispatcher found none.

    Args:
        context: the engine's surroundings.
        runs: the tasks that run.
    """

    def __init__(self, context: Context, runs: TaskRuns) -> None:
        self._context, self._runs = context, runs

    def make_room(self, pool: PoolRecord) -> None:
        """Has tasks of a pool go, for as many as still wait that may take their place."""
        self._make_room_for_managers(pool)
        preemptable = self._context.store.list_preemptable_jobs(pool.account, pool.id)
        if not preemptable:
            return
        least = min(job.priority for job in preemptable)
        for job in self._context.store.list_waiting_jobs(pool.account, pool.id):
            if job.priority <= least:
                return
            share = None if job.max_parallel < 0 else job.max_parallel - self._runs.running_of(job.seq)
            limit = _MOST_AT_ONCE if share is None else min(share, _MOST_AT_ONCE)
            if limit > 0:
                tasks = self._context.store.list_waiting_tasks(job.seq, _slots(pool), limit)
                yielding = {each.seq: each.priority for each in preemptable if each.priority < job.priority}
                self._preempt(pool, job, tasks, yielding)

    def _make_room_for_managers(self, pool: PoolRecord) -> None:
        for task in self._context.store.list_lost_managers():
            job = self._context.store.jobs.get(task.job)
            at_home = job is not None and (job.account, job.pool_id.lower()) == (pool.account, pool.id.lower())
            if job is not None and at_home and job.state == "active":
                self._preempt(pool, job, [task], self._jobs_below(pool, job))

    def _jobs_below(self, pool: PoolRecord, job: JobRecord) -> dict[int, int]:
        """Returns the priorities of the jobs whose tasks are no more important than the manager of a job."""
        seqs = {run.job for node in self._context.fleet.nodes(pool.seq) for run in node.runs.values()}
        jobs = [found for seq in seqs if (found := self._context.store.jobs.get(seq)) is not None]
        return {each.seq: each.priority for each in jobs if each.priority <= job.priority}

    def _preempt(self, pool: PoolRecord, job: JobRecord, tasks: list[TaskRecord], yielding: dict[int, int]) -> None:
        nodes = [
            node for node in self._context.fleet.nodes(pool.seq) if node.accepts_tasks and job.seq not in node.barred
        ]
        runs = {run.task: run for node in nodes for run in node.runs.values()}
        waiting = (describe_waiting(job, task, None) for task in tasks if not self._runs.is_running(task.seq))
        for key in choose([_describe(node, yielding) for node in nodes], waiting):
            if not runs[key].yielding:
                self._runs.preempt(runs[key])


def _describe(node: Node, yielding: dict[int, int]) -> CrowdedNode:
    others = [run for run in node.runs.values() if not run.yielding]
    candidates = tuple(Yielding(run.task, run.slots, yielding[run.job]) for run in others if _may_go(run, yielding))
    alone = any(run.exclusive for run in others)
    return CrowdedNode(
        slots=node.slots,
        free_slots=0 if alone else node.slots - sum(run.slots for run in others),
        staying=len(others) - len(candidates),
        yielding=candidates,
        dedicated=node.record.dedicated,
    )


def _may_go(run: TaskRun, yielding: dict[int, int]) -> bool:
    return run.job in yielding and not run.manager


def _slots(pool: PoolRecord) -> int:
    slots = pool.body["taskSlotsPerNode"]
    return slots if isinstance(slots, int) else 1
