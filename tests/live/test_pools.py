"""Pools on a real account, or on a local one."""

import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from azure.batch import models

from prefect_azure_batch.blocks.pool_description import PoolDescription
from prefect_azure_batch.tasks.application import publish_application
from prefect_azure_batch.tasks.errors import BadInput
from prefect_azure_batch.tasks.job import create_job
from prefect_azure_batch.tasks.pool import check_new_pool, create_pool
from prefect_azure_batch.tasks.records import JobPlan, PoolPlan
from prefect_azure_batch.tasks.upkeep import delete_leftovers, find_leftovers
from tests.live.conftest import RunMap, World, made_pool, said
from tests.support.live import RUN_MINUTES


def test_tasks_run_on_spot_nodes(run: RunMap) -> None:
    result = run(spot=1, command='test "$AZ_BATCH_NODE_IS_DEDICATED" = false && cat {input}', retries=2)
    assert said(result) == ["alpha", "beta gamma"]


def test_a_pool_that_follows_its_tasks_begins_with_nodes_for_them_and_its_formula_is_taken(
    world: World, run: RunMap
) -> None:
    client = world.account.get_client()
    described = PoolDescription.model_validate({"nodes": 1, "slots": 2, "autoscale": {"scenario": "pending"}})
    with made_pool(world, described, tasks=2) as pool_id:
        assert said(run(pool=pool_id, command="cat {input}")) == ["alpha", "beta gamma"]
        pool = client.get_pool(pool_id)
        formula = pool.auto_scale_formula or ""
        options = models.BatchPoolEvaluateAutoScaleOptions(auto_scale_formula=formula)
        tried = client.evaluate_pool_auto_scale(pool_id, options)
    assert pool.auto_scale_run is not None
    assert pool.auto_scale_run.error is None
    assert "$PendingTasks" in formula
    assert tried.error is None
    assert "$TargetDedicatedNodes=" in (tried.results or "")


def test_a_start_task_has_its_files_and_prepares_the_node_for_all_tasks(run: RunMap, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("from here")
    start_task = {"command": 'cp notes.txt "$AZ_BATCH_NODE_SHARED_DIR"', "files": [str(tmp_path / "notes.txt")]}
    pool = {"nodes": 1, "start_task": start_task, "environment": {"GREETING": "hello"}}
    result = run(new_pool=pool, command='cat "$AZ_BATCH_NODE_SHARED_DIR/notes.txt"; echo " $GREETING"')
    assert said(result) == ["from here hello\n"] * 2


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        ({"image": "canonical:ubuntu-24_04-lts:no-such-sku"}, "does not offer"),
        ({"image": "microsoftwindowsserver:windowsserver:2022-datacenter"}, "is Windows"),
    ],
)
def test_what_the_account_does_not_have_is_told_in_a_line(world: World, asked: dict[str, str], complaint: str) -> None:
    plan = PoolPlan(f"live-{uuid.uuid4()}", PoolDescription.model_validate({"nodes": 1, **asked}))
    with pytest.raises(BadInput, match=complaint) as refused:
        check_new_pool(world.account, plan)
    assert "\n" not in str(refused.value)


def test_a_published_program_is_on_the_nodes(world: World, run: RunMap, tmp_path: Path) -> None:
    if world.management is None:
        pytest.skip("a shared key cannot publish, and neither can anybody without SUBSCRIPTION and RESOURCE_GROUP")
    client, where, options = world.management
    name = f"live-{uuid.uuid4().hex[:8]}"
    (tmp_path / "shout").write_text("#!/bin/sh\ntr a-z A-Z\n")
    try:
        publish_application(client, *where, name, "1.0", tmp_path / "shout", **options)
        result = run(app=f"{name}:1.0", command="sh {app}/shout < {input}", nodes=1)
        assert said(result) == ["ALPHA", "BETA GAMMA"]
    finally:
        client.application_package.delete(*where, name, "1.0", **options)
        client.application.delete(*where, name, **options)


def test_upkeep_finds_what_a_dead_run_has_left_and_nothing_else(world: World, pool: str) -> None:
    name = f"map-{uuid.uuid4()}"
    with world.ceiling.taking(1, RUN_MINUTES):
        world.run_ids.add(name)
        described = PoolDescription(nodes=1, vm_size=world.vm_size)
        create_pool(world.account, PoolPlan(name, described, run_id=name, lease=timedelta(minutes=RUN_MINUTES)))
        create_job(world.account, JobPlan(name, name, name))
        assert world.made_for(name) == [name, name]
        found = [left for left in find_leftovers(world.account, world.goes_on) if left.run_id == name]
        assert sorted((left.kind, left.is_over) for left in found) == [("job", True), ("pool", True)]
        assert delete_leftovers(world.account, found) == []
        assert world.made_for(name) == []
    assert world.account.get_client().get_pool(pool).state == "active"
