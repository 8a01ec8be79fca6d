"""The pool stage."""

import uuid
from collections.abc import Iterator

import pytest

from blocks.azure_batch import AzureBatchAccount
from tasks.cleanup import delete_created
from tasks.errors import BadInput, ServiceFailure
from tasks.pool import check_pool, create_pool
from tasks.records import Created, PoolPlan


@pytest.fixture
def plan(account: AzureBatchAccount) -> Iterator[PoolPlan]:
    name = f"pool-{uuid.uuid4()}"
    yield PoolPlan(name, nodes=1, slots=2, vm_size="standard_d2s_v3", run_id="this run")
    delete_created(account, Created(pool_id=name))


def test_a_pool_has_the_shape_asked_for(account: AzureBatchAccount, plan: PoolPlan) -> None:
    pool = account.get_client().get_pool(create_pool(account, plan))
    assert (pool.target_dedicated_nodes, pool.task_slots_per_node, pool.vm_size) == (1, 2, "standard_d2s_v3")


def test_creating_a_pool_again_finds_it(account: AzureBatchAccount, plan: PoolPlan) -> None:
    assert create_pool(account, plan) == create_pool(account, plan)


def test_the_pool_of_another_run_is_not_taken(account: AzureBatchAccount, plan: PoolPlan) -> None:
    create_pool(account, plan)
    with pytest.raises(ServiceFailure) as refused:
        create_pool(account, PoolPlan(plan.pool_id, 1, 2, plan.vm_size, run_id="another run"))
    assert refused.value.code == "PoolExists"


@pytest.mark.parametrize(("nodes", "slots"), [(0, 1), (-1, 1), (1, 0), (1, 257)])
def test_impossible_sizes_are_refused(account: AzureBatchAccount, plan: PoolPlan, nodes: int, slots: int) -> None:
    with pytest.raises(BadInput):
        create_pool(account, PoolPlan(plan.pool_id, nodes, slots, plan.vm_size))


def test_a_missing_pool_is_refused_in_one_line(account: AzureBatchAccount) -> None:
    with pytest.raises(BadInput, match="no pool 'none'"):
        check_pool(account, "none")


def test_an_impossible_pool_id_is_refused(account: AzureBatchAccount) -> None:
    with pytest.raises(BadInput, match="pool"):
        check_pool(account, "no such pool!")


def test_deleting_what_is_gone_is_fine(account: AzureBatchAccount) -> None:
    delete_created(account, Created("no-job", "no-pool", ("no-container",)))
