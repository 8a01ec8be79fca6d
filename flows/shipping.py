"""The program of a run, and the pool that gets it."""

from pathlib import Path

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.flows.parameters import RunParameters
from prefect_azure_batch.flows.preflight import package_of
from prefect_azure_batch.tasks.application import ship_program_task, use_package_task
from prefect_azure_batch.tasks.records import PoolPlan, Program


def find_package(account: AzureBatchAccount, run: RunParameters) -> Program | None:
    """The application package that a run names as its program; None if it names none.

    Raises:
        BadInput: the account has no such package.
    """
    found = package_of(run.app) if run.app else None
    return use_package_task(account, *found) if found else None


def ship(account: AzureBatchAccount, run: RunParameters, default: Path | None) -> Program | None:
    """Ships the file or directory that a run names as its program, else the default; None if there is neither."""
    path = Path(run.app) if run.app else default
    return ship_program_task(account.storage, path) if path else None


def pool_plan(run: RunParameters, run_id: str, package: Program | None, *, inter_node: bool = False) -> PoolPlan:
    """The pool that is made for a run, and named after it."""
    packages = (package.package,) if package and package.package else ()
    return PoolPlan(run_id, run.nodes, run.slots, run.vm_size, packages=packages, run_id=run_id, inter_node=inter_node)
