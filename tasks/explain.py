"""Why a job does not go on, and why its tasks failed: for any job, whoever has made it. Only reads."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from azure.batch import BatchClient, models
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from prefect_azure_batch.tasks.conditions import Scene, find_condition
from prefect_azure_batch.tasks.diagnosis import (
    DEAD_NODE_STATES,
    complaint_about_shape,
    current_nodes,
    describe_failure,
    describe_node,
    describe_resize,
    is_steady,
    read_nodes,
    target_nodes,
)
from prefect_azure_batch.tasks.errors import BadInput, PoolUnusable, translated
from prefect_azure_batch.tasks.failures import OTHER, Cause, Failure, cause_of
from prefect_azure_batch.tasks.job import diagnose_preparation
from prefect_azure_batch.tasks.logs import last_lines, with_stderr
from prefect_azure_batch.tasks.records import Counts
from prefect_azure_batch.tasks.stage import stage
from prefect_azure_batch.tasks.task_directory import STDERR

_LOOKED_AT = 100
_READ = 20
_REQUEUED = 2
_TASK = [
    "id,state,executionInfo,nodeInfo,requiredSlots,multiInstanceSettings,dependsOn,containerSettings,"
    "applicationPackageReferences"
]
_ENDS = {
    "maxwallclocktimeexpiry": "its time was over before its tasks had ended: give it more time (--hours)",
    "userterminate": "somebody terminated it",
    "flowruncancelled": "its flow run was cancelled in Prefect",
    "taskfailed": "a task failed, and the job was made to end then",
}
_QUOTA = "quota"


@dataclass(frozen=True)
class Explanation:
    """One reason why something does not go as it should.

    Attributes:
        about: a job, pool, node or task, by its id.
        what: is the matter, in a few words.
        text: what was seen, and what to do.
        tasks: how many tasks it keeps from their end; 0 if that is not to be said in numbers.
    """

    about: str
    what: str
    text: str
    tasks: int = 0


@dataclass(frozen=True)
class JobScene:
    """A job with its pool, nodes and tasks, as far as they are looked at."""

    job: models.BatchJob
    counts: Counts
    pool: models.BatchPool | None
    nodes: Sequence[models.BatchNode]
    waiting: Sequence[models.BatchTask]
    failed: Sequence[models.BatchTask]


def explain_job(client: BatchClient, job_id: str) -> list[Explanation]:
    """Says what a job waits for, and why tasks of it failed.

    Args:
        client: the Batch client.
        job_id: the job.

    Returns:
        The reasons, the most telling first; none if all is well.

    Raises:
        BadInput: there is no such job.
        ServiceFailure: Batch refused or failed a request.
    """
    with translated(f"look at job {job_id!r}"):
        scene = read_scene(client, job_id)
        return [*_ended(scene), *_pool(client, scene), *_waiting(scene), *_failures(client, scene)]


def read_scene(client: BatchClient, job_id: str) -> JobScene:
    """Reads what there is of a job: some calls, whatever the number of its tasks.

    Raises:
        BadInput: there is no such job.
    """
    try:
        job = client.get_job(job_id)
    except ResourceNotFoundError:
        raise BadInput(f"--job: the Batch account has no job {job_id!r}: it may have been deleted.") from None
    pool_id = (job.execution_info.pool_id if job.execution_info else None) or job.pool_info.pool_id or ""
    try:
        pool = client.get_pool(pool_id) if pool_id else None
        nodes = read_nodes(client, pool_id) if pool else []
    except ResourceNotFoundError:
        pool, nodes = None, []
    found = client.get_job_task_counts(job_id).task_counts
    return JobScene(
        job,
        Counts(found.active, found.running, found.succeeded, found.failed),
        pool,
        nodes,
        _some(client, job_id, "state eq 'active'"),
        _some(client, job_id, "state eq 'completed' and executionInfo/result eq 'failure'"),
    )


def _some(client: BatchClient, job_id: str, text: str) -> list[models.BatchTask]:
    return list(islice(client.list_tasks(job_id, filter=text, select=_TASK, max_results=_LOOKED_AT), _LOOKED_AT))


def _ended(scene: JobScene) -> Iterator[Explanation]:
    job = scene.job
    reason = str.lower(job.execution_info.termination_reason or "") if job.execution_info else ""
    if str.lower(job.state or "") in ("terminating", "completed", "deleting") and reason in _ENDS:
        rest = scene.counts.active + scene.counts.running
        yield Explanation(f"job {job.id}", "job ended", f"It has ended: {_ENDS[reason]}.", rest)


def _pool(client: BatchClient, scene: JobScene) -> Iterator[Explanation]:
    """Why the pool runs nothing, where tasks wait for it."""
    if not scene.waiting:
        return
    pool = scene.pool
    if pool is None:
        yield Explanation(
            f"pool {scene.job.pool_info.pool_id}",
            "pool gone",
            "The job's pool is gone: make one of that id, or run again.",
            scene.counts.active,
        )
        return
    about = f"pool {pool.id}"
    yield from _sizes(about, pool, scene)
    yield from _bad_nodes(client, scene, pool.id)
    try:
        diagnose_preparation(client, scene.job.id)
    except PoolUnusable as error:
        yield Explanation(about, "preparation failed", str(error), scene.counts.active)
    condition = find_condition(Scene(scene.job, pool, scene.nodes))
    if condition is not None:
        text = condition.describe(Scene(scene.job, pool, scene.nodes))
        yield Explanation(about, "pool not ready", text, scene.counts.active)


def _sizes(about: str, pool: models.BatchPool, scene: JobScene) -> Iterator[Explanation]:
    if errors := pool.resize_errors:
        what = (
            "quota reached" if any(_QUOTA in str.lower(error.code or "") for error in errors) else "nodes not to be had"
        )
        changed = pool.allocation_state_transition_time
        old = changed is not None and changed < scene.job.creation_time
        when = "Before the job was made, its last resize failed" if old else "Its last resize failed"
        yield Explanation(about, what, f"{when}: {describe_resize(errors)}")
    if str.lower(pool.state or "") == "deleting":
        yield Explanation(about, "pool being deleted", "It is being deleted: run again.", scene.counts.active)
    run = pool.auto_scale_run
    if pool.enable_auto_scale and run and run.error:
        text = f"Its formula failed, and its size stays as it is: {run.error.code}: {run.error.message}"
        yield Explanation(about, "formula failed", text)
    elif pool.enable_auto_scale and is_steady(pool) and target_nodes(pool) == 0:
        text = "Its formula asks for no node: wait for its next evaluation, or look at what the formula goes by."
        yield Explanation(about, "formula asks for nothing", text, scene.counts.active)


def _bad_nodes(client: BatchClient, scene: JobScene, pool_id: str) -> Iterator[Explanation]:
    dead = [node for node in scene.nodes if str.lower(node.state or "") in DEAD_NODE_STATES]
    if dead:
        more = f" ({len(dead)} of {len(scene.nodes)} nodes are so)" if len(scene.nodes) > 1 else ""
        failed = str.lower(dead[0].state or "") == "starttaskfailed"
        text = f"{describe_node(client, pool_id, dead[0])}{more}. Mend it, and reboot the node or resize the pool."
        yield Explanation(f"node {dead[0].id}", "start task failed" if failed else "node unusable", text)
    requeued = [
        task for task in scene.waiting if task.execution_info and task.execution_info.requeue_count >= _REQUEUED
    ]
    if requeued:
        most = max(task.execution_info.requeue_count for task in requeued if task.execution_info)
        text = f"They lost their nodes up to {most} times: ask for dedicated nodes besides, or another VM size."
        yield Explanation(f"task {requeued[0].id}", "preempted again and again", text, len(requeued))


def _requeues(task: models.BatchTask) -> int:
    return task.execution_info.requeue_count if task.execution_info else 0


def _waiting(scene: JobScene) -> Iterator[Explanation]:
    """Tasks that Batch lets wait for ever without a word, and those that only wait for their turn."""
    pool = scene.pool
    if not scene.waiting or pool is None:
        return
    several = [task for task in scene.waiting if task.multi_instance_settings]
    if several:
        needed = max(_instances(task) for task in several)
        if complaint := complaint_about_shape(pool):
            yield _stuck(several, "no pool for several nodes", f"It takes {needed} nodes at once, and {complaint}")
        elif is_steady(pool) and needed > current_nodes(pool):
            text = f"It needs {needed} nodes at a time, and the pool has {current_nodes(pool)}: resize it."
            yield _stuck(several, "too few nodes", text)
    slots = pool.task_slots_per_node or 1
    if wide := [task for task in scene.waiting if (task.required_slots or 1) > slots]:
        text = f"It needs {wide[0].required_slots} slots of one node, and nodes have {slots}: make a pool with more."
        yield _stuck(wide, "too few slots", text)
    machine = pool.virtual_machine_configuration
    contained = [task for task in scene.waiting if task.container_settings]
    if contained and machine and machine.container_configuration is None:
        yield _stuck(
            contained, "no containers", "It runs in a container, and the pool's nodes run none: make one that does."
        )
    yield from _dependencies(scene)
    if scene.counts.running and not (several or wide or contained):
        counts = scene.counts
        busy = f"{counts.running} tasks run, and {counts.active} wait for their slots: more nodes or slots help."
        yield Explanation(f"pool {pool.id}", "all busy", busy, scene.counts.active)


def _instances(task: models.BatchTask) -> int:
    return (task.multi_instance_settings.number_of_instances or 1) if task.multi_instance_settings else 1


def _stuck(tasks: Sequence[models.BatchTask], what: str, text: str) -> Explanation:
    return Explanation(f"task {tasks[0].id}", what, text, len(tasks))


def _dependencies(scene: JobScene) -> Iterator[Explanation]:
    """Tasks that wait for others which will never let them go."""
    failed = {task.id for task in scene.failed}
    blocked = [task for task in scene.waiting if task.depends_on and failed & set(task.depends_on.task_ids or [])]
    if blocked:
        (first, *_) = failed & set((blocked[0].depends_on.task_ids if blocked[0].depends_on else None) or [])
        text = f"It waits for task {first}, which failed: it never starts. Run that again, or end this one."
        yield _stuck(blocked, "blocked by a failure", text)


def _failures(client: BatchClient, scene: JobScene) -> Iterator[Explanation]:
    """Failed tasks, those with the same cause told once."""
    found: dict[tuple[str, int | None], list[tuple[models.BatchTask, Failure, Cause]]] = {}
    for number, task in enumerate(scene.failed):
        failure = read_failure(client, scene.job.id, task, reads=number < _READ)
        cause = cause_of(failure)
        found.setdefault((cause.name, failure.exit_code), []).append((task, failure, cause))
    for alike in sorted(found.values(), key=len, reverse=True):
        task, failure, cause = alike[0]
        yield Explanation(f"task {task.id}", cause.name, _told(task, failure, cause), len(alike))


def _told(task: models.BatchTask, failure: Failure, cause: Cause) -> str:
    code = "no exit code" if failure.exit_code is None else f"exit code {failure.exit_code}"
    node = f" on node {task.node_info.node_id}" if task.node_info and task.node_info.node_id else ""
    advice = f" Most likely: {cause.advice}" if cause is not OTHER else ""
    return with_stderr(f"{code}{node}: {failure.message}.{advice}".replace("..", "."), failure.stderr)


def read_failure(client: BatchClient, job_id: str, task: models.BatchTask, *, reads: bool = True) -> Failure:
    """What is known of a failed task; its standard error is read from its node, if that is still there."""
    info = task.execution_info
    reason = info.failure_info if info else None
    code = str.lower(reason.code or "") if reason else ""
    stderr = _stderr(client, job_id, task.id or "") if reads else ""
    return Failure(code, describe_failure(reason), info.exit_code if info else None, stderr)


def _stderr(client: BatchClient, job_id: str, task_id: str) -> str:
    try:
        return last_lines(b"".join(client.download_task_file(job_id, task_id, STDERR)))
    except HttpResponseError:
        return ""  # the node or the directory is gone


explain_job_task = stage(explain_job, name="Explain job")
