"""Stages: wait for a multi-instance task and its subtasks; fetch the subtasks' files while their nodes are there."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

from azure.batch import BatchClient, models
from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.tasks import node_files, transfer
from prefect_azure_batch.tasks.diagnosis import describe_failure
from prefect_azure_batch.tasks.errors import ServiceFailure, translated
from prefect_azure_batch.tasks.intervals import growing_pauses
from prefect_azure_batch.tasks.output_files import subtask_folder
from prefect_azure_batch.tasks.patterns import Pattern, parse_pattern
from prefect_azure_batch.tasks.records import (
    AddedTask,
    Collected,
    CollectedSubtask,
    EndedMultiInstanceTask,
    Run,
    Subtask,
)
from prefect_azure_batch.tasks.stage import stage
from prefect_azure_batch.tasks.task_directory import APPLICATION_BEGAN, BATCH_FILES, STDERR, STDOUT
from prefect_azure_batch.tasks.wait import wait_for_tasks

_SELECT = ["id,state,exitCode,failureInfo,nodeInfo,startTime,endTime"]
# The service ends subtasks after their task has ended, not together with it.
_SETTLING = timedelta(seconds=30)


def wait_for_multi_instance(
    account: AzureBatchAccount,
    run: Run,
    task: AddedTask,
    instances: int,
    deadline: timedelta | None = None,
    settling: timedelta = _SETTLING,
) -> EndedMultiInstanceTask:
    """Waits until a multi-instance task and its subtasks have ended: a failed task is a result, not an error.

    Args:
        account: the Batch account.
        run: the run; its pool is looked at when the task does not start.
        task: the task.
        instances: nodes that it needs at a time.
        deadline: how long it may take from now on, if not as long as the run.
        settling: how long to wait for subtasks after the task has ended.

    Raises:
        PoolUnusable: the task cannot start on that pool.
        JobEnded: the job ended before the task did.
        DeadlineExceeded: the task took too long.
        ServiceFailure: Batch refused or failed a request, again and again.
    """
    (ended,) = wait_for_tasks(account, run, [task], deadline, instances)
    client = account.get_client()
    with translated(f"list the subtasks of task {task.task_id!r}"):
        subtasks = _settled(client, run.job_id, task.task_id, settling)
    began = _application_began(client, run.job_id, task.task_id)
    return EndedMultiInstanceTask(**vars(ended), subtasks=subtasks, application_began=began)


def _application_began(client: BatchClient, job_id: str, task_id: str) -> datetime | None:
    """What the primary has noted; nothing if it did not come so far, or its node is gone."""
    try:
        text = b"".join(client.download_task_file(job_id, task_id, APPLICATION_BEGAN))
        return datetime.fromtimestamp(float(text), UTC)
    except (AzureError, ValueError, OverflowError):
        return None  # it only divides a bar in two


def list_subtasks(client: BatchClient, job_id: str, task_id: str) -> tuple[Subtask, ...]:
    """The subtasks of a multi-instance task by id; none if the task is gone."""
    try:
        found = list(client.list_subtasks(job_id, task_id, select=_SELECT))
    except ResourceNotFoundError:
        return ()
    return tuple(sorted((_subtask(item) for item in found), key=lambda subtask: subtask.id))


def _settled(client: BatchClient, job_id: str, task_id: str, settling: timedelta) -> tuple[Subtask, ...]:
    subtasks: tuple[Subtask, ...] = ()
    for _ in growing_pauses(settling.total_seconds()):
        subtasks = list_subtasks(client, job_id, task_id) or subtasks
        if all(subtask.state == "completed" for subtask in subtasks):
            break
    return subtasks


def _subtask(item: models.BatchSubtask) -> Subtask:
    node = item.node_info
    return Subtask(
        id=item.id or 0,
        node_id=(node.node_id or "") if node else "",
        state=str.lower(item.state or ""),
        exit_code=item.exit_code,
        failure=describe_failure(item.failure_info) if item.failure_info else "",
        directory=node_files.normal((node.task_root_directory or "") if node else ""),
        started=item.start_time,
        ended=item.end_time,
    )


def collect_subtasks(
    account: AzureBatchAccount, run: Run, task: EndedMultiInstanceTask, outputs: Sequence[str], results: Path
) -> list[CollectedSubtask]:
    """Downloads logs and outputs of subtasks from their nodes, several nodes at a time.

    Batch uploads the primary's files alone. A node that is gone has taken its subtask's files along: that is no error.

    Args:
        account: the Batch account.
        run: the run; the nodes are in its pool.
        task: the task.
        outputs: patterns of files to keep, relative to the directory that the ranks share on a node.
        results: the files of subtask n go to ``<results>/<task id>/subtask-<n>/``; of a task that failed to
            ``<results>/<task id>/failed/subtask-<n>/``.

    Returns:
        One record for each subtask, in the same order.

    Raises:
        BadInput: a pattern leads out of the shared directory.
        ServiceFailure: Batch refused or failed a request, or a file's name leaves its directory.
    """
    patterns = [parse_pattern(pattern) for pattern in outputs]
    own = results / task.task_id

    def collect(subtask: Subtask) -> CollectedSubtask:
        directory = own / subtask_folder(subtask.id, succeeded=task.end.succeeded)
        return _collect(account.get_client(), run.pool_id, patterns, directory, subtask)

    with translated(f"collect the files of the subtasks of task {task.task_id!r}"):
        return transfer.each(collect, task.subtasks)


def _collect(
    client: BatchClient, pool_id: str, patterns: Sequence[Pattern], directory: Path, subtask: Subtask
) -> CollectedSubtask:
    if not subtask.node_id or not subtask.directory:
        return CollectedSubtask(subtask.id, Collected(None, None), "it never came to a node")
    shared, own = PurePosixPath(subtask.directory).parent, PurePosixPath(subtask.directory).name
    fetched: dict[str, Path] = {}
    try:
        names = node_files.list_files(client, pool_id, subtask.node_id, str(shared))
        for name, place in _wanted(names, own, patterns):
            path = _below(directory, place)
            fetched[place] = node_files.fetch_file(client, pool_id, subtask.node_id, f"{shared}/{name}", path)
    except HttpResponseError as error:
        if error.status_code not in node_files.GONE:
            raise
        missing = f"its node {subtask.node_id} is gone" if not fetched else "some of its files are gone"
        return CollectedSubtask(subtask.id, _collected(fetched), missing)
    return CollectedSubtask(subtask.id, _collected(fetched))


def _wanted(names: Iterable[str], own: str, patterns: Sequence[Pattern]) -> Iterator[tuple[str, str]]:
    """Files to fetch, and their places in the results, the logs first."""
    available = set(names)
    yield from ((f"{own}/{log}", log) for log in (STDOUT, STDERR) if f"{own}/{log}" in available)
    for name in sorted(available):
        is_output = any(pattern.matches(name) for pattern in patterns)
        if is_output and name not in BATCH_FILES and not name.startswith(f"{own}/"):
            yield name, name


def _below(directory: Path, name: str) -> Path:
    if ".." in name.split("/"):
        raise ServiceFailure(f"The file {name!r} would be written outside {str(directory)!r}: it is refused.")
    return directory / name


def _collected(fetched: dict[str, Path]) -> Collected:
    outputs = tuple(path for place, path in fetched.items() if place not in (STDOUT, STDERR))
    return Collected(fetched.get(STDOUT), fetched.get(STDERR), outputs)


wait_for_multi_instance_task = stage(wait_for_multi_instance, name="Wait for MPI task")
collect_subtasks_task = stage(collect_subtasks, name="Collect subtasks")
