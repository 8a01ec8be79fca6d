"""Stage: tasks to a job, in bulk."""

from collections.abc import Sequence

from azure.batch import models

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.tasks import transfer
from prefect_azure_batch.tasks.adding import add_all
from prefect_azure_batch.tasks.command import (
    INDEX_VARIABLE,
    INPUT_VARIABLE,
    STEM_VARIABLE,
    file_argument,
    shell_command,
)
from prefect_azure_batch.tasks.errors import translated
from prefect_azure_batch.tasks.links import read_link, write_link
from prefect_azure_batch.tasks.names import task_id
from prefect_azure_batch.tasks.output_files import output_files
from prefect_azure_batch.tasks.records import AddedTask, Program, StoredInput, TaskPlan
from prefect_azure_batch.tasks.stage import stage


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
        BadInput: a pattern of outputs leads out of the working directory.
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
        add_all(account.get_client(), job_id, options)
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
        output_files=output_files(task.folder, plan.outputs, output_link),
        constraints=models.BatchTaskConstraints(max_wall_clock_time=plan.time_limit),
    )


add_tasks_task = stage(add_tasks, name="Add tasks")
