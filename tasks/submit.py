"""Stage: tasks to a job, in bulk."""

from collections.abc import Iterator, Sequence

from azure.batch import BatchClient, models
from azure.core.exceptions import HttpResponseError

from blocks.azure_batch import AzureBatchAccount
from tasks import transfer
from tasks.command import INDEX_VARIABLE, INPUT_VARIABLE, STEM_VARIABLE, file_argument, shell_command
from tasks.errors import ServiceFailure, translated
from tasks.links import read_link, write_link
from tasks.names import task_id
from tasks.records import AddedTask, Program, StoredInput, TaskPlan
from tasks.stage import stage

MAX_TASKS_PER_REQUEST = 100
LOG_FOLDER = "logs"
FILE_FOLDER = "files"

_ATTEMPTS = 3
_WILDCARDS = set("*?[")


def add_tasks(
    account: AzureBatchAccount,
    job_id: str,
    inputs: Sequence[StoredInput],
    plan: TaskPlan,
    program: Program | None = None,
) -> list[AddedTask]:
    """Adds one task for each input to a job, up to 100 in a request.

    A task's id is made from the program, the command and the input: a repeated call finds the tasks that are there.
    stdout and stderr are always uploaded when the task ends, so that they outlive the node.

    Args:
        account: the Batch account and its storage.
        job_id: the job.
        inputs: what the tasks run on.
        plan: what the tasks have in common.
        program: the program that the command uses.

    Returns:
        One record for each input, in the same order.

    Raises:
        ServiceFailure: Batch refused or failed a request, or refused a task.
    """
    if not inputs:
        return []
    digest = program.digest if program else ""
    folder = f"{inputs[0].index:07d}"
    added = [
        AddedTask(item.index, item.label, name, f"{folder}/{name}")
        for item in inputs
        for name in [task_id(digest, plan.command, plan.outputs, item.label, item.version)]
    ]
    with translated(f"add {len(added)} tasks to job {job_id!r}"):
        transfer.ensure_container(account.storage.get_client(), plan.output_container)
        output_link = write_link(account.storage, plan.output_container, plan.link_lifetime)
        options = [
            _task_options(account, item, task, plan, output_link) for item, task in zip(inputs, added, strict=True)
        ]
        _add_all(account.get_client(), job_id, options)
    return added


def _task_options(
    account: AzureBatchAccount, item: StoredInput, task: AddedTask, plan: TaskPlan, output_link: str
) -> models.BatchTaskCreateOptions:
    argument = file_argument(item.name)
    stem = item.name.rpartition(".")[0] or item.name
    return models.BatchTaskCreateOptions(
        id=task.task_id,
        command_line=shell_command(plan.command),
        resource_files=[
            models.ResourceFile(
                http_url=read_link(account.storage, item.container, item.blob, plan.link_lifetime), file_path=item.name
            )
        ],
        environment_settings=[
            models.EnvironmentSetting(name=INPUT_VARIABLE, value=argument),
            models.EnvironmentSetting(name=STEM_VARIABLE, value=file_argument(stem)),
            models.EnvironmentSetting(name=INDEX_VARIABLE, value=str(item.index)),
        ],
        output_files=list(_output_files(task.folder, plan.outputs, output_link)),
        constraints=models.BatchTaskConstraints(max_wall_clock_time=plan.time_limit),
    )


def _output_files(folder: str, patterns: Sequence[str], link: str) -> Iterator[models.OutputFile]:
    yield _output_file("../std*.txt", f"{folder}/{LOG_FOLDER}", link)
    for pattern in patterns:
        path = f"{folder}/{FILE_FOLDER}"
        yield _output_file(pattern, path if _WILDCARDS & set(pattern) else f"{path}/{pattern}", link)


def _output_file(pattern: str, path: str, link: str) -> models.OutputFile:
    return models.OutputFile(
        file_pattern=pattern,
        destination=models.OutputFileDestination(
            container=models.OutputFileBlobContainerDestination(container_url=link, path=path)
        ),
        upload_options=models.OutputFileUploadConfiguration(
            upload_condition=models.OutputFileUploadCondition.TASK_COMPLETION
        ),
    )


def _add_all(client: BatchClient, job_id: str, options: list[models.BatchTaskCreateOptions]) -> None:
    # Not BatchClient.create_tasks: it repeats a failing request for ever and takes some refused tasks for added ones.
    pending, attempts = options, _ATTEMPTS
    while pending and attempts:
        groups = [
            pending[start : start + MAX_TASKS_PER_REQUEST] for start in range(0, len(pending), MAX_TASKS_PER_REQUEST)
        ]
        pending = [refused for group in groups for refused in _add_group(client, job_id, group)]
        attempts -= 1
    if pending:
        message = f"Could not add {len(pending)} tasks to job {job_id!r}: the service failed."
        raise ServiceFailure(message, retryable=True)


def _add_group(
    client: BatchClient, job_id: str, group: list[models.BatchTaskCreateOptions]
) -> list[models.BatchTaskCreateOptions]:
    """Adds up to 100 tasks, by halves where the request is too large; returns those the service failed to add."""
    try:
        answer = client.create_task_collection(job_id, models.BatchTaskGroup(task_values=group))
    except HttpResponseError as error:
        if error.status_code != 413 or len(group) == 1:
            raise
        middle = len(group) // 2
        return _add_group(client, job_id, group[:middle]) + _add_group(client, job_id, group[middle:])
    failed = {result.task_id for result in answer.result_values or [] if _failed(client, job_id, result, group)}
    return [options for options in group if options.id in failed]


def _failed(
    client: BatchClient,
    job_id: str,
    result: models.BatchTaskCreateResult,
    group: list[models.BatchTaskCreateOptions],
) -> bool:
    status = str.lower(result.status)  # the service's casing is not the SDK's
    if status == "success":
        return False
    if status == "servererror":
        return True
    code = result.error.code if result.error else ""
    if code == "TaskExists":
        wanted = next(options for options in group if options.id == result.task_id)
        if client.get_task(job_id, result.task_id, select=["id,commandLine"]).command_line == wanted.command_line:
            return False
    message = result.error.message.value if result.error and result.error.message else "no reason given"
    raise ServiceFailure(f"Batch refused task {result.task_id!r} of job {job_id!r}: {code}: {message}", code=code or "")


add_tasks_task = stage(add_tasks, name="Add tasks")
