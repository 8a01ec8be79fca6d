"""The engine as a whole."""

import random

from localbatch.engine.allocation import Allocation
from localbatch.engine.auto_pools import AutoPools
from localbatch.engine.auto_scaler import AutoScaler
from localbatch.engine.context import Context
from localbatch.engine.dispatcher import Dispatcher
from localbatch.engine.jobs import JobLife
from localbatch.engine.losses import Losses
from localbatch.engine.node_commands import NodeCommands
from localbatch.engine.nodes import NodeLife
from localbatch.engine.preparation import Preparations
from localbatch.engine.recovery import Recovery
from localbatch.engine.release import Releases
from localbatch.engine.retention import Retention
from localbatch.engine.sampling import Sampling
from localbatch.engine.schedules import ScheduleLife
from localbatch.engine.submission import Submission


class Engine:
    """What goes on by itself, put together.

    Args:
        context: the engine's surroundings.

    Attributes:
        allocation: resizes and deletes pools.
        auto_scaler: evaluates the formulas of pools.
        jobs: ends, disables and deletes jobs.
        losses: preempts and breaks nodes.
        nodes: reboots, reimages and deallocates nodes.
        runs: the tasks that run.
        auto_pools: makes pools for jobs and job schedules, and ends them.
        submission: makes jobs.
    """

    def __init__(self, context: Context) -> None:
        self.context = context
        preparations = Preparations(context)
        self.jobs = JobLife(context, preparations, Releases(context), self._end_pool)
        self.runs = self.jobs.runs
        self._life = life = NodeLife(context, self.runs, preparations)
        self.allocation = Allocation(context, life)
        self.nodes = NodeCommands(context, life, self.runs, preparations)
        self.auto_scaler = AutoScaler(context, self.allocation)
        self.auto_pools = AutoPools(context, self.allocation, self.auto_scaler)
        self.submission = Submission(context, self.auto_pools, self.jobs)
        self.losses = Losses(context, life)
        self._recovery = Recovery(context, self.allocation, life, self.nodes, self.losses, self.jobs)

    def _end_pool(self, account: str, pool_id: str) -> None:
        self.auto_pools.end(account, pool_id)

    def start(self) -> None:
        """Begins, from what the store holds. Needs a running event loop."""
        self._recovery.run()
        self.context.background.start(Dispatcher(self.context, self.runs).run())
        self.context.background.start(Retention(self.context, self.runs).run())
        schedules = ScheduleLife(self.context, self.submission, self.jobs, self.auto_pools)
        self.context.background.start(schedules.run())
        self.context.background.start(Sampling(self.context).run())
        self.context.background.start(self.auto_scaler.run())
        if self.context.preemptions_per_hour:
            generator = random.Random(self.context.preemption_seed)  # noqa: S311  (nothing here is secret)
            self.context.background.start(self.losses.run(generator))

    async def stop(self) -> None:
        """Ends every process of every node. The records stay as they are, so that a new start goes on from there."""
        self.jobs.stop()
        await self.context.background.stop()
        self._life.stop()
        await self.context.driver.close()
