"""Stage: one task that runs on several nodes at once, such as an MPI program."""

from collections.abc import Sequence
from dataclasses import dataclass

from azure.batch import models

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.tasks import transfer
from prefect_azure_batch.tasks.access import StorageAccess
from prefect_azure_batch.tasks.adding import add_all
from prefect_azure_batch.tasks.attempts import nodes_from_the_beginning
from prefect_azure_batch.tasks.command import parse_template, shell_command
from prefect_azure_batch.tasks.common_files import check_common_names
from prefect_azure_batch.tasks.elevation import pool_user
from prefect_azure_batch.tasks.errors import translated
from prefect_azure_batch.tasks.launcher import MPI_VARIABLES, application_script
from prefect_azure_batch.tasks.names import digest, multi_instance_id, work_id
from prefect_azure_batch.tasks.output_files import added_task, shared_output_files
from prefect_azure_batch.tasks.patterns import parse_pattern
from prefect_azure_batch.tasks.records import AddedTask, InputItem, MultiInstancePlan, Program, Run, StoredInput
from prefect_azure_batch.tasks.secrets import secret_files, with_secrets
from prefect_azure_batch.tasks.stage import stage
from prefect_azure_batch.tasks.task_directory import APPLICATION_BEGAN


def submit_multi_instance(
    account: AzureBatchAccount, run: Run, common_files: Sequence[StoredInput], plan: MultiInstancePlan
) -> AddedTask:
    """Adds one task that runs on several nodes at once. A repeated call finds the task that is there.

    The coordination command runs on every node, then the application command on one of them, the primary. On each
    node the common files lie in ``AZ_BATCH_TASK_SHARED_DIR``, one above the working directory of the two commands.

    Args:
        account: the Batch account and its storage.
        run: the run; its pool must have inter-node communication and one task slot per node.
        common_files: files that every node gets, under their own names.
        plan: the task.

    Raises:
        BadInput: impossible numbers, names of common files or patterns; nothing has been created.
        ServiceFailure: Batch refused or failed the request, or the id belongs to another task.
    """
    check_common_names(item.name for item in common_files)
    for pattern in plan.outputs:
        parse_pattern(pattern)
    name = multi_instance_name(run.program, common_files, plan)
    added = added_task(run, 0, plan.command, name)
    with translated(f"add task {name!r} to job {run.job_id!r}"):
        transfer.ensure_container(account.storage.get_client(), run.outputs.container)
        add_all(account.get_client(), run.job_id, [multi_instance_options(account, run, added, common_files, plan)])
    return added


@dataclass(frozen=True)
class Scripts:
    """What runs on every node first, and then on the primary."""

    coordination: str
    application: str


def make_scripts(program: Program | None, plan: MultiInstancePlan) -> Scripts:
    """The scripts of a multi-instance task, its placeholders turned into variables.

    Raises:
        BadInput: a command cannot be read.
    """
    variable = program.variable if program else None
    command = parse_template(plan.command, MPI_VARIABLES).script(variable)
    application = command if plan.whole_line else application_script(plan.launch, command)
    return Scripts(parse_template(plan.coordination, MPI_VARIABLES).script(variable), application)


def multi_instance_work(program: Program | None, plan: MultiInstancePlan, setup: str | None = None) -> str:
    """Id of the work that a plan describes, the same on every machine and in every run.

    Args:
        program: what the commands mean by ``{app}``; None for no program.
        plan: the task.
        setup: what prepares each node for it.

    Raises:
        BadInput: a command cannot be read.
    """
    scripts = make_scripts(program, plan)
    script = digest(str(plan.launch.instances), scripts.coordination, scripts.application, setup or "")
    environment = [f"{name}={value}" for name, value in sorted(plan.environment)]
    environment += sorted(f"secret {each.variable}" for each in plan.secrets)
    return work_id(program.digest if program else "", script, plan.outputs, environment)


def multi_instance_name(
    program: Program | None, common_files: Sequence[InputItem | StoredInput], plan: MultiInstancePlan
) -> str:
    """Id of the task that does that work over common files.

    Raises:
        BadInput: a command cannot be read.
    """
    files = [text for item in common_files for text in (item.name, item.version)]
    return multi_instance_id(multi_instance_work(program, plan), *files)


def multi_instance_options(
    account: AzureBatchAccount,
    run: Run,
    task: AddedTask,
    common_files: Sequence[StoredInput],
    plan: MultiInstancePlan,
) -> models.BatchTaskCreateOptions:
    """What the request that adds such a task holds.

    Raises:
        BadInput: a command cannot be read.
        CredentialError: no link can be made for the nodes.
    """
    scripts = make_scripts(run.program, plan)
    access = StorageAccess.lasting(account.storage, run.identity, run.time_limit, run.ends)
    application = f'date +%s.%N > "$AZ_BATCH_TASK_DIR/{APPLICATION_BEGAN}"; {scripts.application}'
    coordination = nodes_from_the_beginning(scripts.coordination, keeps_files=plan.retries > 0)
    return models.BatchTaskCreateOptions(
        id=task.task_id,
        command_line=shell_command(with_secrets(application, plan.secrets, keeps_files=plan.retries > 0)),
        resource_files=secret_files(access, run.run_id, plan.secrets) or None,
        multi_instance_settings=models.MultiInstanceSettings(
            number_of_instances=plan.launch.instances,
            coordination_command_line=shell_command(coordination),
            common_resource_files=[access.input_file(item) for item in common_files],
        ),
        # Between the nodes of a pool only this user can log in without a password, as launchers do.
        user_identity=pool_user(elevated=False),
        environment_settings=[models.EnvironmentSetting(name=name, value=value) for name, value in plan.environment],
        output_files=shared_output_files(task.folder, plan.outputs, access.output_container(run.outputs.container)),
        constraints=models.BatchTaskConstraints(max_wall_clock_time=plan.time_limit, retention_time=plan.retention),
    )


submit_multi_instance_task = stage(submit_multi_instance, name="Submit MPI task")
