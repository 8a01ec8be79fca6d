"""The service's memory: one SQLite database, written before anything is acknowledged.

Write-ahead logging with ``synchronous = NORMAL``: what was committed survives the end of the process, ``kill -9``
included. When the whole machine loses its power, the last commits may be missing, and the database is whole all the
same. What belongs together is changed in one transaction. Tasks are counted by triggers, so that counts cost the same
with ten tasks and with a million.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from localbatch.store.accounts import AccountRecord
from localbatch.store.applications import Applications
from localbatch.store.dependencies import Dependencies
from localbatch.store.jobs import JobRecord, PreparationRecord, ReleaseRecord
from localbatch.store.lifetimes import LifetimeRecord
from localbatch.store.nodes import NodeRecord, NodeUserRecord
from localbatch.store.pools import FaultRecord, PoolRecord
from localbatch.store.root import RootError
from localbatch.store.samples import Samples
from localbatch.store.schedules import JobScheduleRecord
from localbatch.store.statistics import Totals
from localbatch.store.table import SqlValue, Table, to_sql
from localbatch.store.tasks import SubtaskRecord, TaskCount, TaskRecord

_COUNTS = """
CREATE TABLE IF NOT EXISTS task_counts (
    job INTEGER NOT NULL, kind TEXT NOT NULL, tasks INTEGER NOT NULL, slots INTEGER NOT NULL, PRIMARY KEY (job, kind)
) WITHOUT ROWID;
CREATE TRIGGER IF NOT EXISTS task_added AFTER INSERT ON tasks BEGIN
    INSERT INTO task_counts
    VALUES (NEW.job, CASE NEW.state WHEN 'completed' THEN NEW.result ELSE NEW.state END, 1, NEW.required_slots)
    ON CONFLICT DO UPDATE SET tasks = tasks + 1, slots = slots + excluded.slots;
END;
CREATE TRIGGER IF NOT EXISTS task_removed AFTER DELETE ON tasks BEGIN
    UPDATE task_counts SET tasks = tasks - 1, slots = slots - OLD.required_slots
    WHERE job = OLD.job AND kind = CASE OLD.state WHEN 'completed' THEN OLD.result ELSE OLD.state END;
END;
CREATE TRIGGER IF NOT EXISTS task_moved AFTER UPDATE OF state ON tasks BEGIN
    UPDATE task_counts SET tasks = tasks - 1, slots = slots - OLD.required_slots
    WHERE job = OLD.job AND kind = CASE OLD.state WHEN 'completed' THEN OLD.result ELSE OLD.state END;
    INSERT INTO task_counts
    VALUES (NEW.job, CASE NEW.state WHEN 'completed' THEN NEW.result ELSE NEW.state END, 1, NEW.required_slots)
    ON CONFLICT DO UPDATE SET tasks = tasks + 1, slots = slots + excluded.slots;
END;
"""

_WAITING_TASKS = "state = 'active' AND blockers = 0 AND manager = 0"
_WAITING_JOBS = (
    "account = ? AND pool_id = ? AND state = 'active' AND EXISTS"
    " (SELECT 1 FROM task_counts WHERE job = jobs.seq AND kind = 'active' AND tasks > 0)"
)


# Changes with every table or column that does.
_VERSION = 3


class Store:
    """Pools, nodes, jobs and tasks of all accounts.

    Args:
        path: the database file, made if it is missing; its directory exists.

    Raises:
        RootError: the file was made by a version of this service whose tables are others.
    """

    def __init__(self, path: Path) -> None:
        # It holds keys and passwords; the files beside it get the same mode.
        path.touch(mode=0o600)
        self._connection = connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        _check_version(connection, path)
        for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "cache_size = -65536", "temp_store = MEMORY"):
            connection.execute(f"PRAGMA {pragma}")
        self.accounts = Table(connection, AccountRecord, "accounts", indexes={"unique_name": "(name)"})
        self.pools = Table(connection, PoolRecord, "pools", nocase=("id",), indexes={"unique_id": "(account, id)"})
        self.nodes = Table(
            connection, NodeRecord, "nodes", indexes={"unique_id": "(pool, id)", "by_state": "(pool, state)"}
        )
        self.node_users = Table(connection, NodeUserRecord, "node_users", indexes={"unique_name": "(node, name)"})
        self.faults = Table(
            connection, FaultRecord, "faults", nocase=("pool_id",), indexes={"by_pool": "(account, pool_id)"}
        )
        self.jobs = Table(
            connection,
            JobRecord,
            "jobs",
            nocase=("id", "pool_id"),
            indexes={
                "unique_id": "(account, id)",
                "by_pool": "(account, pool_id, state, preemptable)",
                "by_schedule": "(schedule, state) WHERE schedule IS NOT NULL",
            },
        )
        self.schedules = Table(
            connection,
            JobScheduleRecord,
            "schedules",
            nocase=("id",),
            indexes={"unique_id": "(account, id)", "by_state": "(state)"},
        )
        self.tasks = Table(
            connection,
            TaskRecord,
            "tasks",
            nocase=("id",),
            indexes={
                "unique_id": "(job, id)",
                "by_job": "(job, seq)",
                "by_state": "(job, state, seq)",
                "by_wait": f"(job, seq, required_slots, instances) WHERE {_WAITING_TASKS}",
                "by_loss": "(job) WHERE manager = 1 AND state = 'active' AND requeues > 0",
                "by_change": "(job, state, state_changed)",
                "by_expiry": "(expires) WHERE expires IS NOT NULL",
            },
        )
        self.preparations = Table(
            connection,
            PreparationRecord,
            "preparations",
            indexes={"unique_node": "(job, node_id)", "by_node": "(node_id)"},
        )
        self.releases = Table(
            connection,
            ReleaseRecord,
            "releases",
            indexes={"unique_node": "(job, node_id)", "by_expiry": "(expires) WHERE expires IS NOT NULL"},
        )
        self.subtasks = Table(
            connection, SubtaskRecord, "subtasks", indexes={"unique_number": "(task, number)", "by_job": "(job)"}
        )
        self.lifetimes = Table(connection, LifetimeRecord, "lifetimes", indexes={"by_end": "(account, ended)"})
        connection.executescript(_COUNTS)
        self.applications = Applications(connection)
        self.dependencies = Dependencies(connection)
        self.samples = Samples(connection)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Makes all changes within the block at once, or none of them. Within another such block it is part of that."""
        if self._connection.in_transaction:
            yield
            return
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def close(self) -> None:
        """Closes the database."""
        self._connection.close()

    def busy_accounts(self) -> list[str]:
        """Returns the names of all accounts that have something, in alphabetical order."""
        tables = ("pools", "jobs", "schedules")
        union = " UNION ".join(f"SELECT account FROM {table}" for table in tables)  # noqa: S608 - fixed names
        return sorted(account for (account,) in self._connection.execute(union))

    def find_pool(self, account: str, pool_id: str) -> PoolRecord | None:
        """Returns the pool of that id, in whatever case."""
        return self.pools.first("account = ? AND id = ?", account, pool_id)

    def find_node(self, pool: int, node_id: str) -> NodeRecord | None:
        """Returns a node of a pool."""
        return self.nodes.first("pool = ? AND id = ?", pool, node_id)

    def find_node_user(self, node: int, name: str) -> NodeUserRecord | None:
        """Returns a user account of a node."""
        return self.node_users.first("node = ? AND name = ?", node, name)

    def forget_node_users(self, node: int) -> None:
        """Removes the user accounts of a node that is gone or reimaged."""
        self.node_users.remove_where("node = ?", node, limit=-1)

    def take_fault(self, account: str, pool_id: str) -> FaultRecord | None:
        """Returns the fault that the next allocation of a pool is to have, and forgets it."""
        fault = self.faults.first("account = ? AND pool_id = ?", account, pool_id)
        if fault is not None:
            self.faults.remove(fault.seq)
        return fault

    def find_job(self, account: str, job_id: str) -> JobRecord | None:
        """Returns the job of that id, in whatever case."""
        return self.jobs.first("account = ? AND id = ?", account, job_id)

    def find_schedule(self, account: str, schedule_id: str) -> JobScheduleRecord | None:
        """Returns the job schedule of that id, in whatever case."""
        return self.schedules.first("account = ? AND id = ?", account, schedule_id)

    def find_task(self, job: int, task_id: str) -> TaskRecord | None:
        """Returns the task of that id, in whatever case."""
        return self.tasks.first("job = ? AND id = ?", job, task_id)

    def find_preparation(self, job: int, node_id: str) -> PreparationRecord | None:
        """Returns how a job's preparation task went on a node, None if it never ran there."""
        return self.preparations.first("job = ? AND node_id = ?", job, node_id)

    def find_release(self, job: int, node_id: str) -> ReleaseRecord | None:
        """Returns how a job's release task went on a node, None if it never ran there."""
        return self.releases.first("job = ? AND node_id = ?", job, node_id)

    def list_jobs_of_schedule(self, schedule: int, after: int = 0, limit: int = -1) -> list[JobRecord]:
        """Returns the jobs that a job schedule has made.

        Args:
            schedule: ``seq`` of the schedule.
            after: only rows behind this ``seq``.
            limit: at most so many.
        """
        return list(self.jobs.where("schedule = ? AND seq > ?", schedule, after, limit=limit))

    def has_unfinished_job(self, schedule: int) -> bool:
        """Tells whether a job that a job schedule has made is not completed."""
        return self.jobs.first("schedule = ? AND state != 'completed'", schedule) is not None

    def list_tasks(
        self, job: int, after: int, limit: int, *, state: str | None = None, since: datetime | None = None
    ) -> Iterator[TaskRecord]:
        """Returns tasks in the order in which they were added.

        Args:
            job: ``seq`` of the job.
            after: only rows behind this ``seq``.
            limit: at most so many.
            state: only those in this state.
            since: only those whose state changed then or later; asks for a state.
        """
        if state is None:
            return self.tasks.where("job = ? AND seq > ?", job, after, limit=limit, by="by_job")
        if since is None:
            return self.tasks.where("job = ? AND state = ? AND seq > ?", job, state, after, limit=limit, by="by_state")
        condition = "job = ? AND state = ? AND state_changed >= ? AND seq > ?"
        return self.tasks.where(condition, job, state, to_sql(since), after, limit=limit, by="by_change")

    def list_waiting_tasks(self, job: int, largest: int, limit: int, instances: int = 0) -> list[TaskRecord]:
        """Returns the first tasks of a job that wait for a node, and for no other task; the job's manager is left out.

        Args:
            job: ``seq`` of the job.
            largest: only those that need no more than so many slots.
            limit: at most so many.
            instances: only those that need no more than so many nodes at once; 0 leaves out all multi-instance tasks.
        """
        condition = f"job = ? AND {_WAITING_TASKS} AND required_slots <= ? AND instances <= ?"
        return list(self.tasks.where(condition, job, largest, instances, limit=limit, by="by_wait"))

    def find_manager(self, job: JobRecord) -> TaskRecord | None:
        """Returns the manager task of a job, None if it has none or it was deleted."""
        body = job.body.get("jobManagerTask")
        task = self.find_task(job.seq, str(body["id"])) if isinstance(body, dict) else None
        return task if task is not None and task.manager else None

    def list_subtasks(self, task: int) -> list[SubtaskRecord]:
        """Returns the subtasks of a task's last run, in the order of their numbers."""
        return list(self.subtasks.where("task = ?", task))

    def find_subtask(self, task: int, number: int) -> SubtaskRecord | None:
        """Returns one subtask of a task's last run."""
        return self.subtasks.first("task = ? AND number = ?", task, number)

    def forget_subtasks(self, task: int) -> None:
        """Removes the subtasks of a task that is to run anew or to be deleted."""
        self.subtasks.remove_where("task = ?", task, limit=-1)

    def list_waiting_jobs(self, account: str, pool_id: str) -> list[JobRecord]:
        """Returns the active jobs of a pool that have waiting tasks: the most important first, then the oldest."""
        jobs = self.jobs.where(_WAITING_JOBS, account, pool_id)
        return sorted(jobs, key=lambda job: (-job.priority, job.seq))

    def list_lost_managers(self) -> list[TaskRecord]:
        """Returns the manager tasks that lost their node and have no other yet."""
        return list(self.tasks.where("manager = 1 AND state = 'active' AND requeues > 0", by="by_loss"))

    def list_preemptable_jobs(self, account: str, pool_id: str) -> list[JobRecord]:
        """Returns the active jobs of a pool whose tasks may lose their nodes to jobs of higher priority."""
        return list(
            self.jobs.where("account = ? AND pool_id = ? AND state = 'active' AND preemptable = 1", account, pool_id)
        )

    def count_tasks(self, job: int) -> dict[str, TaskCount]:
        """Counts a job's tasks: ``active``, ``preparing``, ``running``, ``success`` and ``failure``."""
        rows = self._connection.execute("SELECT kind, tasks, slots FROM task_counts WHERE job = ?", (job,))
        return {kind: TaskCount(tasks, slots) for kind, tasks, slots in rows}

    def sum_tasks(self, job: int, now: datetime) -> Totals:
        """Adds up what the tasks of a job have used; how many have ended is not counted."""
        columns = "sum(user_time), sum(kernel_time), sum(bytes_read), sum(bytes_written), sum(retries)"
        running = "sum(CASE state WHEN 'running' THEN ? - started ELSE 0 END)"
        query = f"SELECT sum(wall_time) + {running}, {columns} FROM tasks WHERE job = ?"  # noqa: S608
        row = self._connection.execute(query, (to_sql(now), job)).fetchone()
        return Totals(*(value or 0 for value in row))

    def forget_counts(self, job: int) -> None:
        """Removes the counts of a job that is being deleted."""
        self._connection.execute("DELETE FROM task_counts WHERE job = ?", (job,))

    def count_pools(self, account: str) -> int:
        """Counts the pools of an account, those that are being deleted too."""
        return self._count("SELECT count(*) FROM pools WHERE account = ?", account)

    def count_active_jobs(self, account: str) -> int:
        """Counts the jobs and job schedules of an account that are not completed."""
        jobs = self._count("SELECT count(*) FROM jobs WHERE account = ? AND state <> 'completed'", account)
        query = "SELECT count(*) FROM schedules WHERE account = ? AND state <> 'completed'"
        return jobs + self._count(query, account)

    def count_jobs(self, account: str) -> int:
        """Counts the jobs of an account."""
        return self._count("SELECT count(*) FROM jobs WHERE account = ?", account)

    def _count(self, query: str, *values: SqlValue) -> int:
        (count,) = self._connection.execute(query, values).fetchone()
        return int(count)

    def count_nodes(self, pool: int) -> dict[tuple[bool, str], int]:
        """Counts a pool's nodes by whether they are dedicated and by state."""
        query = "SELECT dedicated, state, count(*) FROM nodes WHERE pool = ? GROUP BY dedicated, state"
        return {(bool(dedicated), state): count for dedicated, state, count in self._connection.execute(query, (pool,))}

    def last_expiry_on(self, node_id: str) -> datetime | None:
        """Tells when the last of those files on a node that are kept for some time is to be removed."""
        condition = "(node_id = ? OR seq IN (SELECT task FROM subtasks WHERE node_id = ?))"
        row = self._connection.execute(
            f"SELECT seq FROM tasks WHERE expires IS NOT NULL AND {condition} ORDER BY expires DESC LIMIT 1",  # noqa: S608
            (node_id, node_id),
        ).fetchone()
        task = self.tasks.get(row[0]) if row else None
        return task.expires if task else None

    def next_expiry(self) -> datetime | None:
        """Tells when the files of some task are to be removed next."""
        found = (next(self.expired_tasks(None, 1), None), next(self.expired_releases(None, 1), None))
        return min((each.expires for each in found if each is not None and each.expires is not None), default=None)

    def expired_tasks(self, now: datetime | None, limit: int) -> Iterator[TaskRecord]:
        """Returns tasks whose files are to be removed, or with None whenever that is, the earliest first."""
        seqs = self._connection.execute(
            "SELECT seq FROM tasks WHERE expires IS NOT NULL AND expires <= ? ORDER BY expires LIMIT ?",
            (2**62 if now is None else to_sql(now), limit),
        ).fetchall()
        return self._tasks(seq for (seq,) in seqs)

    def expired_releases(self, now: datetime | None, limit: int) -> Iterator[ReleaseRecord]:
        """Returns release tasks whose files are to be removed, or with None whenever that is, the earliest first."""
        seqs = self._connection.execute(
            "SELECT seq FROM releases WHERE expires IS NOT NULL AND expires <= ? ORDER BY expires LIMIT ?",
            (2**62 if now is None else to_sql(now), limit),
        ).fetchall()
        for (seq,) in seqs:
            release = self.releases.get(seq)
            if release is not None:
                yield release

    def _tasks(self, seqs: Iterable[SqlValue]) -> Iterator[TaskRecord]:
        for seq in seqs:
            task = self.tasks.first("seq = ?", seq)
            if task is not None:
                yield task


def _check_version(connection: sqlite3.Connection, path: Path) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if tables and version != _VERSION:
        connection.close()
        raise RootError(f"{path} was made by another version of localbatch: name another --root, or remove this one")
    connection.execute(f"PRAGMA user_version = {_VERSION}")
