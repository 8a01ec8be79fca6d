"""Goes on where the service ended, however it ended: the records are all there is.

The processes of tasks ended with the service, so every node that was up counts as started anew, and tasks that were on
a node wait for one again.
"""

from localbatch.engine.allocation import Allocation
from localbatch.engine.context import Context
from localbatch.engine.fleet import Node
from localbatch.engine.jobs import JobLife
from localbatch.engine.losses import Losses
from localbatch.engine.node_commands import NodeCommands
from localbatch.engine.nodes import NodeLife
from localbatch.engine.orders import preparation_of
from localbatch.engine.preparation import end_preparation, runs_on_reboot
from localbatch.engine.release import end_release
from localbatch.store.jobs import JobRecord
from localbatch.store.pools import PoolRecord

_UP = ("waitingforstarttask", "idle", "running", "offline", "starttaskfailed")
_COMING_UP = ("creating", "starting")
_UNDER_WAY = ("rebooting", "reimaging", "deallocating")


class Recovery:
    """Reads the records of the service's last life.

    Args:
        context: the engine's surroundings.
        allocation: what resizes pools.
        nodes: what brings nodes up.
        commands: what clients have nodes do.
        losses: what replaces preempted nodes.
        jobs: what ends jobs.
    """

    def __init__(
        self,
        context: Context,
        allocation: Allocation,
        nodes: NodeLife,
        commands: NodeCommands,
        losses: Losses,
        jobs: JobLife,
    ) -> None:
        self._context, self._allocation, self._nodes, self._jobs = context, allocation, nodes, jobs
        self._commands, self._losses = commands, losses

    def run(self) -> None:
        """Takes everything up again."""
        store = self._context.store
        with store.transaction():
            for job in store.jobs.where("1"):
                self._requeue_tasks(job)
                self._forget_preparations(job)
                self._end_releases(job)
        for pool in list(store.pools.where("1")):
            self._recover_pool(pool)
        for job in list(store.jobs.where("1")):
            if job.state not in ("completed", "terminating", "deleting"):
                self._jobs.watch(job)
            self._jobs.go_on(job)
            self._jobs.check_complete(job.seq)

    def _requeue_tasks(self, job: JobRecord) -> None:
        # A job that was being terminated had not ended them yet.
        lose = self._jobs.runs.end if job.state in ("terminating", "completed") else self._jobs.runs.requeue
        for state in ("preparing", "running"):
            for task in list(self._context.store.list_tasks(job.seq, 0, -1, state=state)):
                lose(task)

    def _forget_preparations(self, job: JobRecord) -> None:
        body = preparation_of(job)
        if body is None:
            return
        for record in list(self._context.store.preparations.where("job = ?", job.seq)):
            end_preparation(self._context, record)
            if runs_on_reboot(record, body):
                self._context.store.preparations.change(record, stale=True)

    def _end_releases(self, job: JobRecord) -> None:
        """A job that did not wait for its release tasks does not run them once more."""
        if job.state == "completed":
            for record in list(self._context.store.releases.where("job = ? AND state = 'running'", job.seq)):
                end_release(self._context, record)

    def _recover_pool(self, pool: PoolRecord) -> None:
        nodes = [
            self._nodes.take_in(pool, record) for record in list(self._context.store.nodes.where("pool = ?", pool.seq))
        ]
        for node in nodes:
            self._recover_node(node)
        self._go_on(pool)
        if pool.allocation == "steady":
            for node in nodes:
                if node.record.leaving:
                    self._nodes.remove(node, pool.deallocation)

    def _recover_node(self, node: Node) -> None:
        state = node.record.state
        if state in _UP:
            self._context.set_node_state(node, "rebooting", task_option="requeue", start_info=None, errors=[])
        if state == "leavingpool":
            self._nodes.remove(node, "requeue")
        elif state in _COMING_UP:
            node.life = self._context.background.start(self._nodes.bring_up(node))
        elif state in _UP or state in _UNDER_WAY:
            self._commands.go_on(node)
        elif state == "preempted":
            self._losses.go_on(node)

    def _go_on(self, pool: PoolRecord) -> None:
        if pool.state == "deleting":
            self._allocation.delete(pool)
        elif pool.allocation == "stopping":
            self._allocation.stop(pool)
        elif pool.allocation == "resizing":
            self._allocation.begin(pool)
