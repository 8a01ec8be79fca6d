"""Stage: what earlier runs of a work, and runs that still go on, have done or are doing to the inputs of this one."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from azure.batch import BatchClient, models
from azure.core.exceptions import ResourceNotFoundError

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.tasks.command import INDEX_VARIABLE
from prefect_azure_batch.tasks.errors import translated
from prefect_azure_batch.tasks.job import run_of
from prefect_azure_batch.tasks.ledger import Outcome, read_outcomes
from prefect_azure_batch.tasks.output_files import added_task
from prefect_azure_batch.tasks.records import WORK_CONTAINER, AddedTask, Run
from prefect_azure_batch.tasks.run_record import RunRecord, list_runs
from prefect_azure_batch.tasks.stage import stage

_SELECT = ["id,state,executionInfo,environmentSettings"]


@dataclass(frozen=True)
class FoundRun:
    """A run that lives, or has died without an end, and its tasks that need not be run again."""

    record: RunRecord
    tasks: tuple[AddedTask, ...]

    @property
    def run(self) -> Run:
        """For the stages that wait for the tasks and collect their outputs."""
        return run_of(self.record.job)


@dataclass(frozen=True)
class Earlier:
    """What need not be run again: tasks that have succeeded, by id, and tasks of runs that have not ended."""

    done: Mapping[str, Outcome] = field(default_factory=dict)
    found: tuple[FoundRun, ...] = ()

    def covers(self, task_id: str) -> bool:
        """Whether a task need not be run."""
        return task_id in self.done or any(task.task_id == task_id for run in self.found for task in run.tasks)


def find_earlier(
    account: AzureBatchAccount, work: str, wanted: Mapping[str, str], container: str = WORK_CONTAINER
) -> Earlier:
    """Looks up what is known of tasks: in the ledgers of the work, and in the jobs of its runs that have not ended.

    Args:
        account: the Batch account and its storage.
        work: the work's id.
        wanted: the tasks to look for: ids, and what the user calls their inputs.
        container: of works.

    Raises:
        BadInput: a ledger has a format that this version does not know.
        ServiceFailure: Azure refused or failed a request.
    """
    records = list_runs(account.storage, container, work)
    # After the records: a run writes its ledger before its record goes.
    done = read_outcomes(account.storage, container, work, wanted)
    left, found = {name: label for name, label in wanted.items() if name not in done}, []
    for record in records:
        with translated(f"look at the tasks of job {record.job.job_id!r}"):
            tasks = tuple(_tasks(account.get_client(), record, left))
        left = {name: label for name, label in left.items() if name not in {task.task_id for task in tasks}}
        found.append(FoundRun(record, tasks))
    return Earlier(done, tuple(found))


def _tasks(client: BatchClient, record: RunRecord, wanted: Mapping[str, str]) -> Iterator[AddedTask]:
    run = run_of(record.job)
    try:
        job = client.get_job(run.job_id, select=["id,state"])
        goes_on = str.lower(job.state or "") in ("active", "enabling")
        for task in client.list_tasks(run.job_id, select=_SELECT) if wanted else ():
            label = wanted.get(task.id or "")
            if label is not None and (_has_succeeded(task) or (goes_on and task.state != "completed")):
                yield added_task(run, _index(task), label, task.id or "")
    except ResourceNotFoundError:
        return  # its job is not there yet, or not any more


def _has_succeeded(task: models.BatchTask) -> bool:
    info = task.execution_info
    return task.state == "completed" and info is not None and str.lower(info.result or "") == "success"


def _index(task: models.BatchTask) -> int:
    """Place among the inputs of the run that has added the task; its folder is named after it."""
    settings = {setting.name: setting.value for setting in task.environment_settings or []}
    return int(settings.get(INDEX_VARIABLE) or 0)


find_earlier_task = stage(find_earlier, name="Find what is done")
