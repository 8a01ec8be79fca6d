"""One task that truly runs: the last check of an account."""

from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.flows.runs import RunPlan, container_plan, open_run
from prefect_azure_batch.tasks.check_subject import Subject
from prefect_azure_batch.tasks.checks import Broken, CheckFinding
from prefect_azure_batch.tasks.collect import collect_outputs_task
from prefect_azure_batch.tasks.inputs import find_inputs
from prefect_azure_batch.tasks.records import Collected, EndedTask, TaskPlan
from prefect_azure_batch.tasks.storage_checks import own_container
from prefect_azure_batch.tasks.submit import add_tasks_task
from prefect_azure_batch.tasks.upload import upload_inputs_task
from prefect_azure_batch.tasks.wait import require_success, wait_for_tasks_task

RUN_NAME = "check"

_CONTENT = "Read by a task of azure-batch-check.\n"
_COPY = "copy.txt"


def run_one_task(subject: Subject, time_limit: timedelta) -> CheckFinding:
    """Runs a task on a pool of one node, from its input to its collected output; all of it is deleted again.

    Args:
        subject: the account and the pool.
        time_limit: how long it may take, with all that the node needs before.

    Raises:
        BatchFlowError: it did not come to its end, or not to the right one.
    """
    name = f"{subject.run_id}-run"
    with TemporaryDirectory() as folder, own_container(subject.account.storage, name):
        # Its work and its input lie there, too, so that nothing of it is left in the containers of runs.
        storage = subject.account.storage.model_copy(update={"work_container": name})
        account = subject.account.model_copy(update={"storage": storage})
        ended, files = _run(account, subject, time_limit, Path(folder))
        copies = [path.read_text() for path in (files.stdout, *files.outputs) if path]
    if copies != [_CONTENT, _CONTENT]:
        raise Broken("The task has ended well, and its output is not what it has read.", "ContentDiffers")
    return CheckFinding(
        "run", "ok", f"a task ran on {ended.end.node_id} and its output was collected; all is gone again"
    )


def _run(
    account: AzureBatchAccount, subject: Subject, time_limit: timedelta, folder: Path
) -> tuple[EndedTask, Collected]:
    pool, source = subject.one_node, folder / "input.txt"
    source.write_text(_CONTENT)
    plan = TaskPlan(
        f"cat {{input}} | tee {_COPY}",
        outputs=(_COPY,),
        environment=tuple(pool.environment.items()),
        container=container_plan(pool),
    )
    storage, inputs = account.storage, find_inputs([str(source)], lambda container, prefix: [])
    with open_run(account, RunPlan(RUN_NAME, pool=pool, tasks=1, time_limit=time_limit)) as run:
        stored = upload_inputs_task(storage, inputs, run.container)
        ended = wait_for_tasks_task(account, run, add_tasks_task(account, run, stored, plan))
        require_success(ended)
        (files,) = collect_outputs_task(storage, run, ended, folder / "results")
    return ended[0], files
