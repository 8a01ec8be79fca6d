"""Stage: tasks to a job, in bulk."""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

from azure.batch import models

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.tasks import transfer
from prefect_azure_batch.tasks.access import OutputContainer, StorageAccess
from prefect_azure_batch.tasks.adding import LARGEST_REQUEST, add_all
from prefect_azure_batch.tasks.attempts import counted_as_success, from_the_beginning, repeated
from prefect_azure_batch.tasks.command import (
    INDEX_VARIABLE,
    INPUT_VARIABLE,
    STEM_VARIABLE,
    Template,
    file_argument,
    parse_template,
    shell_command,
)
from prefect_azure_batch.tasks.elevation import pool_user
from prefect_azure_batch.tasks.errors import BadInput, translated
from prefect_azure_batch.tasks.names import task_id, work_id
from prefect_azure_batch.tasks.output_files import added_task, output_files
from prefect_azure_batch.tasks.records import AddedTask, InputItem, Program, Run, StoredInput, TaskPlan
from prefect_azure_batch.tasks.secrets import secret_files, with_secrets
from prefect_azure_batch.tasks.stage import stage
from prefect_azure_batch.tasks.sweeps import variable_of, variables_of

# Of what a task is asked for with: outputs, environment, common files, and what stands around a command.
_REST_OF_TASK = 96 << 10


def add_tasks(account: AzureBatchAccount, run: Run, inputs: Sequence[StoredInput], plan: TaskPlan) -> list[AddedTask]:
    """Adds one task for each input to the job of a run, up to 100 in a request.

    A task's id is made from the program, the command and the input: a repeated call finds the tasks that are there.
    stdout and stderr are always uploaded when the task ends, so that they outlive the node.

    Args:
        account: the Batch account and its storage.
        run: the run.
        inputs: what the tasks run on.
        plan: what the tasks have in common.

    Returns:
        One record for each input, in the same order.

    Raises:
        BadInput: the command cannot be read, or a pattern of outputs leads out of the working directory.
        ServiceFailure: Batch refused or failed a request, or refused a task.
    """
    if not inputs:
        return []
    added = _added(run, inputs, plan)
    with translated(f"add {len(added)} tasks to job {run.job_id!r}"):
        transfer.ensure_container(account.storage.get_client(), run.outputs.container)
        add_all(account.get_client(), run.job_id, _each_option(account, run, inputs, plan, added))
    return added


def _added(run: Run, inputs: Sequence[StoredInput], plan: TaskPlan) -> list[AddedTask]:
    name = task_namer(run.program, plan)
    return [added_task(run, item.index, item.label, name(item)) for item in inputs]


def task_options(
    account: AzureBatchAccount,
    run: Run,
    inputs: Sequence[StoredInput],
    plan: TaskPlan,
    added: Sequence[AddedTask] | None = None,
    script: str | None = None,
) -> list[models.BatchTaskCreateOptions]:
    """What the requests that add these tasks hold, one after the other.

    Args:
        account: the Batch account and its storage.
        run: the run.
        inputs: what the tasks run on.
        plan: what they have in common.
        added: what they will be, if that is not what their inputs make them.
        script: what they run, if that is not the plan's command alone.

    Raises:
        BadInput: the command cannot be read.
        CredentialError: no link can be made for the nodes.
    """
    return list(_each_option(account, run, inputs, plan, added or _added(run, inputs, plan), script))


def _each_option(
    account: AzureBatchAccount,
    run: Run,
    inputs: Sequence[StoredInput],
    plan: TaskPlan,
    added: Sequence[AddedTask],
    script: str | None = None,
) -> Iterator[models.BatchTaskCreateOptions]:
    """The same as they are asked for."""
    template = _template(plan)
    command_line = shell_command(_attempts(script or run.script(template), plan))
    access = StorageAccess.lasting(account.storage, run.identity, run.time_limit, run.ends)
    common = (*_files(access, plan.common), *secret_files(access, run.run_id, plan.secrets))
    container = access.output_container(run.outputs.container)
    shared = _Shared(command_line, plan, container, template.placeholders, common)
    for item, task in zip(inputs, added, strict=True):
        yield _task_options(access, item, task, shared)


def check_group(access: StorageAccess, label: str, members: Sequence[StoredInput], plan: TaskPlan) -> None:
    """Refuses a group whose files are more than Batch takes for one task.

    Args:
        access: how the nodes of its run reach storage.
        label: what a person calls the group.
        members: its inputs.
        plan: what the tasks have in common.

    Raises:
        BadInput: says how many it would take.
    """
    with translated(f"make links to the inputs of {label!r}"):
        files = [file.as_dict() for file in _files(access, members)]
    room = LARGEST_REQUEST - _REST_OF_TASK - 2 * len(_template(plan).text)
    size = len(json.dumps(files))
    if size > room:
        raise BadInput(
            f"The group {label!r} has {len(members)} inputs, and Batch takes about {len(members) * room // size} such "
            "for one task: cut it with --chunk, or pack the files."
        )


def _template(plan: TaskPlan) -> Template:
    return parse_template(plan.command, variables_of(plan.parameters, grouped=plan.grouped))


def work_of(program: Program | None, plan: TaskPlan) -> str:
    """Id of the work that a plan describes, the same on every machine and in every run.

    Raises:
        BadInput: the command cannot be read, or uses ``{app}`` with no program.
    """
    script = _template(plan).script(program.variable if program else None)
    return work_id(program.digest if program else "", script, plan.outputs, _surroundings(plan))


def _surroundings(plan: TaskPlan) -> list[str]:
    """What a task runs in, as far as it is not the usual."""
    container = [plan.container.image, plan.container.run_options] if plan.container else []
    setup = [f"setup {plan.setup}"] if plan.setup else []
    common = [f"common {item.name} {item.version}" for item in plan.common]
    secrets = sorted(f"secret {each.variable}" for each in plan.secrets)
    return [*container, *(f"{name}={value}" for name, value in sorted(plan.environment)), *setup, *common, *secrets]


def task_namer(program: Program | None, plan: TaskPlan) -> Callable[[InputItem | StoredInput], str]:
    """What names the tasks of a work, by their inputs.

    Raises:
        BadInput: the command cannot be read, or uses ``{app}`` with no program.
    """
    work = work_of(program, plan)
    by_index = "index" in _template(plan).placeholders

    def name(item: InputItem | StoredInput) -> str:
        further = [f"index {item.index}"] if by_index else [f"twin {item.twin}"] if item.twin else []
        return task_id(work, item.name, item.version, *further, *chain(*item.values))

    return name


def _attempts(script: str, plan: TaskPlan) -> str:
    script = from_the_beginning(script, keeps_files=plan.retries > 0)
    if plan.retry_on:
        script = repeated(script, plan.retries, plan.retry_on)
    if plan.succeed_on:
        script = counted_as_success(script, plan.succeed_on)
    return with_secrets(script, plan.secrets, keeps_files=plan.retries > 0 and not plan.retry_on)


def _exit_conditions(plan: TaskPlan) -> models.ExitConditions | None:
    """What the end of a task means to its job: any failure that nothing is said of would end it, too."""
    if not plan.stop_on:
        return None
    ends = models.ExitOptions(job_action=models.BatchJobActionKind.TERMINATE)
    return models.ExitConditions(
        exit_codes=[models.ExitCodeMapping(code=code, exit_options=ends) for code in plan.stop_on],
        default=models.ExitOptions(job_action=models.BatchJobActionKind.NONE),
    )


@dataclass(frozen=True)
class _Shared:
    """What is the same in all tasks that are added together."""

    command_line: str
    plan: TaskPlan
    outputs: OutputContainer
    placeholders: Collection[str]
    common: tuple[models.ResourceFile, ...] = ()

    @cached_property
    def constraints(self) -> models.BatchTaskConstraints:
        """How long tasks may take, and their directories stay."""
        return models.BatchTaskConstraints(max_wall_clock_time=self.plan.time_limit, retention_time=self.plan.retention)

    @cached_property
    def exit_conditions(self) -> models.ExitConditions | None:
        """What the end of a task means to its job."""
        return _exit_conditions(self.plan)

    @cached_property
    def environment(self) -> list[models.EnvironmentSetting]:
        """What is asked for; it cannot replace what names the input."""
        return [models.EnvironmentSetting(name=name, value=value) for name, value in self.plan.environment]

    @cached_property
    def container(self) -> models.BatchTaskContainerSettings | None:
        """What the tasks run in."""
        if self.plan.container is None:
            return None
        return models.BatchTaskContainerSettings(
            image_name=self.plan.container.image, container_run_options=self.plan.container.run_options or None
        )


def _task_options(
    access: StorageAccess, item: StoredInput, task: AddedTask, shared: _Shared
) -> models.BatchTaskCreateOptions:
    own = [item] if item.is_file else item.members
    return models.BatchTaskCreateOptions(
        id=task.task_id,
        command_line=shared.command_line,
        resource_files=[*_files(access, own), *shared.common] or None,
        environment_settings=[
            *(
                models.EnvironmentSetting(name=name, value=value)
                for name, value in _variables(item, shared.placeholders).items()
            ),
            *shared.environment,
        ],
        container_settings=shared.container,
        required_slots=shared.plan.required_slots if shared.plan.required_slots > 1 else None,
        user_identity=pool_user(elevated=True) if shared.plan.elevated else None,
        output_files=output_files(
            task.folder, shared.plan.outputs, shared.outputs, tells_exit_code=bool(shared.plan.succeed_on)
        ),
        exit_conditions=shared.exit_conditions,
        constraints=shared.constraints,
    )


def _files(access: StorageAccess, items: Iterable[StoredInput]) -> list[models.ResourceFile]:
    """Files that a task finds in its working directory."""
    return [access.input_file(item) for item in items]


def _variables(item: StoredInput, placeholders: Collection[str]) -> dict[str, str]:
    """What the placeholders of a command stand for; a run that takes this one up finds a task's files by its index."""
    variables = {INDEX_VARIABLE: str(item.index)}
    if item.is_file and "input" in placeholders:
        variables[INPUT_VARIABLE] = file_argument(item.name)
    if item.is_file and "stem" in placeholders:
        variables[STEM_VARIABLE] = file_argument(item.name.rpartition(".")[0] or item.name)
    return variables | {variable_of(name): value for name, value in item.values}


add_tasks_task = stage(add_tasks, name="Add tasks")
