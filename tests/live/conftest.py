"""What the tests of a real account share. Without its variables they have a local one, and nothing in them knows which.

What they make bears the mark of a run of theirs, in pools, jobs and a container of works of their own; upkeep finds it
by that at the end.
"""

import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.mgmt.batch import BatchManagementClient

from localbatch.launcher import LocalAzure
from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.blocks.credentials import BatchSharedKey
from prefect_azure_batch.blocks.pool_description import DEFAULT_VM_SIZE, PoolDescription
from prefect_azure_batch.flows.account import local_account
from prefect_azure_batch.flows.map_flow import map_flow
from prefect_azure_batch.flows.map_parameters import MapParameters
from prefect_azure_batch.flows.results import MapResult
from prefect_azure_batch.flows.upkeep_flow import goes_on
from prefect_azure_batch.tasks.cleanup import delete_created
from prefect_azure_batch.tasks.pool import create_pool
from prefect_azure_batch.tasks.records import Created, PoolPlan
from prefect_azure_batch.tasks.upkeep import delete_leftovers, find_leftovers
from tests.support.live import MOST_NODES, RUN_MINUTES, Ceiling, LiveVariables
from tests.support.processes import wait_until

BLOCK = "live"
_TEST_SECONDS = 60 * 60  # on a real account a test may wait for two pools
_VARIABLES = LiveVariables.read(os.environ)
_HERE = Path(__file__).parent

RunMap = Callable[..., MapResult]


@dataclass(frozen=True)
class World:
    """Where the tests run.

    Attributes:
        account: with a container of works of the suite's own.
        vm_size: of all nodes.
        ceiling: what all tests together may cost.
        management: the management plane, its resource group and account, and options for its requests; None if the
            credential cannot sign in there.
        compiles: a node has a C compiler, or can get one.
        run_ids: of what the tests make without a flow run.
    """

    account: AzureBatchAccount
    vm_size: str
    ceiling: Ceiling
    management: tuple[BatchManagementClient, tuple[str, str], dict[str, Any]] | None
    compiles: bool
    run_ids: set[str] = field(default_factory=set)

    def made_for(self, run_id: str) -> list[str]:
        """Pools and jobs of a run that are there and not about to go."""
        client = self.account.get_client()
        pools = [pool.id for pool in client.list_pools(select=["id,state"]) if pool.state != "deleting"]
        jobs = [job.id for job in client.list_jobs(select=["id,state"]) if job.state != "deleting"]
        return [name for name in (*pools, *jobs) if name == run_id]

    def goes_on(self, run_id: str) -> bool | None:
        """Whether a run goes on, for upkeep; None if it is nobody's of these tests."""
        return False if run_id in self.run_ids else goes_on(run_id)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the tests in this folder."""
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(pytest.mark.live)
            if _VARIABLES:
                item.add_marker(pytest.mark.timeout(_TEST_SECONDS))


def pytest_report_header() -> str | None:
    """Says that the tests cost money, and whose."""
    return f"live: {_VARIABLES.endpoint}, {_VARIABLES.minutes:g} minutes at most" if _VARIABLES else None


def _live_world(variables: LiveVariables, work_container: str) -> World:
    account = _with_container(variables.block(), work_container)
    where, management = (variables.resource_group or "", account.account_name), None
    if variables.subscription and variables.resource_group and not variables.key:
        management = account.get_management_client(), where, dict[str, Any]()
    return World(account, variables.vm_size, Ceiling(MOST_NODES, variables.minutes), management, compiles=True)


def _local_world(azure: LocalAzure, work_container: str) -> World:
    """An account of its own of the local Batch service, which serves any name that signs with its key."""
    key = azure.endpoints.batch_key
    credential = BatchSharedKey.model_validate({"account_name": work_container.replace("-", ""), "account_key": key})
    account = local_account(azure).model_copy(update={"credential": credential})
    client = BatchManagementClient(azure.management_credential(), "local", base_url=azure.endpoints.batch_endpoint)
    management = client, ("local", account.account_name), {"enforce_https": False}
    ceiling, compiles = Ceiling(MOST_NODES, RUN_MINUTES * 2), shutil.which("cc") is not None
    return World(_with_container(account, work_container), DEFAULT_VM_SIZE, ceiling, management, compiles)


def _with_container(account: AzureBatchAccount, name: str) -> AzureBatchAccount:
    return account.model_copy(update={"storage": account.storage.model_copy(update={"work_container": name})})


@pytest.fixture(scope="session")
def world(request: pytest.FixtureRequest, prefect_server: str) -> Iterator[World]:
    """A real account where its variables are set, else a local one; what the tests have left there is deleted."""
    work_container = f"live-{uuid.uuid4().hex[:16]}"
    if _VARIABLES:
        world = _live_world(_VARIABLES, work_container)
    else:
        world = _local_world(request.getfixturevalue("local_azure"), work_container)
    world.account.save(BLOCK, overwrite=True)
    yield world
    _keep_up(world)


def _keep_up(world: World) -> None:
    """Upkeep of what the tests have made; Prefect's server, which is theirs alone, knows no run of anybody else."""
    found = [left for left in find_leftovers(world.account, world.goes_on) if world.goes_on(left.run_id) is not None]
    failures = delete_leftovers(world.account, found)
    with suppress(ResourceNotFoundError):  # no test may have made it
        world.account.storage.get_client().delete_container(world.account.storage.work_container)
    assert failures == []
    assert [left for run_id in {left.run_id for left in found} for left in world.made_for(run_id)] == []


@pytest.fixture(scope="session")
def account(world: World) -> AzureBatchAccount:
    """The account that the tests run on."""
    return world.account


@pytest.fixture
def run(world: World, two_files: Path, tmp_path: Path) -> RunMap:
    """Runs the map flow over two files, unless told what else, results in ``out``."""

    def run(**parameters: Any) -> MapResult:
        given = limits(world, parameters) | {"resume": False, "results": str(tmp_path / "out")}
        if not {"inputs", "sweep", "table"} & set(parameters):
            given["inputs"] = [str(two_files)]
        asked = MapParameters.model_validate(given | parameters)
        size = 0 if asked.pool or asked.plan else asked.pool_description.size
        with world.ceiling.taking(size, RUN_MINUTES):
            return map_flow(asked)

    return run


def said(result: MapResult) -> list[str]:
    """What each task has written to its standard output."""
    return [Path(task.stdout).read_text() for task in result.tasks if task.stdout]


def limits(world: World, parameters: dict[str, Any]) -> dict[str, Any]:
    """What holds for each run here."""
    size = {} if "pool" in parameters else {"vm_size": world.vm_size}
    return {"account": BLOCK, "hours": RUN_MINUTES / 60, "lease_minutes": RUN_MINUTES / 2} | size


@contextmanager
def made_pool(world: World, description: PoolDescription, tasks: int | None = None) -> Iterator[str]:
    """A pool that is no run's own, deleted at the end; where that is not reached, it empties itself."""
    pool_id = f"live-{uuid.uuid4()}"
    with world.ceiling.taking(description.size, RUN_MINUTES):
        world.run_ids.add(pool_id)
        asked = description.overridden({"vm_size": world.vm_size})
        lease = timedelta(minutes=world.ceiling.left)
        try:
            yield create_pool(world.account, PoolPlan(pool_id, asked, run_id=pool_id, lease=lease, tasks=tasks))
        finally:
            delete_created(world.account, Created(pool_id=pool_id))


@pytest.fixture(scope="session")
def pool(world: World) -> Iterator[str]:
    """A pool of one node, which the tests of maps share."""
    client = world.account.get_client()
    with made_pool(world, PoolDescription(nodes=1, slots=4)) as pool_id:
        wait_until(lambda: [node.state for node in client.list_nodes(pool_id)] == ["idle"], RUN_MINUTES * 60)
        yield pool_id
