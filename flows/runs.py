"""A run in Azure, from its pool to the cleanup that follows whatever happens."""

import logging
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from prefect.runtime import flow_run

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.blocks.pool_description import PoolDescription
from prefect_azure_batch.flows.cancelling import ended_when_cancelled
from prefect_azure_batch.flows.endings import ended_by_unhandled_signals, undisturbed
from prefect_azure_batch.flows.parameters import RunParameters
from prefect_azure_batch.flows.pool_watch import telling_of_pool
from prefect_azure_batch.flows.preflight import package_of
from prefect_azure_batch.tasks.access import StorageAccess, require_access
from prefect_azure_batch.tasks.application import ship_program_task, use_package_task
from prefect_azure_batch.tasks.cleanup import delete_created, delete_created_task
from prefect_azure_batch.tasks.cost import Terms
from prefect_azure_batch.tasks.errors import BadInput, BatchFlowError, CleanupFailed
from prefect_azure_batch.tasks.findings import require_possible
from prefect_azure_batch.tasks.job import create_job_task, run_of
from prefect_azure_batch.tasks.lease import leased
from prefect_azure_batch.tasks.meter import Meter, make_meter, metered
from prefect_azure_batch.tasks.names import WORK_ID
from prefect_azure_batch.tasks.pool import check_pool_task, create_pool_task
from prefect_azure_batch.tasks.preflight import look_ahead
from prefect_azure_batch.tasks.program import check_program, doubts_about
from prefect_azure_batch.tasks.records import (
    DEFAULT_LEASE,
    DEFAULT_TEARDOWN_LIMIT,
    ContainerPlan,
    Created,
    JobPlan,
    Place,
    PoolPlan,
    Program,
    Run,
)
from prefect_azure_batch.tasks.run_record import Hold, RunRecord, hold_run
from prefect_azure_batch.tasks.secret_sources import SecretSource
from prefect_azure_batch.tasks.secrets import place_of, read_values, store_values
from prefect_azure_batch.tasks.teardown import tear_down

ProgramFinder = Callable[[AzureBatchAccount, str | Path | None], Program | None]
"""Finds a program as the tasks of a job find it: shipped on the way, or not."""

_logger = logging.getLogger(__name__)


def new_run_id(name: str) -> str:
    """Id of a run that begins: the flow run's, so that it can be found from there."""
    return f"{name}-{flow_run.id or uuid.uuid4()}"


def check_results(account: AzureBatchAccount, place: Place | None) -> None:
    """Refuses results where upkeep would delete them.

    Raises:
        BadInput: they would lie in the container of works.
    """
    if place and place.container == account.storage.work_container:
        raise BadInput(f"--results: what lies in {place.container!r} is deleted after --keep: name another container.")


def check_access_of(account: AzureBatchAccount, description: PoolDescription, time_limit: timedelta) -> None:
    """Makes sure that the nodes of a run can be given access to storage for as long as it may take.

    Raises:
        BadInput: they cannot; nothing has been created.
        ServiceFailure: Storage refused or failed a request.
    """
    access = StorageAccess.lasting(account.storage, description.node_identity, time_limit)
    _logger.info("%s", require_access(access).description)


def container_plan(description: PoolDescription) -> ContainerPlan | None:
    """The container that tasks on a pool run in; None for the nodes themselves."""
    container = description.container
    return ContainerPlan(container.image, container.run_options) if container else None


def find_program(account: AzureBatchAccount, program: str | Path | None) -> Program | None:
    """A program as the tasks of a job find it: shipped, or an application package that exists.

    Args:
        account: the Batch account and its storage.
        program: a file or directory, or ``id:version`` of an application package; None for no program.

    Raises:
        BadInput: there is no such program, or it is empty.
        ServiceFailure: Azure refused or failed a request.
    """
    if not program:
        return None
    if package := package_of(str(program)):
        return use_package_task(account, *package)
    check_program(Path(program))
    for doubt in doubts_about(Path(program)):
        _logger.warning("%s", doubt)
    return ship_program_task(account.storage, Path(program))


@dataclass(frozen=True)
class RunPlan:
    """A run that is about to be opened.

    Attributes:
        name: of the run, with the flow run's id behind it; a flow that opens several gives each another.
        program: a file or directory to ship to every node, or ``id:version`` of an application package that exists.
        pool: what the pool shall be; or the id of an existing one, which is not deleted.
        tasks: how many tasks the run has, if that is known: a pool that follows them begins with nodes for them.
        instances: nodes that a multi-instance task of the run takes at once, for which the pool gets communication
            between its nodes; None for a run of tasks of one node each.
        setup: command that prepares each node before its first task, in the directory of the program.
        setup_limit: longest life of that on one node.
        teardown: command that runs once on each node that tasks ran on, when the run ends, before the pool goes.
        teardown_limit: longest life of that on one node; at most 15 minutes.
        secrets: what tasks have in variables; their own plan says so, too.
        elevated: setup and teardown run as an administrator.
        required_slots: of each task, for a pool that follows them.
        priority: of the job, -1000 to 1000.
        retries: how often Batch repeats a task that fails.
        stop_on: exit codes of tasks that end the run.
        time_limit: longest life of the run; the service ends its job then, whatever became of us.
        lease: how long the job, and the nodes of the pool that is made, outlive this process at most.
        work: id of what is done to each input, as ``work_of`` makes it, by which later runs find what this one has
            done.
        keep: how long logs and outputs stay in storage; for nothing they are deleted at the end, if that is reached
            without an error.
        results: takes logs and outputs, which are nobody's to delete then; None for the run's own folder.
        terms: what the run may cost: it is ended when its nodes have cost so much.
        dependencies: tasks of its job may wait for others of them.
    """

    name: str = "run"
    program: str | Path | Program | None = None
    pool: PoolDescription | str = PoolDescription()  # noqa: RUF009 - frozen
    tasks: int | None = None
    instances: int | None = None
    setup: str | None = None
    setup_limit: timedelta | None = None
    teardown: str | None = None
    teardown_limit: timedelta = DEFAULT_TEARDOWN_LIMIT
    secrets: tuple[SecretSource, ...] = ()
    elevated: bool = False
    required_slots: int = 1
    priority: int = 0
    retries: int = 0
    stop_on: tuple[int, ...] = ()
    time_limit: timedelta = timedelta(hours=24)
    lease: timedelta = DEFAULT_LEASE
    work: str = ""
    keep: timedelta = timedelta()
    results: Place | None = None
    terms: Terms = Terms()  # noqa: RUF009 - frozen
    dependencies: bool = False

    @property
    def description(self) -> PoolDescription:
        """What the pool shall be, or which."""
        return PoolDescription(existing=self.pool) if isinstance(self.pool, str) else self.pool


def plan_of(
    asked: RunParameters,
    name: str,
    program: Program | None,
    work: str,
    pool: PoolDescription | str,
    results: Place | None,
) -> RunPlan:
    """The run that is asked for, but for what only one kind of run has.

    Args:
        asked: what was asked for.
        name: of the run.
        program: what its commands mean by ``{app}``.
        work: id of what is done to each input.
        pool: that it runs on: one to be made, or the id of one that is there.
        results: where its logs and outputs go in storage; None for its own folder.
    """
    return RunPlan(
        name,
        program=program,
        pool=pool,
        setup=asked.setup,
        setup_limit=asked.task_limit,
        teardown=asked.teardown,
        teardown_limit=asked.teardown_limit,
        secrets=asked.secrets,
        elevated=asked.elevated,
        priority=asked.priority,
        retries=asked.retries,
        time_limit=asked.time_limit,
        lease=asked.lease,
        work=work,
        keep=asked.keep_time,
        results=results,
        terms=asked.terms,
    )


def record_of(
    plan: RunPlan, run_id: str, account: AzureBatchAccount, program: Program | None, now: datetime
) -> RunRecord:
    """What a run makes in Azure: its job, and its pool unless that is there.

    Args:
        plan: the run.
        run_id: names it.
        account: the Batch account; what the run keeps is in its storage's container of works.
        program: as the tasks find it; None if there is none, or it is not shipped yet.
        now: when it begins.
    """
    description = plan.description
    packages = (program.package,) if program and program.package else ()
    pool = PoolPlan(
        run_id,
        description,
        packages,
        run_id,
        plan.instances,
        plan.lease,
        plan.tasks,
        plan.required_slots,
        plan.time_limit,
    )
    job = JobPlan(
        run_id,
        description.existing or run_id,
        run_id,
        program,
        plan.time_limit,
        plan.retries,
        plan.setup,
        plan.setup_limit,
        container=account.storage.work_container,
        folder=f"{plan.work}/{run_id}" if plan.work else "",
        lease=plan.lease,
        results=plan.results,
        priority=plan.priority,
        elevated=plan.elevated,
        identity=description.node_identity,
        stop_on=plan.stop_on,
        teardown=plan.teardown,
        teardown_limit=plan.teardown_limit,
        secrets=plan.secrets,
        dependencies=plan.dependencies,
    )
    return RunRecord(job, None if description.existing else pool, now, account.identity)


@contextmanager
def open_run(account: AzureBatchAccount, plan: RunPlan, meter: Meter | None = None) -> Iterator[Run]:
    """Makes a pool and a job in a flow run, and deletes them when the context is left.

    Args:
        account: the Batch account and its storage.
        plan: the run.
        meter: takes what its nodes cost; None for one of its own.

    Yields:
        The run, for the stages that follow.

    Raises:
        BadInput: something asked for does not exist or fit; nothing has been created.
        ServiceFailure: Azure refused or failed a request.
    """
    if plan.work and not re.fullmatch(WORK_ID, plan.work):
        raise BadInput(
            f"The work {plan.work!r} is not 24 hexadecimal digits in lower case: take what tasks.submit.work_of gives."
        )
    secrets = read_values(plan.secrets)
    program, existing = plan.program, plan.description.existing
    package = package_of(program) if isinstance(program, str) else None
    found = program if isinstance(program, Program) else find_program(account, program) if package else None
    if program and not found:
        check_program(Path(str(program)))
    record = record_of(plan, new_run_id(plan.name), account, found, datetime.now(UTC))
    if existing:
        check_pool_task(
            account,
            existing,
            plan.instances,
            identity=plan.description.node_identity,
            required_slots=plan.required_slots,
        )
    meter = meter or make_meter(account, plan.terms)
    # What was taken over has been paid for so far; from now on the meter counts it.
    terms = Terms() if existing and meter.watches(existing) else plan.terms
    seen = look_ahead(account, record, plan.instances, terms=terms)
    require_possible(seen.findings)
    with keep_run(account, record, hold_run(account.storage, record), meter, keeps_files=bool(plan.keep)):
        if record.pool:
            create_pool_task(account, record.pool, seen.found)
        job = record.job
        store_values(account.storage, job.run_id, secrets)
        if program and not found:
            assert not isinstance(program, Program)
            job = replace(job, program=find_program(account, program))
        yield create_job_task(account, job)


@contextmanager
def noting_leftovers(left: list[str]) -> Iterator[None]:
    """Notes what could not be deleted at the end of a run that has a result, which is not lost by that.

    Args:
        left: takes what is left.
    """
    try:
        yield
    except CleanupFailed as failure:
        _logger.error("%s", failure)
        left += failure.left


@contextmanager
def torn_down(account: AzureBatchAccount, job: JobPlan) -> Iterator[None]:
    """Has the teardown of a job run when the context is left, whatever the reason, while the run is still kept."""
    if job.teardown is None:
        yield
        return
    try:
        yield
    finally:
        with undisturbed():
            try:
                tear_down(account, job)
            except BatchFlowError as error:
                _logger.warning("%s", error)


def _created(record: RunRecord) -> Created:
    """What a run has made that is deleted when it ends, whatever stays of its files."""
    place = place_of(record.job.run_id)
    folders = ((place.container, place.folder),) if record.job.secrets else ()
    return Created(record.job.job_id, record.pool.pool_id if record.pool else None, folders)


@contextmanager
def keep_run(
    account: AzureBatchAccount,
    record: RunRecord,
    hold: Hold,
    meter: Meter,
    *,
    keeps_files: bool,
    at_once: bool = False,
) -> Iterator[None]:
    """Keeps what a run has made while the context lasts, and deletes it then.

    Args:
        account: the Batch account and its storage.
        record: what the run has made, or is about to make.
        hold: of the record.
        meter: takes what its nodes cost.
        keeps_files: logs and outputs stay in storage, also if nothing goes wrong.
        at_once: renew the leases at the beginning, as for a run that nobody has kept for a while.

    Raises:
        CleanupFailed: something could not be deleted. It is a note on the error with which the context ends, if there
            is one.
    """
    created = _created(record)
    try:
        with (
            ended_by_unhandled_signals(),
            leased(account, record, hold, at_once=at_once),
            metered(account, record, meter, is_new=not at_once),
            telling_of_pool(account, record),
            torn_down(account, record.job),
            ended_when_cancelled(account, record.job.job_id),
        ):
            yield
    except BaseException as error:
        with undisturbed():
            try:
                delete_created(account, created)  # not as a task: the flow run may be in no state to start one
                hold.end()
            except BatchFlowError as failure:
                # Whoever shows the error shows its notes: Prefect in its traceback, the command line below it.
                error.add_note(f"{failure} Run `python -m flows.upkeep_flow`, or delete it by hand.")
                hold.release()
        raise
    with undisturbed():
        try:
            delete_created_task(account, created)
            hold.end()
        except BatchFlowError:
            hold.release()
            raise
        if not keeps_files:
            run = run_of(record.job)
            delete_created_task(account, Created(folders=((run.container, run.folder),)))
