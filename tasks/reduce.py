"""Stage: one further task in a map's job, which takes what the tasks of the map have left.

Batch itself starts it when they have all succeeded. A task may name no more than 64,000 characters of ids that it waits
for, and ranges are of ids that are numbers; so where the map has more tasks, small ones in between wait for some of
them each, have numbers for ids, and the last one waits for a range. What the map has left comes to the node by folders
of storage, with a list that says in which order.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from azure.batch import models

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.tasks import transfer
from prefect_azure_batch.tasks.access import StorageAccess
from prefect_azure_batch.tasks.adding import add_all
from prefect_azure_batch.tasks.command import INPUT_FOLDER, REDUCE_VARIABLES, parse_template
from prefect_azure_batch.tasks.errors import translated
from prefect_azure_batch.tasks.names import FILE_FOLDER, LOG_FOLDER, REDUCE_LABEL, digest, reduce_id
from prefect_azure_batch.tasks.output_files import added_task, covering_prefixes
from prefect_azure_batch.tasks.records import AddedTask, Place, Program, Run, StoredInput, TaskPlan
from prefect_azure_batch.tasks.stage import stage
from prefect_azure_batch.tasks.submit import task_options, work_of
from prefect_azure_batch.tasks.task_directory import STDOUT

MOST_MAPS = 100_000
"""Tasks whose outputs one task can take."""

LONGEST_LIST = 64_000
"""Characters of ids that one task can wait for. Source: "Task - Add Task", Batch REST reference."""

_MOST_PREFIXES = 100
_AT_ONCE = 1000
_LIST_NAME = "reduce.list"
_MAPS = ".maps"
# Hard links, for folders of storage have long names, and programs that walk through folders pass links by. Hidden, so
# that no pattern of the command meets the same files twice.
_LIST_MAPS = """
BATCH_MAP_INPUTS=()
_list_inputs() {
local LC_ALL=C folder name task
shopt -s globstar nullglob dotglob
mkdir -p {inputs}
while IFS= read -r -d '' folder; do
task="${folder##*/}"
{take}
done < {maps}.list
shopt -u globstar nullglob dotglob
}
_list_inputs
unset -f _list_inputs
""".lstrip()
_TAKE_FILES = """
if [ -d "{maps}/$folder/{files}" ]; then
cp -al "{maps}/$folder/{files}" "{inputs}/$task"
for name in "{inputs}/$task"/**; do if [ -f "$name" ]; then BATCH_MAP_INPUTS+=("$name"); fi; done
fi
""".strip()
_TAKE_STDOUT = """
ln "{maps}/$folder/{logs}/{stdout}" "{inputs}/$task.txt"
BATCH_MAP_INPUTS+=("{inputs}/$task.txt")
""".strip()


@dataclass(frozen=True)
class Maps:
    """The tasks of a map, in the order of their inputs.

    Attributes:
        places: where what each keeps lies, or will lie.
        task_ids: those that are in the job of the task that takes it, and may not have ended.
        keep_files: outputs are kept; otherwise it is their standard output that is taken.
    """

    places: tuple[Place, ...]
    task_ids: tuple[str, ...]
    keep_files: bool


def reduce_task_id(program: Program | None, plan: TaskPlan, maps: Maps) -> str:
    """Id of the task that takes what these have left: another, where anything of it lies elsewhere, as after a change.

    Raises:
        BadInput: the command cannot be read, or uses ``{app}`` with no program.
    """
    some = transfer.some_at_a_time(map(str, maps.places), _AT_ONCE)
    return reduce_id(work_of(program, plan), str(maps.keep_files), *(digest(*places) for places in some))


def add_reduce(
    account: AzureBatchAccount, run: Run, index: int, plan: TaskPlan, maps: Maps, longest: int = LONGEST_LIST
) -> AddedTask:
    """Adds the task to the job of a run. A repeated call finds what is there.

    Args:
        account: the Batch account and its storage.
        run: the run; its job uses dependencies.
        index: its place after the tasks of the map.
        plan: of this task.
        maps: what it takes.
        longest: characters of ids that one task can wait for.

    Raises:
        BadInput: the command cannot be read, or a pattern of outputs leads out of the working directory.
        ServiceFailure: Azure refused or failed a request.
    """
    task = added_task(run, index, REDUCE_LABEL, reduce_task_id(run.program, plan, maps))
    with translated(f"add task {task.task_id!r} to job {run.job_id!r}"):
        pieces = (f"{place.container}/{place.folder}\0".encode() for place in maps.places)
        transfer.write_blob(account.storage.get_client(), run.container, f"{run.folder}/{_LIST_NAME}", pieces)
        transfer.ensure_container(account.storage.get_client(), run.outputs.container)
        add_all(account.get_client(), run.job_id, reduce_options(account, run, task, plan, maps, longest))
    return task


def reduce_options(
    account: AzureBatchAccount, run: Run, task: AddedTask, plan: TaskPlan, maps: Maps, longest: int = LONGEST_LIST
) -> list[models.BatchTaskCreateOptions]:
    """What the requests that add the task hold, and those in between, which come first.

    Raises:
        BadInput: the command cannot be read.
        CredentialError: no link can be made for the nodes.
    """
    lists = list(cut_ids(maps.task_ids, longest))
    joins = [_join(number, ids) for number, ids in enumerate(lists, start=1)] if len(lists) > 1 else []
    item = StoredInput(task.index, task.label, task.label, "", "", "")
    script = _script(run, plan, maps.keep_files)
    (options,) = task_options(account, run, [item], plan, [task], script)
    options.resource_files = [*_files(account, run, maps), *(options.resource_files or [])]
    if joins:
        ends = models.BatchTaskIdRange(start=1, end=len(joins))
        options.depends_on = models.BatchTaskDependencies(task_id_ranges=[ends])
    elif lists:
        options.depends_on = models.BatchTaskDependencies(task_ids=lists[0])
    return [*joins, options]


def cut_ids(task_ids: Sequence[str], most: int) -> Iterator[list[str]]:
    """Cuts ids into lists that a task can wait for.

    Args:
        task_ids: the ids.
        most: characters of a list.
    """
    some, length = list[str](), 0
    for task_id in task_ids:
        if length + len(task_id) > most:
            yield some
            some, length = [], 0
        some.append(task_id)
        length += len(task_id)
    if some:
        yield some


def _join(number: int, task_ids: list[str]) -> models.BatchTaskCreateOptions:
    """A task that does nothing but wait."""
    return models.BatchTaskCreateOptions(
        id=str(number), command_line="/bin/true", depends_on=models.BatchTaskDependencies(task_ids=task_ids)
    )


def _script(run: Run, plan: TaskPlan, keep_files: bool) -> str:
    text = _LIST_MAPS.replace("{take}", _TAKE_FILES if keep_files else _TAKE_STDOUT)
    parts = {"inputs": INPUT_FOLDER, "maps": _MAPS, "files": FILE_FOLDER, "logs": LOG_FOLDER, "stdout": STDOUT}
    for name, part in parts.items():
        text = text.replace(f"{{{name}}}", part)
    template = parse_template(plan.command, REDUCE_VARIABLES)
    return text + template.script(run.program.variable if run.program else None, lists="")


def _files(account: AzureBatchAccount, run: Run, maps: Maps) -> list[models.ResourceFile]:
    """The list, and the folders of storage that together hold what is in it."""
    access = StorageAccess.lasting(account.storage, run.identity, run.time_limit, run.ends)
    folders = covering_places(maps.places)
    return [
        access.resource_file(run.container, f"{run.folder}/{_LIST_NAME}", f"{_MAPS}.list"),
        *(access.folder(container, prefix, f"{_MAPS}/{container}") for container, prefix in folders),
    ]


def covering_places(places: Sequence[Place]) -> list[tuple[str, str]]:
    """Containers, and beginnings of names in them, that together hold these folders of tasks and not many others."""
    by_run: dict[tuple[str, str], list[str]] = {}
    for place in places:
        by_run.setdefault((place.container, place.folder.rpartition("/")[0]), []).append(place.folder)
    found = []
    for (container, run), folders in by_run.items():
        prefixes = covering_prefixes(sorted(folders))
        found += [(container, prefix) for prefix in (prefixes if len(prefixes) <= _MOST_PREFIXES else [f"{run}/"])]
    return found


add_reduce_task = stage(add_reduce, name="Add reduce")
