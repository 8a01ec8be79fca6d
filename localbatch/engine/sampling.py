"""Takes samples of all pools at regular moments."""

import asyncio
import logging
from collections.abc import Mapping
from datetime import timedelta

from localbatch.engine.context import Context
from localbatch.engine.machine import Machine
from localbatch.store.samples import MOST_SAMPLES

logger = logging.getLogger("localbatch")


class Sampling:
    """The only writer of samples.

    Args:
        context: the engine's surroundings.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._machine = Machine(context.nodes_root.parent)

    async def run(self) -> None:
        """Takes samples for as long as the service lives."""
        loop = asyncio.get_running_loop()
        period = self._context.clock.real_seconds(self._context.pace.sample_seconds)
        due = loop.time()
        while True:
            # What is late is left out, so that a machine that was asleep does not take all that it has missed.
            due = max(due + period, loop.time())
            await asyncio.sleep(due - loop.time())
            try:
                self.take()
            except Exception:
                logger.exception("Taking samples failed")

    def take(self) -> None:
        """Takes one sample of every pool, and forgets the oldest."""
        store, now, period = self._context.store, self._context.clock.now(), self._context.pace.sample_seconds
        resources, tasks = self._machine.measure(period), store.samples.count_tasks()
        with store.transaction():
            for pool in store.pools.where("state = 'active'"):
                nodes = store.count_nodes(pool.seq)
                metrics = task_metrics(tasks.get(pool.seq, {})) | node_metrics(nodes)
                # A pool without nodes has none that could tell how busy it is.
                store.samples.add(pool.seq, now, metrics | (resources if nodes else {}))
            store.samples.forget(now - timedelta(seconds=period * MOST_SAMPLES))


def task_metrics(counts: Mapping[str, int]) -> dict[str, float]:
    """Makes the task metrics of a pool from the numbers of its tasks by kind."""
    active, running = counts.get("active", 0), counts.get("preparing", 0) + counts.get("running", 0)
    return {
        "$ActiveTasks": float(active),
        "$RunningTasks": float(running),
        "$PendingTasks": float(active + running),
        "$SucceededTasks": float(counts.get("success", 0)),
        "$FailedTasks": float(counts.get("failure", 0)),
    }


def node_metrics(nodes: Mapping[tuple[bool, str], int]) -> dict[str, float]:
    """Makes the node metrics of a pool from the numbers of its nodes by kind and state."""
    return {
        "$CurrentDedicatedNodes": float(sum(count for (dedicated, _), count in nodes.items() if dedicated)),
        "$CurrentLowPriorityNodes": float(sum(count for (dedicated, _), count in nodes.items() if not dedicated)),
        "$PreemptedNodeCount": float(sum(count for (_, state), count in nodes.items() if state == "preempted")),
        "$SampleNodeCount": float(sum(nodes.values())),
    }
