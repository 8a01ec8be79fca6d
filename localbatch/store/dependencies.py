"""Which tasks wait for which: what the database knows of dependencies.

A task's row counts the dependencies that it still waits for (``blockers``); it may run when none is left. A dependency
is either the id of a task or a range of ids. Equal ranges of a job are one row, however many tasks wait for it, and
count the numbers that are missing; so the end of a task costs as much as there is that waits for it, and nothing for
all the rest.

A dependency stays satisfied, whatever becomes of the task that satisfied it.
"""

import sqlite3
from collections.abc import Iterable

from localbatch.bodies.tasks import TaskDependencies
from localbatch.rules.dependencies import nodes_of_number, nodes_of_range, number_of
from localbatch.store.table import SqlValue

# Edges hold ids; a range stands among them under a name that no task can have.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS dependency_edges (
    seq INTEGER PRIMARY KEY, job INTEGER NOT NULL, parent TEXT NOT NULL COLLATE NOCASE, child INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS dependency_edges_by_parent ON dependency_edges (job, parent, child);
CREATE TABLE IF NOT EXISTS dependency_ranges (
    seq INTEGER PRIMARY KEY, job INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    missing INTEGER NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS dependency_ranges_by_ends ON dependency_ranges (job, first, last);
CREATE TABLE IF NOT EXISTS dependency_nodes (
    seq INTEGER PRIMARY KEY, job INTEGER NOT NULL, node INTEGER NOT NULL, holder INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS dependency_nodes_by_node ON dependency_nodes (job, node, holder);
CREATE TABLE IF NOT EXISTS satisfied_numbers (
    seq INTEGER PRIMARY KEY, job INTEGER NOT NULL, number INTEGER NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS satisfied_numbers_by_number ON satisfied_numbers (job, number);
"""
_TABLES = ("dependency_edges", "dependency_ranges", "dependency_nodes", "satisfied_numbers")


class Dependencies:
    """The dependencies of the tasks of all jobs. All methods want a transaction around them.

    Args:
        connection: the database, in which there is a table of tasks.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        connection.executescript(_SCHEMA)

    def unmet(self, job: int, wanted: TaskDependencies) -> list[str]:
        """Returns the names of those dependencies that are not satisfied yet; ranges are written down.

        Args:
            job: ``seq`` of the job.
            wanted: what a task is to wait for.
        """
        ids = {task_id.lower() for task_id in wanted.task_ids}
        ranges = {(each.start, each.end) for each in wanted.task_id_ranges}
        names = [task_id for task_id in sorted(ids) if not self._is_satisfied(job, task_id)]
        return names + [name for name in (self._range(job, *ends) for ends in sorted(ranges)) if name is not None]

    def add(self, job: int, task: int, names: Iterable[str]) -> None:
        """Has a task wait for what ``unmet`` has named.

        Args:
            job: ``seq`` of the job.
            task: ``seq`` of the task.
            names: names of the dependencies.
        """
        rows = ((job, name, task) for name in names)
        self._connection.executemany("INSERT INTO dependency_edges (job, parent, child) VALUES (?, ?, ?)", rows)

    def satisfy(self, job: int, task_id: str) -> bool:
        """Takes note that a task has ended as those that wait for it wish.

        Args:
            job: ``seq`` of the job.
            task_id: id of the task.

        Returns:
            Whether some task waits for one thing less now.
        """
        released = self._release(job, task_id)
        number = number_of(task_id)
        if number is not None:
            for name in self._fill_ranges(job, number):
                released |= self._release(job, name)
        return released

    def forget(self, job: int, limit: int) -> bool:
        """Removes some rows of a job that is being deleted.

        Args:
            job: ``seq`` of the job.
            limit: at most so many.

        Returns:
            Whether there may be more.
        """
        for table in _TABLES:
            rows = f"SELECT seq FROM {table} WHERE job = ? LIMIT ?"  # noqa: S608 - the table's name is ours
            if self._run(f"DELETE FROM {table} WHERE seq IN ({rows})", job, limit).rowcount:  # noqa: S608
                return True
        return False

    def _is_satisfied(self, job: int, task_id: str) -> bool:
        row = self._run("SELECT satisfied FROM tasks WHERE job = ? AND id = ?", job, task_id).fetchone()
        return row is not None and bool(row[0])

    def _range(self, job: int, first: int, last: int) -> str | None:
        query = "SELECT seq, missing FROM dependency_ranges WHERE job = ? AND first = ? AND last = ?"
        seq, missing = self._run(query, job, first, last).fetchone() or self._add_range(job, first, last)
        return _name(seq) if missing else None

    def _add_range(self, job: int, first: int, last: int) -> tuple[int, int]:
        query = "SELECT count(*) FROM satisfied_numbers WHERE job = ? AND number BETWEEN ? AND ?"
        missing = last - first + 1 - self._run(query, job, first, last).fetchone()[0]
        values = (job, first, last, missing)
        statement = "INSERT INTO dependency_ranges (job, first, last, missing) VALUES (?, ?, ?, ?)"
        seq = self._run(statement, *values).lastrowid or 0
        rows = ((job, node, seq) for node in nodes_of_range(first, last))
        self._connection.executemany("INSERT INTO dependency_nodes (job, node, holder) VALUES (?, ?, ?)", rows)
        return seq, missing

    def _fill_ranges(self, job: int, number: int) -> list[str]:
        """Counts a number in all ranges that hold it, and returns the names of those that are complete by it."""
        if not self._run("INSERT OR IGNORE INTO satisfied_numbers (job, number) VALUES (?, ?)", job, number).rowcount:
            return []
        nodes = nodes_of_number(number)
        holders = f"SELECT holder FROM dependency_nodes WHERE job = ? AND node IN ({', '.join('?' * len(nodes))})"  # noqa: S608
        change = f"UPDATE dependency_ranges SET missing = missing - 1 WHERE seq IN ({holders})"  # noqa: S608
        rows = self._run(f"{change} RETURNING seq, missing", job, *nodes).fetchall()
        return [_name(seq) for seq, missing in rows if not missing]

    def _release(self, job: int, name: str) -> bool:
        children = "SELECT child FROM dependency_edges WHERE job = ? AND parent = ?"
        statement = f"UPDATE tasks SET blockers = blockers - 1 WHERE seq IN ({children})"  # noqa: S608
        released = self._run(statement, job, name).rowcount > 0
        self._run("DELETE FROM dependency_edges WHERE job = ? AND parent = ?", job, name)
        return released

    def _run(self, statement: str, *values: SqlValue) -> sqlite3.Cursor:
        return self._connection.execute(statement, values)


def _name(seq: int) -> str:
    return f":{seq}"
