"""What a driver is told to run: made from the records of a job and its task."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import PurePosixPath

from localbatch.bodies.commands import Command, NameValue, ResourceFile
from localbatch.bodies.jobs import JobManagerTask, JobPreparationTask, JobReleaseTask
from localbatch.bodies.pools import StartTask
from localbatch.bodies.tasks import MultiInstanceSettings, TaskBody
from localbatch.driver.interface import Failure, MultiInstanceRun, NodePlace, Run
from localbatch.engine.context import Context
from localbatch.engine.fleet import Node
from localbatch.engine.identities import IdentityError, NodeIdentities
from localbatch.store.jobs import JobRecord
from localbatch.store.tasks import TaskRecord
from localbatch.views.links import task_directory
from localbatch.wire.errors import FAILURES
from localbatch.wire.formats import INFINITE, JsonObject

START_DIRECTORY = "startup"
_NO_WINDOWS = "The node is one of Windows, and nothing runs on it: the local Batch service has nodes of Linux only."
_MASTER_PORT = 6000


class OrderError(Exception):
    """A command can't even be handed to the driver; ``failure`` says why."""

    def __init__(self, failure: Failure) -> None:
        self.failure = failure
        super().__init__(failure.message)


def task_order(context: Context, node: Node, job: JobRecord, task: TaskRecord, *, keep_directory: bool) -> Run:
    """Makes the order to run a task.

    Raises:
        OrderError: something it needs can't be had.
    """
    body = TaskBody.model_validate({"id": task.id, **task.body})
    _check_can_run(context, node, body)
    references = [reference.model_dump(by_alias=True) for reference in body.application_package_references]
    packages = context.find_packages(job.account, references)
    if len(packages) < len(references):
        raise OrderError(_failure("BlobNotFound", "An application package of the task is gone."))
    return Run(
        node=node.place,
        directory=task_directory(job.id, task.id),
        command_line=body.command_line,
        environment=_environment(job.body, body.environment_settings),
        variables=_variables(node.place, job, task.id),
        resource_files=_resolve_files(context, node, body),
        output_files=tuple(NodeIdentities(context, node).writing(output) for output in body.output_files),
        packages=packages,
        time_limit=_limit(body.constraints.max_wall_clock_time),
        keep_directory=keep_directory,
        container=body.container_settings,
        task_id=task.id,
    )


def multi_instance_order(
    context: Context, nodes: Sequence[Node], job: JobRecord, task: TaskRecord, *, keep_directory: bool
) -> MultiInstanceRun:
    """Makes the order to run a multi-instance task.

    Args:
        context: the engine's surroundings.
        nodes: the nodes it has, the primary's first.
        job: the task's job.
        task: the task.
        keep_directory: whether it finds the files of the run before.

    Raises:
        OrderError: something it needs can't be had.
    """
    settings = MultiInstanceSettings.model_validate(task.body["multiInstanceSettings"])
    primary = task_order(context, nodes[0], job, task, keep_directory=keep_directory)
    addresses = [node.place.address for node in nodes]
    runs = [
        replace(
            primary,
            node=node.place,
            variables=_variables(node.place, job, task.id) | _group_variables(node.place, primary.directory, addresses),
        )
        for node in nodes
    ]
    files = tuple(_resolve(context, nodes[0], file) for file in settings.common_resource_files)
    return MultiInstanceRun(tuple(runs), settings.coordination_command_line, files)


def _group_variables(place: NodePlace, directory: str, addresses: list[str]) -> dict[str, str]:
    return {
        "AZ_BATCH_TASK_SHARED_DIR": str(PurePosixPath(place.root.absolute()) / directory),
        "AZ_BATCH_HOST_LIST": ",".join(addresses),
        "AZ_BATCH_NODE_LIST": ";".join(addresses),
        "AZ_BATCH_MASTER_NODE": f"{addresses[0]}:{_MASTER_PORT}",
        "AZ_BATCH_IS_CURRENT_NODE_MASTER": "true" if place.address == addresses[0] else "false",
        "CCP_NODES": " ".join([str(len(addresses)), *(f"{address} 1" for address in addresses)]),
    }


def preparation_order(context: Context, node: Node, job: JobRecord, body: JobPreparationTask) -> Run:
    """Makes the order to run a job's preparation task.

    Raises:
        OrderError: something it needs can't be had.
    """
    return _command_order(context, node, job, body.id, body, body.constraints.max_wall_clock_time)


def release_order(context: Context, node: Node, job: JobRecord, body: JobReleaseTask) -> Run:
    """Makes the order to run a job's release task.

    Raises:
        OrderError: something it needs can't be had.
    """
    return _command_order(context, node, job, body.id, body, body.max_wall_clock_time)


def _command_order(
    context: Context, node: Node, job: JobRecord, task_id: str, body: Command, limit: timedelta | None
) -> Run:
    _check_can_run(context, node, body)
    return Run(
        node=node.place,
        directory=task_directory(job.id, task_id),
        command_line=body.command_line,
        environment=_environment(job.body, body.environment_settings),
        variables=_variables(node.place, job, task_id),
        resource_files=_resolve_files(context, node, body),
        time_limit=_limit(limit),
        container=body.container_settings,
    )


def start_order(context: Context, node: Node, body: StartTask) -> Run:
    """Makes the order to run a pool's start task.

    Raises:
        OrderError: something it needs can't be had.
    """
    _check_can_run(context, node, body)
    return Run(
        node=node.place,
        directory=START_DIRECTORY,
        command_line=body.command_line,
        environment=_settings(body.environment_settings),
        resource_files=_resolve_files(context, node, body),
        container=body.container_settings,
    )


def manager_of(job: JobRecord) -> JobManagerTask | None:
    """Returns a job's manager task, if it has one."""
    body = job.body.get("jobManagerTask")
    return None if body is None else JobManagerTask.model_validate(body)


def preparation_of(job: JobRecord) -> JobPreparationTask | None:
    """Returns a job's preparation task, if it has one."""
    body = job.body.get("jobPreparationTask")
    return None if body is None else JobPreparationTask.model_validate(body)


def release_of(job: JobRecord) -> JobReleaseTask | None:
    """Returns a job's release task, if it has one."""
    body = job.body.get("jobReleaseTask")
    return None if body is None else JobReleaseTask.model_validate(body)


def _check_can_run(context: Context, node: Node, command: Command) -> None:
    if not node.place.runs_commands:
        raise OrderError(_failure("CommandLaunchFailed", _NO_WINDOWS))
    _check_user(context, node, command)


def _check_user(context: Context, node: Node, command: Command) -> None:
    name = command.user_identity.username if command.user_identity else None
    if name is None:
        return
    pool = context.store.pools.get(node.record.pool)
    accounts = pool.body.get("userAccounts") if pool else None
    names = [each.get("name") for each in accounts if isinstance(each, dict)] if isinstance(accounts, list) else []
    if name not in names:
        raise OrderError(_failure("CommandLaunchFailed", f"The pool has no user account {name}."))


def _failure(code: str, detail: str) -> Failure:
    category, message = FAILURES[code]
    return Failure(category, code, message, (("Message", detail),))


def _environment(job: JsonObject, settings: Iterable[NameValue]) -> dict[str, str]:
    common = job.get("commonEnvironmentSettings")
    given = [NameValue.model_validate(item) for item in common] if isinstance(common, list) else []
    return _settings(given) | _settings(settings)


def _settings(settings: Iterable[NameValue]) -> dict[str, str]:
    return {setting.name: setting.value for setting in settings}


def _variables(place: NodePlace, job: JobRecord, task_id: str) -> dict[str, str]:
    variables = {"AZ_BATCH_JOB_ID": job.id, "AZ_BATCH_TASK_ID": task_id}
    preparation = preparation_of(job)
    if preparation is not None:
        directory = PurePosixPath(place.root) / task_directory(job.id, preparation.id)
        variables |= {
            "AZ_BATCH_JOB_PREP_DIR": str(directory),
            "AZ_BATCH_JOB_PREP_WORKING_DIR": str(directory / "wd"),
        }
    return variables


def _resolve_files(context: Context, node: Node, command: Command) -> tuple[ResourceFile, ...]:
    return tuple(_resolve(context, node, file) for file in command.resource_files)


def _resolve(context: Context, node: Node, file: ResourceFile) -> ResourceFile:
    for name, link in (("http_url", file.http_url), ("storage_container_url", file.storage_container_url)):
        if link is not None and (home := context.lead_home(link)) != link:
            file = file.model_copy(update={name: home})
    try:
        file = NodeIdentities(context, node).reading(file)
    except IdentityError as error:
        raise OrderError(_failure("BlobAccessDenied", str(error))) from error
    if file.auto_storage_container_name is None:
        return file
    link = context.link_container(file.auto_storage_container_name)
    if link is None:
        raise OrderError(_failure("BlobAccessDenied", "The Batch account has no auto-storage account."))
    return file.model_copy(update={"auto_storage_container_name": None, "storage_container_url": link})


def _limit(limit: timedelta | None) -> timedelta | None:
    return None if limit is None or limit >= INFINITE else limit
