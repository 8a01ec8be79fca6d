"""A run in Azure, from its pool to the cleanup that follows whatever happens."""

import logging
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from prefect.runtime import flow_run

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.flows.preflight import package_of
from prefect_azure_batch.tasks.application import ship_program_task, use_package_task
from prefect_azure_batch.tasks.cleanup import delete_created, delete_created_task
from prefect_azure_batch.tasks.job import create_job_task
from prefect_azure_batch.tasks.lease import leased
from prefect_azure_batch.tasks.pool import check_pool_task, create_pool_task
from prefect_azure_batch.tasks.program import check_program, doubts_about
from prefect_azure_batch.tasks.records import DEFAULT_LEASE, DEFAULT_VM_SIZE, Created, JobPlan, PoolPlan, Run

_logger = logging.getLogger(__name__)


@contextmanager
def open_run(
    account: AzureBatchAccount,
    name: str = "run",
    *,
    program: str | Path | None = None,
    pool: str | None = None,
    nodes: int = 2,
    slots: int = 1,
    vm_size: str = DEFAULT_VM_SIZE,
    instances: int | None = None,
    setup: str | None = None,
    setup_limit: timedelta | None = None,
    retries: int = 0,
    time_limit: timedelta = timedelta(hours=24),
    lease: timedelta = DEFAULT_LEASE,
) -> Iterator[Run]:
    """Makes a pool and a job in a flow run, and deletes them with the run's container when the context is left.

    Args:
        account: the Batch account and its storage.
        name: of the run, with the flow run's id behind it; a flow that opens several gives each another.
        program: a file or directory to ship to every node, or ``id:version`` of an application package that exists.
        pool: an existing pool to use instead of making one; it is not deleted.
        nodes: VMs of the pool that is made.
        slots: tasks that a node of it runs at a time.
        vm_size: Azure VM size of its nodes.
        instances: nodes that a multi-instance task of the run takes at once, for which the pool gets communication
            between its nodes; None for a run of tasks of one node each.
        setup: command that prepares each node before its first task, in the directory of the program.
        setup_limit: longest life of that on one node.
        retries: how often Batch repeats a task that fails.
        time_limit: longest life of the run; the service ends its job then, whatever became of us.
        lease: how long the job, and the nodes of the pool that is made, outlive this process at most.

    Yields:
        The run, for the stages that follow.

    Raises:
        BadInput: something asked for does not exist or fit; nothing has been created.
        ServiceFailure: Azure refused or failed a request.
    """
    run_id = f"{name}-{flow_run.id or uuid.uuid4()}"
    package = package_of(str(program)) if program else None
    if program and not package:
        check_program(Path(program))
        for doubt in doubts_about(Path(program)):
            _logger.warning("%s", doubt)
    found = use_package_task(account, *package) if package else None
    if pool:
        check_pool_task(account, pool, instances)
    with _deleted_at_the_end(account, Created(run_id, None if pool else run_id, (run_id,))):
        packages = (package,) if package else ()
        plan = PoolPlan(
            run_id, nodes, slots, vm_size, False, packages, run_id, inter_node=instances is not None, lease=lease
        )
        job = JobPlan(run_id, pool or run_id, run_id, None, time_limit, retries, setup, setup_limit, lease=lease)
        if not pool:
            create_pool_task(account, plan)
        with leased(account, job, None if pool else plan):
            if program and not package:
                found = ship_program_task(account.storage, Path(program))
            yield create_job_task(account, replace(job, program=found))


@contextmanager
def _deleted_at_the_end(account: AzureBatchAccount, created: Created) -> Iterator[None]:
    try:
        yield
    except BaseException:
        delete_created(account, created)  # not as a task: the flow run may be in no state to start one
        raise
    delete_created_task(account, created)
