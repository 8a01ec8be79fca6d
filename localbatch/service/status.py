"""What the status page shows: counts of everything, and single things on request. It only reads."""

from dataclasses import dataclass

from localbatch.engine.engine import Engine
from localbatch.engine.fleet import Node
from localbatch.service.files import FileEntry, FileTree
from localbatch.service.trees import FileTrees
from localbatch.store.jobs import JobRecord
from localbatch.store.pools import PoolRecord
from localbatch.store.schedules import JobScheduleRecord
from localbatch.store.tasks import TaskCount, TaskRecord
from localbatch.views.jobs import job_view
from localbatch.views.schedules import job_schedule_view
from localbatch.views.tasks import execution_view, task_view
from localbatch.wire.errors import ServiceError
from localbatch.wire.formats import JsonObject, JsonValue, format_time

_MOST_JOBS = 100
_PAGE = 100
_MOST_FILES = 500
_LONGEST_TAIL = 256 * 1024

# What a list of tasks can be narrowed to, as conditions of the store.
TASK_KINDS = {
    "all": "1",
    "active": "state = 'active'",
    "running": "state IN ('preparing', 'running')",
    "succeeded": "state = 'completed' AND result = 'success'",
    "failed": "state = 'completed' AND result = 'failure'",
}


@dataclass(frozen=True)
class Tail:
    """The end of a file, and the size of the whole in bytes."""

    content: bytes
    size: int


class Status:
    """All accounts, as their owner sees them.

    Args:
        engine: what runs everything.
    """

    def __init__(self, engine: Engine) -> None:
        self._context, self._store, self._trees = engine.context, engine.context.store, FileTrees(engine)

    def overview(self, account: str) -> JsonObject:
        """Shows pools with the state of each node, the newest jobs with their counts, and job schedules.

        Args:
            account: whose; the first one that has something if this one has nothing.
        """
        accounts = self._store.busy_accounts()
        chosen = account if account in accounts else next(iter(accounts), "")
        jobs = self._store.jobs.newest("account = ?", chosen, limit=_MOST_JOBS)
        schedules = self._store.schedules.newest("account = ?", chosen, limit=_MOST_JOBS)
        return {
            "now": format_time(self._context.clock.now()),
            "account": chosen,
            "accounts": list[JsonValue](accounts),
            "pools": [self._pool(pool) for pool in self._store.pools.where("account = ?", chosen)],
            "jobs": [self._job(job) for job in jobs],
            "jobCount": self._store.count_jobs(chosen),
            "schedules": [self._schedule(schedule) for schedule in schedules],
        }

    def _pool(self, pool: PoolRecord) -> JsonObject:
        return {
            "id": pool.id,
            "state": pool.state,
            "allocation": pool.allocation,
            "vmSize": pool.body["vmSize"],
            "slots": pool.body["taskSlotsPerNode"],
            "dedicated": pool.target_dedicated,
            "spot": pool.target_spot,
            "errors": [error.get("message") for error in pool.resize_errors],
            "nodes": [_brief(node) for node in self._context.fleet.nodes(pool.seq)],
        }

    def _job(self, job: JobRecord) -> JsonObject:
        view = job_view("", job)
        return {
            **{name: view.get(name) for name in ("id", "displayName", "state", "creationTime", "executionInfo")},
            "priority": job.priority,
            "tasks": _counts(self._store.count_tasks(job.seq)),
        }

    def _schedule(self, schedule: JobScheduleRecord) -> JsonObject:
        view = job_schedule_view("", schedule, self._context.clock.now())
        shown = ("id", "displayName", "state", "executionInfo", "schedule")
        return {**{name: view.get(name) for name in shown}, "jobsMade": schedule.jobs_made}

    def node(self, account: str, pool_id: str, number: int) -> JsonObject:
        """Shows a node, by the number under which the overview has it.

        Raises:
            ServiceError: ``PoolNotFound`` or ``NodeNotFound``.
        """
        pool = self._store.find_pool(account, pool_id)
        if pool is None:
            raise ServiceError("PoolNotFound")
        node = next((each for each in self._context.fleet.nodes(pool.seq) if each.record.seq == number), None)
        if node is None:
            raise ServiceError("NodeNotFound")
        record = node.record
        return {
            "id": node.id,
            "pool": pool.id,
            "state": record.state,
            "since": format_time(record.state_changed),
            "scheduling": record.scheduling,
            "dedicated": record.dedicated,
            "vmSize": pool.body["vmSize"],
            "address": node.place.address,
            "slots": node.slots,
            "usedSlots": node.used_slots,
            "tasksRun": record.tasks_run,
            "tasksSucceeded": record.tasks_succeeded,
            "startTask": record.start_info,
            "errors": list[JsonValue](record.errors),
            "running": self._named(list(node.runs)),
            "recent": self._named([task for task, _ in reversed(node.recent) if task not in node.runs]),
        }

    def _named(self, tasks: list[int]) -> list[JsonValue]:
        found: list[JsonValue] = []
        for seq in tasks:
            task = self._store.tasks.get(seq)
            job = None if task is None else self._store.jobs.get(task.job)
            if task is not None and job is not None:
                found.append({"job": job.id, "task": task.id, "state": task.state, "result": task.result})
        return found

    def tasks(self, account: str, job_id: str, kind: str, after: int) -> JsonObject:
        """Shows a job and one page of its tasks.

        Args:
            account: whose job it is.
            job_id: the job.
            kind: a key of ``TASK_KINDS``.
            after: what the page goes on behind, 0 for the first one.

        Raises:
            ServiceError: ``JobNotFound``.
        """
        job = self._find_job(account, job_id)
        condition = f"job = ? AND seq > ? AND {TASK_KINDS.get(kind, '1')}"
        rows = list(self._store.tasks.where(condition, job.seq, after, limit=_PAGE + 1))
        return {
            "job": self._job(job),
            "pool": job.pool_id,
            "tasks": [{"id": task.id, "state": task.state, **execution_view(task)} for task in rows[:_PAGE]],
            "next": rows[_PAGE - 1].seq if len(rows) > _PAGE else None,
        }

    def task(self, account: str, job_id: str, task_id: str) -> JsonObject:
        """Shows a task.

        Raises:
            ServiceError: the job or the task is not there.
        """
        job = self._find_job(account, job_id)
        task = self._find_task(job, task_id)
        view = task_view("", job.id, task)
        shown = ("id", "displayName", "state", "stateTransitionTime", "creationTime", "commandLine", "executionInfo")
        node = self._find_node(job, task)
        return {
            **{name: view.get(name) for name in (*shown, "nodeInfo")},
            "job": job.id,
            "node": None if node is None else node.record.seq,
        }

    def _find_node(self, job: JobRecord, task: TaskRecord) -> Node | None:
        pool = self._store.find_pool(job.account, task.pool_id) if task.pool_id else None
        return None if pool is None or task.node_id is None else self._context.fleet.find(pool.seq, task.node_id)

    def tree(self, account: str, job_id: str, task_id: str) -> FileTree:
        """Returns the files of a task.

        Raises:
            ServiceError: the job, the task or its files are not there.
        """
        job = self._find_job(account, job_id)
        return self._trees.of_task(job, self._find_task(job, task_id))

    def _find_job(self, account: str, job_id: str) -> JobRecord:
        job = self._store.find_job(account, job_id)
        if job is None:
            raise ServiceError("JobNotFound")
        return job

    def _find_task(self, job: JobRecord, task_id: str) -> TaskRecord:
        task = self._store.find_task(job.seq, task_id)
        if task is None:
            raise ServiceError("TaskNotFound")
        return task


def _brief(node: Node) -> JsonValue:
    """Shows a node among thousands: number, name, state, how many tasks it runs, and whether it is a spot node."""
    record = node.record
    return [record.seq, node.id.removeprefix("tvmps_")[:8], record.state, len(node.runs), 0 if record.dedicated else 1]


def _counts(counts: dict[str, TaskCount]) -> JsonObject:
    tasks = {kind: count.tasks for kind, count in counts.items()}
    return {
        "active": tasks.get("active", 0),
        "running": tasks.get("preparing", 0) + tasks.get("running", 0),
        "succeeded": tasks.get("success", 0),
        "failed": tasks.get("failure", 0),
    }


def list_files(tree: FileTree) -> JsonObject:
    """Shows the first files of a tree."""
    files = [entry for entry in tree.list(recursive=True) if not entry.is_directory]
    return {"files": [_file(entry) for entry in files[:_MOST_FILES]], "count": len(files)}


def read_tail(tree: FileTree, name: str) -> Tail:
    """Reads the end of a file.

    Raises:
        ServiceError: ``FileNotFound``.
    """
    entry = tree.find(name)
    try:
        with entry.path.open("rb") as file:
            file.seek(max(0, entry.size - _LONGEST_TAIL))
            return Tail(file.read(_LONGEST_TAIL), entry.size)
    except OSError as error:
        raise ServiceError("FileNotFound") from error


def _file(entry: FileEntry) -> JsonValue:
    # A name that is no text can be told apart, but not opened from here.
    return {"name": entry.name.encode("utf-8", "replace").decode(), "size": entry.size}
