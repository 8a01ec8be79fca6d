"""Pools that are made for a job and end with it."""

import re
from typing import Any

import pytest
from azure.batch import models
from azure.core.exceptions import HttpResponseError, ResourceExistsError

from tests.support.account import IMAGE, Account, error_code, error_values

GUID = r"[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}"


def automatic(lifetime: str = "job", **options: Any) -> models.BatchPoolInfo:
    pool = models.BatchPoolSpecification(
        vm_size="standard_d2s_v3",
        virtual_machine_configuration=IMAGE,
        target_dedicated_nodes=1,
        **options.pop("pool", {}),
    )
    automatic = models.BatchAutoPoolSpecification(pool_lifetime_option=lifetime, pool=pool, **options)
    return models.BatchPoolInfo(auto_pool_specification=automatic)


def make_job(batch: Account, info: models.BatchPoolInfo, **options: Any) -> str:
    """Creates a job with a pool of its own, and returns the id of that pool."""
    batch.client.create_job(models.BatchJobCreateOptions(id="job", pool_info=info, **options))
    return pool_of(batch)


def pool_of(batch: Account) -> str:
    execution = batch.client.get_job("job").execution_info
    assert execution is not None
    assert execution.pool_id is not None
    return execution.pool_id


def end_job(batch: Account) -> None:
    assert batch.send("POST", "/jobs/job/terminate").status_code == 202
    batch.await_job()


def test_a_job_runs_on_its_own_pool_which_is_gone_with_it(batch: Account) -> None:
    pool_id = make_job(batch, automatic(auto_pool_id_prefix="mine", pool={"display_name": "own"}))
    assert re.fullmatch(f"mine_{GUID}", pool_id)
    assert batch.client.get_pool(pool_id).display_name == "own"
    batch.add_task("echo $AZ_BATCH_POOL_ID")
    task = batch.await_task()
    assert batch.stdout() == f"{pool_id}\n"
    assert task.node_info is not None
    assert task.node_info.pool_id == pool_id
    end_job(batch)
    batch.await_gone(lambda: batch.client.get_pool(pool_id))
    assert pool_of(batch) == pool_id


def test_the_job_shows_the_pool_as_it_was_asked_for(batch: Account) -> None:
    pool_id = make_job(batch, automatic())
    assert re.fullmatch(GUID, pool_id)
    info = batch.client.get_job("job").pool_info
    assert info.pool_id is None
    specification = info.auto_pool_specification
    assert specification is not None
    assert (specification.pool_lifetime_option, specification.keep_alive) == ("job", False)
    assert specification.pool is not None
    assert specification.pool.target_dedicated_nodes == 1


def test_a_pool_may_be_kept_alive(batch: Account) -> None:
    pool_id = make_job(batch, automatic(keep_alive=True))
    batch.client.begin_delete_job("job", polling_interval=0).result()
    batch.await_gone(lambda: batch.client.get_job("job"))
    assert batch.client.get_pool(pool_id).state == "active"


def test_the_pool_goes_with_a_deleted_job(batch: Account) -> None:
    pool_id = make_job(batch, automatic())
    batch.client.begin_delete_job("job", polling_interval=0).result()
    batch.await_gone(lambda: batch.client.get_job("job"))
    batch.await_gone(lambda: batch.client.get_pool(pool_id))


def test_whether_it_is_kept_can_be_changed_while_the_job_runs(batch: Account) -> None:
    pool_id = make_job(batch, automatic())
    change = models.BatchAutoPoolSpecification(pool_lifetime_option="job", keep_alive=True)
    info = models.BatchPoolInfo(auto_pool_specification=change)
    batch.client.update_job("job", models.BatchJobUpdateOptions(pool_info=info))
    specification = batch.client.get_job("job").pool_info.auto_pool_specification
    assert specification is not None
    assert specification.keep_alive is True
    assert specification.pool is not None
    end_job(batch)
    assert batch.client.get_pool(pool_id).state == "active"


def test_a_job_can_be_replaced_by_what_is_shown_of_it(batch: Account) -> None:
    user = models.UserAccount(name="somebody", password="secret")
    pool_id = make_job(batch, automatic(auto_pool_id_prefix="p", pool={"user_accounts": [user]}))
    job = batch.client.get_job("job")
    job.priority = 7
    batch.client.replace_job("job", job)
    assert (batch.client.get_job("job").priority, pool_of(batch)) == (7, pool_id)


@pytest.mark.parametrize(
    "change",
    [
        {"poolId": "other"},
        {"poolId": "other", "autoPoolSpecification": {"poolLifetimeOption": "job"}},
        {"autoPoolSpecification": {"poolLifetimeOption": "jobschedule"}},
        {"autoPoolSpecification": {"poolLifetimeOption": "job", "autoPoolIdPrefix": "other"}},
    ],
)
def test_nothing_else_of_it_can_be_changed(batch: Account, change: dict[str, object]) -> None:
    make_job(batch, automatic())
    disable = models.BatchJobDisableOptions(disable_tasks="requeue")
    batch.client.begin_disable_job("job", disable, polling_interval=0).result()
    batch.await_job(state="disabled")
    response = batch.send("PATCH", "/jobs/job", json={"poolInfo": change})
    assert (response.status_code, response.json()["code"]) == (400, "InvalidPropertyValue")


@pytest.mark.parametrize(
    ("info", "code", "name"),
    [
        (automatic(lifetime="jobschedule"), "InvalidPropertyValue", "autoPoolSpecification.poolLifetimeOption"),
        (automatic(lifetime="for ever"), "InvalidPropertyValue", "autoPoolSpecification.poolLifetimeOption"),
        (automatic(auto_pool_id_prefix="x" * 21), "InvalidPropertyValue", "autoPoolSpecification.autoPoolIdPrefix"),
        (automatic(auto_pool_id_prefix="a b"), "InvalidPropertyValue", "autoPoolSpecification.autoPoolIdPrefix"),
        (
            automatic(pool={"task_slots_per_node": 300}),
            "InvalidPropertyValue",
            "autoPoolSpecification.pool.taskSlotsPerNode",
        ),
        (
            models.BatchPoolInfo(
                auto_pool_specification=models.BatchAutoPoolSpecification(pool_lifetime_option="job"),
            ),
            "MissingRequiredProperty",
            "autoPoolSpecification.pool",
        ),
        (models.BatchPoolInfo(), "MissingRequiredProperty", "poolId"),
    ],
)
def test_a_pool_that_can_not_be_is_refused(batch: Account, info: models.BatchPoolInfo, code: str, name: str) -> None:
    with pytest.raises(HttpResponseError) as caught:
        make_job(batch, info)
    assert (caught.value.status_code, error_code(caught.value)) == (400, code)
    assert error_values(caught.value)["PropertyName"] == f"poolInfo.{name}"
    assert list(batch.client.list_pools()) == []


def test_a_job_names_a_pool_or_describes_one_but_not_both(batch: Account) -> None:
    info = automatic()
    info.pool_id = "pool"
    with pytest.raises(HttpResponseError) as caught:
        make_job(batch, info)
    assert error_code(caught.value) == "InvalidPropertyValue"


def test_a_pool_that_can_not_be_made_completes_the_job_which_says_why(batch: Account) -> None:
    package = models.BatchApplicationPackageReference(application_id="nothing")
    info = automatic(pool={"application_package_references": [package]})
    batch.client.create_job(models.BatchJobCreateOptions(id="job", pool_info=info))
    job = batch.client.get_job("job")
    assert job.state == "completed"
    assert job.execution_info is not None
    assert job.execution_info.pool_id is None
    error = job.execution_info.scheduling_error
    assert error is not None
    assert (error.category, error.code) == ("usererror", "InvalidApplicationPackageReferencesInAutoPool")
    with pytest.raises(ResourceExistsError) as caught:
        batch.add_task("true")
    assert error_code(caught.value) == "JobCompleted"
    assert list(batch.client.list_pools()) == []


def test_it_may_choose_its_size_by_a_formula(batch: Account) -> None:
    pool = models.BatchPoolSpecification(
        vm_size="standard_d2s_v3",
        virtual_machine_configuration=IMAGE,
        enable_auto_scale=True,
        auto_scale_formula="$TargetDedicatedNodes = 2",
    )
    specification = models.BatchAutoPoolSpecification(pool_lifetime_option="job", pool=pool)
    pool_id = make_job(batch, models.BatchPoolInfo(auto_pool_specification=specification))
    batch.await_nodes(count=2, pool_id=pool_id)
    pool.auto_scale_formula = "$TargetDedicatedNodes = "
    info = models.BatchPoolInfo(auto_pool_specification=specification)
    with pytest.raises(HttpResponseError) as caught:
        batch.client.create_job(models.BatchJobCreateOptions(id="other", pool_info=info))
    assert (caught.value.status_code, error_code(caught.value)) == (400, "AutoScalingFormulaSyntaxError")
