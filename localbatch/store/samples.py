"""The samples of pools in the service's database, for their autoscale formulas.

One row holds all metrics of a pool at one moment. It costs the same with ten tasks and with a million: tasks are
counted already, and only those that count otherwise (they wait for others, or take several nodes) are looked at.
"""

import math
import sqlite3
from array import array
from collections.abc import Iterable, Mapping
from datetime import datetime

from localbatch.autoscale.names import METRICS
from localbatch.autoscale.samples import Series

MOST_SAMPLES = 2880
"""How many samples of a pool are kept: 24 hours of one each 30 seconds."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS samples (
    pool INTEGER NOT NULL, taken REAL NOT NULL, metrics BLOB NOT NULL, PRIMARY KEY (pool, taken)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS samples_by_time ON samples (taken);
CREATE TRIGGER IF NOT EXISTS pool_removed AFTER DELETE ON pools BEGIN
    DELETE FROM samples WHERE pool = OLD.seq;
END;
CREATE INDEX IF NOT EXISTS tasks_counted_otherwise ON tasks (job)
    WHERE state = 'active' AND (instances > 1 OR blockers > 0);
"""

# Tasks of jobs that are disabled or have ended wait for nothing that a node could give them.
_TASKS = """
SELECT pools.seq, kind, sum(tasks) FROM pools
JOIN jobs ON jobs.account = pools.account AND jobs.pool_id = pools.id
JOIN task_counts ON task_counts.job = jobs.seq
WHERE kind <> 'active' OR jobs.state = 'active'
GROUP BY pools.seq, kind
"""
_OTHERWISE = """
SELECT pools.seq, sum(CASE WHEN blockers > 0 THEN -1 ELSE instances - 1 END)
FROM tasks INDEXED BY tasks_counted_otherwise
JOIN jobs ON jobs.seq = tasks.job AND jobs.state = 'active'
JOIN pools ON pools.account = jobs.account AND pools.id = jobs.pool_id
WHERE tasks.state = 'active' AND (instances > 1 OR blockers > 0)
GROUP BY pools.seq
"""


class Samples:
    """The samples of all pools. Writing wants a transaction around it.

    Args:
        connection: the database, in which there are the tables of pools, jobs and tasks.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        connection.executescript(_SCHEMA)

    def count_tasks(self) -> dict[int, dict[str, int]]:
        """Counts the tasks of each pool by the ``seq`` of the pool and by kind, as ``Store.count_tasks`` names it.

        Active are those that could run: not those which wait for others. A multi-instance task counts for as many as
        it takes nodes.
        """
        counts: dict[int, dict[str, int]] = {}
        for pool, kind, tasks in self._connection.execute(_TASKS):
            counts.setdefault(pool, {})[kind] = tasks
        for pool, more in self._connection.execute(_OTHERWISE):
            kinds = counts.setdefault(pool, {})
            kinds["active"] = kinds.get("active", 0) + more
        return counts

    def add(self, pool: int, taken: datetime, metrics: Mapping[str, float]) -> None:
        """Remembers a sample of a pool; metrics that are left out were not taken."""
        values = array("d", (metrics.get(name, math.nan) for name in METRICS))
        self._connection.execute(
            "INSERT OR REPLACE INTO samples VALUES (?, ?, ?)", (pool, taken.timestamp(), values.tobytes())
        )

    def forget(self, before: datetime) -> None:
        """Removes the samples taken before a moment."""
        self._connection.execute("DELETE FROM samples WHERE taken < ?", (before.timestamp(),))

    def series(self, pool: int, names: Iterable[str], period: float) -> dict[str, Series]:
        """Returns the samples of a pool by variable.

        Args:
            pool: ``seq`` of the pool.
            names: the variables wanted.
            period: seconds from one sample to the next.
        """
        places = {name: METRICS.index(name) for name in names}
        query = "SELECT taken, metrics FROM samples WHERE pool = ? ORDER BY taken DESC LIMIT ?"
        rows = [(taken, array("d", raw)) for taken, raw in self._connection.execute(query, (pool, MOST_SAMPLES))]
        return {name: _series(name, place, rows, period) for name, place in places.items()}


def _series(name: str, place: int, rows: Iterable[tuple[float, "array[float]"]], period: float) -> Series:
    return Series.of(name, ((taken, values[place]) for taken, values in rows), period)
