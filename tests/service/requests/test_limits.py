"""The limits of the service, each refused with the property named, and the defaults that it fills in.

Source: the Batch REST reference for limits, recorded answers for defaults.
"""

import re
from typing import Any

import pytest

from tests.support.account import Account

MACHINE = {
    "imageReference": {"publisher": "canonical", "offer": "ubuntu-24_04-lts", "sku": "server"},
    "nodeAgentSKUId": "batch.node.ubuntu 24.04",
}
POOL = {"id": "pool", "vmSize": "STANDARD_D2S_V3", "virtualMachineConfiguration": MACHINE}
JOB = {"id": "job", "poolInfo": {"poolId": "pool"}}
TASK = {"id": "task", "commandLine": "true"}
SCHEDULE = {"id": "schedule", "schedule": {}, "jobSpecification": {"poolInfo": {"poolId": "pool"}}}
FOREVER = "P10675199DT2H48M5.4775807S"
LONG = "x" * 1025
START = {"commandLine": "true"}
RULE = {"priority": 150, "access": "allow", "sourceAddressPrefix": "*"}
NAT = {
    "name": "nat",
    "protocol": "tcp",
    "backendPort": 80,
    "frontendPortRangeStart": 5000,
    "frontendPortRangeEnd": 5100,
}


def nat(**changes: Any) -> dict[str, Any]:
    return {"networkConfiguration": {"endpointConfiguration": {"inboundNATPools": [{**NAT, **changes}]}}}


@pytest.mark.parametrize(
    ("path", "body", "name"),
    [
        *(
            (path, {**body, "id": odd}, "id")
            for path, body in (("/pools", POOL), ("/jobs", JOB))
            for odd in ("", "a b", "x" * 65)
        ),
        *(("/jobschedules", {**SCHEDULE, "id": odd}, "id") for odd in ("a:b", "é", "x" * 65)),
        ("/jobs", {**JOB, "poolInfo": {"poolId": "x" * 65}}, "poolInfo.poolId"),
        ("/pools", {**POOL, "displayName": LONG}, "displayName"),
        ("/jobs", {**JOB, "displayName": LONG}, "displayName"),
        ("/jobschedules", {**SCHEDULE, "displayName": LONG}, "displayName"),
        ("/jobs", {**JOB, "priority": 1001}, "priority"),
        ("/jobs", {**JOB, "priority": -1001}, "priority"),
        ("/jobs", {**JOB, "maxParallelTasks": 0}, "maxParallelTasks"),
        ("/jobs", {**JOB, "maxParallelTasks": -2}, "maxParallelTasks"),
        ("/jobs", {**JOB, "constraints": {"maxTaskRetryCount": -2}}, "constraints.maxTaskRetryCount"),
        ("/pools", {**POOL, "taskSlotsPerNode": 0}, "taskSlotsPerNode"),
        ("/pools", {**POOL, "taskSlotsPerNode": 9}, "taskSlotsPerNode"),
        ("/pools", {**POOL, "vmSize": "STANDARD_M128S", "taskSlotsPerNode": 257}, "taskSlotsPerNode"),
        ("/pools", {**POOL, "resizeTimeout": "PT4M59S"}, "resizeTimeout"),
        ("/pools", {**POOL, "targetDedicatedNodes": -1}, "targetDedicatedNodes"),
        ("/pools", {**POOL, "startTask": {**START, "commandLine": "x" * 32_769}}, "startTask"),
        ("/pools", {**POOL, "startTask": {**START, "maxTaskRetryCount": -2}}, "startTask.maxTaskRetryCount"),
        (
            *("/pools", {**POOL, "applicationPackageReferences": [{"applicationId": f"a{n}"} for n in range(11)]}),
            "applicationPackageReferences",
        ),
        (
            *(
                "/pools",
                {**POOL, "enableAutoScale": True, "autoScaleFormula": "a=1", "autoScaleEvaluationInterval": "PT4M"},
            ),
            "autoScaleEvaluationInterval",
        ),
        (
            *(
                "/pools",
                {**POOL, "enableAutoScale": True, "autoScaleFormula": "a=1", "autoScaleEvaluationInterval": "P8D"},
            ),
            "autoScaleEvaluationInterval",
        ),
    ],
)
def test_a_value_out_of_range_is_named(batch: Account, path: str, body: dict[str, Any], name: str) -> None:
    answer = batch.send("POST", path, json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "InvalidPropertyValue")
    named = {item["key"]: item["value"] for item in answer.json()["values"]}["PropertyName"]
    assert named == name or named.startswith(f"{name}.")


def shown(batch: Account, path: str) -> dict[str, Any]:
    """Returns a resource without what the service makes anew each time."""
    document: dict[str, Any] = batch.send("GET", path).json()
    return {
        name: value for name, value in document.items() if not re.search("Time$|^(odata|url|eTag|lastModified)", name)
    }


def test_a_pool_gets_the_defaults_that_were_recorded(batch: Account) -> None:
    assert batch.send("POST", "/pools", json={**POOL, **nat(networkSecurityGroupRules=[RULE])}).status_code == 201
    batch.wait_until(lambda: batch.client.get_pool("pool").allocation_state == "steady")
    assert shown(batch, "/pools/pool") == {
        "id": "pool",
        "state": "active",
        "allocationState": "steady",
        "vmSize": "standard_d2s_v3",
        "resizeTimeout": "PT15M",
        "currentDedicatedNodes": 0,
        "targetDedicatedNodes": 0,
        "currentLowPriorityNodes": 0,
        "targetLowPriorityNodes": 0,
        "enableAutoScale": False,
        "enableInterNodeCommunication": False,
        "taskSlotsPerNode": 1,
        "taskSchedulingPolicy": {"nodeFillType": "spread"},
        "virtualMachineConfiguration": {
            **MACHINE,
            "imageReference": {
                "publisher": "canonical",
                "offer": "ubuntu-24_04-lts",
                "sku": "server",
                "version": "latest",
            },
        },
        "networkConfiguration": {
            **nat(networkSecurityGroupRules=[{**RULE, "sourcePortRanges": ["*"]}])["networkConfiguration"],
            "dynamicVNetAssignmentScope": "none",
            "enableAcceleratedNetworking": False,
        },
    }


def test_a_job_gets_the_defaults_that_were_recorded(batch: Account) -> None:
    assert batch.send("POST", "/jobs", json=JOB).status_code == 201
    found = shown(batch, "/jobs/job")
    assert found.pop("executionInfo").keys() == {"startTime", "poolId"}
    assert found == {
        **JOB,
        "state": "active",
        "priority": 0,
        "maxParallelTasks": -1,
        "allowTaskPreemption": False,
        "usesTaskDependencies": False,
        "constraints": {"maxWallClockTime": FOREVER, "maxTaskRetryCount": 0},
        "onAllTasksComplete": "noaction",
        "onTaskFailure": "noaction",
    }


def test_a_task_gets_the_defaults_that_were_recorded(batch: Account) -> None:
    batch.send("POST", "/jobs", json={**JOB, "constraints": {"maxTaskRetryCount": 2}})
    assert batch.send("POST", "/jobs/job/tasks", json=TASK).status_code == 201
    assert shown(batch, "/jobs/job/tasks/task") == {
        **TASK,
        "state": "active",
        "userIdentity": {"autoUser": {"scope": "pool", "elevationLevel": "nonadmin"}},
        "constraints": {"maxWallClockTime": FOREVER, "retentionTime": "P7D", "maxTaskRetryCount": 2},
        "requiredSlots": 1,
        "executionInfo": {"retryCount": 0, "requeueCount": 0},
    }


def test_names_are_unique_without_regard_to_case(batch: Account) -> None:
    for path, body, code in (
        *(("/pools", POOL, "PoolExists"), ("/jobs", JOB, "JobExists"), ("/jobs/JOB/tasks", TASK, "TaskExists")),
        ("/jobschedules", SCHEDULE, "JobScheduleExists"),
    ):
        assert batch.send("POST", path, json=body).status_code == 201
        again = batch.send("POST", path, json={**body, "id": str(body["id"]).upper()})
        assert (again.status_code, again.json()["code"]) == (409, code)
    batch.send("DELETE", "/jobschedules/schedule")
