"""Pools that choose their sizes by formulas, through the official client."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.batch import models
from azure.core.exceptions import HttpResponseError

from localbatch.launcher import LocalAzure
from tests.support.account import Account, error_code, error_values, open_account
from tests.support.autoscaling import enable, evaluate, make_pool, run_of, sizes


def test_a_pool_gets_as_many_nodes_as_its_formula_says(batch: Account) -> None:
    before = datetime.now(UTC)
    formula = "$TargetDedicatedNodes = 1; $TargetLowPriorityNodes = $TargetDedicatedNodes; x = 2;"
    make_pool(batch, formula)
    batch.await_nodes(count=2)
    pool = batch.client.get_pool("pool")
    assert (pool.enable_auto_scale, pool.auto_scale_formula) == (True, formula)
    assert pool.auto_scale_evaluation_interval == timedelta(minutes=15)
    assert (pool.target_dedicated_nodes, pool.target_low_priority_nodes) == (1, 1)
    assert sizes(batch) == (1, 1, "steady")
    run = run_of(batch)
    assert before < run.timestamp < datetime.now(UTC)
    assert run.results == "$TargetDedicatedNodes=1;$TargetLowPriorityNodes=1;$NodeDeallocationOption=requeue;x=2"
    assert run.error is None


def test_the_interval_is_kept_and_shown(batch: Account) -> None:
    make_pool(batch, "$TargetDedicatedNodes = 0", auto_scale_evaluation_interval=timedelta(hours=168))
    assert batch.client.get_pool("pool").auto_scale_evaluation_interval == timedelta(hours=168)


def test_pools_are_found_by_whether_they_scale_by_themselves(batch: Account) -> None:
    batch.make_pool("still", nodes=0)
    make_pool(batch, "$TargetDedicatedNodes = 0", "moving")
    assert [pool.id for pool in batch.client.list_pools(filter="enableAutoScale eq true")] == ["moving"]
    pool = batch.client.get_pool("still")
    assert (pool.enable_auto_scale, pool.auto_scale_formula, pool.auto_scale_run) == (False, None, None)
    assert pool.auto_scale_evaluation_interval is None


@pytest.mark.parametrize(
    ("body", "code", "values"),
    [
        ({"targetDedicatedNodes": 0}, "InvalidAutoScalingSettings", {"PropertyName": "targetDedicatedNodes"}),
        ({"targetLowPriorityNodes": 1}, "InvalidAutoScalingSettings", {"PropertyName": "targetLowPriorityNodes"}),
        ({"autoScaleFormula": None}, "InvalidAutoScalingSettings", {"PropertyName": "autoScaleFormula"}),
        ({"enableAutoScale": False}, "InvalidAutoScalingSettings", {"PropertyName": "autoScaleFormula"}),
        (
            {"enableAutoScale": None, "autoScaleFormula": None, "autoScaleEvaluationInterval": "PT5M"},
            "InvalidAutoScalingSettings",
            {"PropertyName": "autoScaleEvaluationInterval"},
        ),
        (
            {"autoScaleEvaluationInterval": "PT4M59S"},
            "InvalidPropertyValue",
            {"PropertyName": "autoScaleEvaluationInterval"},
        ),
        (
            {"autoScaleEvaluationInterval": "P7DT1S"},
            "InvalidPropertyValue",
            {"PropertyName": "autoScaleEvaluationInterval", "PropertyValue": "P7DT1S"},
        ),
        ({"autoScaleFormula": "x = 1;\ny = (2"}, "AutoScalingFormulaSyntaxError", {"Line": "2", "Column": "7"}),
        ({"autoScaleFormula": ""}, "AutoScalingFormulaSyntaxError", {"Line": "1", "Column": "1"}),
        ({"autoScaleFormula": "x=" + "(" * 8000}, "AutoScalingFormulaSyntaxError", {"Line": "1", "Column": "67"}),
        ({"autoScaleFormula": "x = 1".ljust(8193)}, "AutoScalingFormulaTooLong", {"PropertyName": "autoScaleFormula"}),
        ({"autoScaleFormula": "x=1;" * 101}, "AutoScalingFormulaTooLong", {"Line": "1", "Column": "401"}),
    ],
)
def test_a_pool_that_cannot_scale_is_not_created(
    batch: Account, body: dict[str, Any], code: str, values: dict[str, str]
) -> None:
    machine = {
        "imageReference": {"publisher": "canonical", "offer": "ubuntu-24_04-lts", "sku": "server"},
        "nodeAgentSKUId": "batch.node.ubuntu 24.04",
    }
    pool = {"id": "pool", "vmSize": "Standard_D2s_v3", "virtualMachineConfiguration": machine}
    scaling = {"enableAutoScale": True, "autoScaleFormula": "$TargetDedicatedNodes=0"}
    answer = batch.send("POST", "/pools", json=pool | scaling | body)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    told = {item["key"]: item["value"] for item in answer.json()["values"]}
    assert told.items() >= values.items()
    assert told["Reason"]
    assert list(batch.client.list_pools()) == []


def test_the_official_example_of_an_evaluation(batch: Account) -> None:
    make_pool(batch, "$TargetDedicatedNodes = 0")
    answer = batch.send("POST", "/pools/pool/evaluateautoscale", json={"autoScaleFormula": "$TargetDedicated=1"})
    assert answer.status_code == 200
    body = answer.json()
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{7}Z", body["timestamp"])
    assert body["results"] == "$TargetDedicated=1;$NodeDeallocationOption=requeue"
    assert "error" not in body


def test_an_evaluation_changes_nothing_and_tells_what_fails(batch: Account) -> None:
    make_pool(batch, "$TargetDedicatedNodes = 1")
    batch.await_nodes()
    run = evaluate(batch, "$TargetDedicatedNodes=3;x=$CurrentDedicatedNodes*$TaskSlotsPerNode")
    assert run.results == "$TargetDedicatedNodes=3;$TargetLowPriorityNodes=0;$NodeDeallocationOption=requeue;x=1"
    failed = evaluate(batch, "$something_useless")
    assert failed.results == "$TargetDedicatedNodes=1;$TargetLowPriorityNodes=0;$NodeDeallocationOption=requeue"
    assert failed.error is not None
    assert failed.error.code == "AutoScalingFormulaEvaluationError"
    assert [(value.name, value.value) for value in failed.error.error_values or []] == [
        ("Message", "Line 1, Col 1: expected a variable that has a value, found '$something_useless'")
    ]
    assert sizes(batch) == (1, 0, "steady")


def test_missing_samples_are_told_as_azure_tells_them(batch: Account) -> None:
    make_pool(batch, "$TargetDedicatedNodes = avg($PendingTasks.GetSample(TimeInterval_Day, 70))")
    error = run_of(batch).error
    assert error is not None
    assert (error.code, error.message) == (
        "InsufficientSampleData",
        "Autoscale evaluation failed due to insufficient sample data",
    )
    (value,) = error.error_values or []
    assert value.value == "Line 1, Col 52: Insufficient data from data set: $PendingTasks wanted 70%, received 0%"


def test_what_cannot_be_evaluated_is_refused(batch: Account) -> None:
    batch.make_pool(nodes=0)
    batch.await_nodes(count=0)
    with pytest.raises(HttpResponseError) as disabled:
        evaluate(batch, "$TargetDedicatedNodes=1")
    assert (disabled.value.status_code, error_code(disabled.value)) == (409, "OperationInvalidForCurrentState")
    enable(batch, "$TargetDedicatedNodes=0")
    with pytest.raises(HttpResponseError) as unreadable:
        evaluate(batch, "$TargetDedicatedNodes=")
    assert (unreadable.value.status_code, error_code(unreadable.value)) == (400, "AutoScalingFormulaSyntaxError")
    assert error_values(unreadable.value)["Reason"] == "Line 1, Col 23: expected a value, found the end"
    answer = batch.send("POST", "/pools/pool/evaluateautoscale", json={})
    assert (answer.status_code, answer.json()["code"]) == (400, "MissingRequiredProperty")
    for operation in ("enableautoscale", "disableautoscale", "evaluateautoscale"):
        answer = batch.send("POST", f"/pools/none/{operation}", json={"autoScaleFormula": "x=1"})
        assert (answer.status_code, answer.json()["code"]) == (404, "PoolNotFound")


def test_automatic_scaling_is_enabled_once_in_30_seconds(batch: Account) -> None:
    make_pool(batch, "$TargetDedicatedNodes = 0")
    enable(batch, "$TargetDedicatedNodes = $TargetDedicatedNodes")
    with pytest.raises(HttpResponseError) as refused:
        enable(batch, "x = 1")
    assert (refused.value.status_code, error_code(refused.value)) == (503, "TooManyEnableAutoScaleRequests")


@pytest.mark.parametrize(
    ("body", "code", "name"),
    [
        ({}, "InvalidAutoScalingSettings", "autoScaleFormula"),
        ({"autoScaleEvaluationInterval": "PT6M"}, "InvalidAutoScalingSettings", "autoScaleFormula"),
        ({"autoScaleFormula": "x = "}, "AutoScalingFormulaSyntaxError", "autoScaleFormula"),
        (
            {"autoScaleFormula": "x = 1", "autoScaleEvaluationInterval": "PT1S"},
            "InvalidPropertyValue",
            "autoScaleEvaluationInterval",
        ),
    ],
)
def test_automatic_scaling_that_cannot_be_is_not_enabled(
    batch: Account, body: dict[str, str], code: str, name: str
) -> None:
    batch.make_pool(nodes=0)
    batch.await_nodes(count=0)
    answer = batch.send("POST", "/pools/pool/enableautoscale", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert {"key": "PropertyName", "value": name} in answer.json()["values"]
    assert batch.client.get_pool("pool").enable_auto_scale is False


def test_nothing_at_all_to_change_is_refused(batch: Account) -> None:
    make_pool(batch, "$TargetDedicatedNodes = 0")
    answer = batch.send("POST", "/pools/pool/enableautoscale", json={})
    assert (answer.status_code, answer.json()["code"]) == (400, "InvalidAutoScalingSettings")


def test_conditions_of_enabling_are_heeded(batch: Account) -> None:
    make_pool(batch, "$TargetDedicatedNodes = 0")
    headers = {"If-Match": "0x1"}
    answer = batch.send("POST", "/pools/pool/enableautoscale", json={"autoScaleFormula": "x=1"}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (412, "ConditionNotMet")


def test_a_pool_that_scales_by_itself_is_not_resized_by_hand(batch: Account) -> None:
    make_pool(batch, "$TargetDedicatedNodes = 0")
    answer = batch.send("POST", "/pools/pool/resize", json={"targetDedicatedNodes": 1})
    assert (answer.status_code, answer.json()["code"]) == (409, "OperationInvalidForCurrentState")
    assert answer.json()["values"] == [{"key": "Reason", "value": "State of the autoscale: enabled."}]


def test_automatic_scaling_is_not_enabled_while_the_pool_is_resized() -> None:
    azure = LocalAzure(storage=False, attach=False, allocation_seconds=60)
    with azure, open_account(azure.endpoints) as batch:
        batch.make_pool(nodes=1)
        formula = {"autoScaleFormula": "$TargetDedicatedNodes = 2"}
        answer = batch.send("POST", "/pools/pool/enableautoscale", json=formula)
        assert (answer.status_code, answer.json()["code"]) == (409, "PoolBeingResized")


def test_a_resize_by_formula_can_be_stopped() -> None:
    azure = LocalAzure(storage=False, attach=False, allocation_seconds=60)
    with azure, open_account(azure.endpoints) as batch:
        make_pool(batch, "$TargetDedicatedNodes = 1")
        assert sizes(batch) == (0, 0, "resizing")
        batch.client.begin_stop_pool_resize("pool", polling_interval=0)
        batch.wait_until(lambda: sizes(batch) == (0, 0, "steady"))
        assert batch.client.get_pool("pool").target_dedicated_nodes == 1


def test_an_auto_pool_may_scale_by_itself(batch: Account) -> None:
    specification = models.BatchPoolSpecification(
        vm_size="Standard_D2s_v3",
        virtual_machine_configuration=models.VirtualMachineConfiguration(
            image_reference=models.BatchVmImageReference(publisher="canonical", offer="ubuntu-24_04-lts", sku="server"),
            node_agent_sku_id="batch.node.ubuntu 24.04",
        ),
        enable_auto_scale=True,
        auto_scale_formula="$TargetDedicatedNodes = 1",
    )
    automatic = models.BatchAutoPoolSpecification(pool_lifetime_option="job", pool=specification)
    pool = models.BatchPoolInfo(auto_pool_specification=automatic)
    batch.client.create_job(models.BatchJobCreateOptions(id="job", pool_info=pool))
    batch.add_task("echo done")
    assert batch.await_task().execution_info
    (made,) = batch.client.list_pools()
    assert (made.enable_auto_scale, made.auto_scale_formula) == (True, "$TargetDedicatedNodes = 1")
    specification.auto_scale_formula = "x = "
    with pytest.raises(HttpResponseError) as refused:
        batch.client.create_job(models.BatchJobCreateOptions(id="second", pool_info=pool))
    assert error_code(refused.value) == "AutoScalingFormulaSyntaxError"
    assert error_values(refused.value)["PropertyName"] == "poolInfo.autoPoolSpecification.pool.autoScaleFormula"
