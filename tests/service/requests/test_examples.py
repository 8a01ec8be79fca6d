"""The official examples for API version 2025-06-01, replayed: the state they begin with, the request, the answer.

An answer may differ where the test says so, by name and with the reason; a difference that is gone must not be named.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from localbatch.launcher import LocalAzure
from localbatch.server import STATE_FILE
from localbatch.store.applications import ACTIVE, ApplicationRecord, PackageRecord
from localbatch.store.lifetimes import LifetimeRecord
from localbatch.store.store import Store
from localbatch.wire.formats import JsonObject, JsonValue, format_time
from tests.conformity.examples import DIRECTORY, answer_of, differences, example
from tests.support.account import Account, open_account, shell

MACHINE: JsonObject = {
    "imageReference": {"publisher": "Canonical", "offer": "0001-com-ubuntu-server-focal", "sku": "20_04-lts"},
    "nodeAgentSKUId": "batch.node.ubuntu 20.04",
}
USER: JsonObject = {"autoUser": {"scope": "task", "elevationLevel": "nonadmin"}}
FOREVER = "P10675199DT2H48M5.4775807S"
WINDOWS = "the example's command is one of Windows"
TERMINATING = "the example leaves out that it was terminating in between"
ONE_SLOT = "the reference says that a multi-instance task takes one slot, the example asks for two"
LATER = "later versions of the service show more than the example, as the schema says"
OLD = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=5)


@pytest.fixture(scope="module")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAzure]:
    """A service that remembers an account with an application and with nodes of hours ago."""
    root: Path = tmp_path_factory.mktemp("root")
    store = Store(root / STATE_FILE)
    store.lifetimes.add(LifetimeRecord(0, "known", "p1", "a1", 2, OLD, OLD + timedelta(minutes=30)))
    store.lifetimes.add(
        LifetimeRecord(0, "known", "p2", "a8", 8, OLD + timedelta(minutes=30), OLD + timedelta(hours=1))
    )
    name = "my_application_id"
    store.applications.put(ApplicationRecord("known", name, "my_display_name", True, None, OLD))
    store.applications.put_package(PackageRecord("known", name, "v1.0", ACTIVE, "zip", "container", "blob", OLD, OLD))
    store.close()
    with LocalAzure(root=root, storage=False, attach=False) as azure:
        yield azure


@pytest.fixture
def batch(azure: LocalAzure) -> Iterator[Account]:
    """An account of that service for each test."""
    with open_account(azure.endpoints) as account:
        yield account


@pytest.fixture
def known(azure: LocalAzure) -> Iterator[Account]:
    """The account that the service remembers."""
    with open_account(azure.endpoints, "known") as account:
        yield account


def get(batch: Account, path: str) -> Any:
    answer = batch.send("GET", path)
    assert answer.status_code == 200, answer.json()
    return answer.json()


def post(batch: Account, path: str, body: Any = None) -> Any:
    answer = batch.send("POST", path, **({} if body is None else {"json": body}))
    assert answer.status_code < 300, answer.json()
    return answer.json() if answer.content else None


def make_pool(batch: Account, pool_id: str, nodes: int, **options: Any) -> None:
    body = {"id": pool_id, "vmSize": "standard_d2_v5", "virtualMachineConfiguration": MACHINE, **options}
    post(batch, "/pools", {**body, "targetDedicatedNodes": nodes})


def make_job(batch: Account, **options: Any) -> None:
    post(batch, "/jobs", {"id": "jobId", "poolInfo": {"poolId": "poolId"}, **options})


def compare(name: str, found: JsonValue, allowed: dict[str, str]) -> None:
    assert differences(answer_of(name), found) == sorted(allowed)


def test_all_examples_are_replayed_here() -> None:
    source = Path(__file__).read_text()
    names = {path.stem for path in DIRECTORY.glob("*.json")}
    assert len(names) == 19
    assert {name for name in names if f'"{name}"' in source} == names


def test_applications_are_listed(known: Account) -> None:
    compare("Applications_ListApplications", get(known, "/applications"), {})


def test_a_completed_job_schedule_is_shown(batch: Account) -> None:
    body = {"id": "jobScheduleId", "schedule": {}, "jobSpecification": {"poolInfo": {"poolId": "testPool"}}}
    post(batch, "/jobschedules", body)
    post(batch, "/jobschedules/jobScheduleId/terminate")
    batch.wait_until(lambda: get(batch, "/jobschedules/jobScheduleId")["state"] == "completed")
    found = get(batch, "/jobschedules/jobScheduleId")
    compare("JobSchedules_GetJobSchedule", found, {"previousState": TERMINATING})


def test_a_completed_job_is_shown(batch: Account) -> None:
    make_job(batch)
    post(batch, "/jobs/jobId/terminate", {})
    batch.await_job("jobId")
    compare("Jobs_GetJob", get(batch, "/jobs/jobId"), {"previousState": TERMINATING})


def test_tasks_are_counted(batch: Account) -> None:
    make_pool(batch, "poolId", 1, taskSlotsPerNode=7)
    make_job(batch)
    for number, command in enumerate(["true", "true", "exit 1", "exit 1"]):
        batch.add_task(command, f"done{number}", "jobId")
    for number in range(4):
        batch.await_task(f"done{number}", "jobId")
    for number in range(12):
        batch.add_task("sleep 60", f"task{number}", "jobId")
    batch.wait_until(lambda: get(batch, "/jobs/jobId/taskcounts")["taskCounts"]["running"] == 7)
    compare("Jobs_GetJobTaskCounts", get(batch, "/jobs/jobId/taskcounts"), {})


def test_preparation_and_release_tasks_are_listed(batch: Account) -> None:
    make_pool(batch, "poolId", 1)
    commands: JsonObject = {
        "jobPreparationTask": {"id": "myjobpreptask", "commandLine": "true"},
        "jobReleaseTask": {"id": "myjobreleasetask", "commandLine": "true"},
    }
    make_job(batch, **commands)
    batch.add_task("true", "task", "jobId")
    batch.await_task("task", "jobId")
    post(batch, "/jobs/jobId/terminate", {})
    batch.await_job("jobId")
    found = get(batch, "/jobs/jobId/jobpreparationandreleasetaskstatus")
    allowed = {
        "odata.nextLink": "there is no second page",
        "value.jobPreparationTaskExecutionInfo.taskRootDirectory": "it begins with workitems, as recorded",
        "value.jobPreparationTaskExecutionInfo.result": LATER,
        "value.jobReleaseTaskExecutionInfo.taskRootDirectory": "it begins with workitems, as recorded",
        "value.jobReleaseTaskExecutionInfo.result": LATER,
    }
    compare("Jobs_ListJobPreparationAndReleaseTaskStatus", found, allowed)


def test_a_node_is_shown(batch: Account) -> None:
    start = {"commandLine": shell("echo hello"), "userIdentity": USER, "waitForSuccess": False}
    make_pool(batch, "poolId", 1, startTask=start)
    (node,) = batch.await_nodes(pool_id="poolId")
    path = f"/pools/poolId/nodes/{node.id}"
    batch.wait_until(lambda: get(batch, path)["startTaskInfo"]["state"] == "completed")
    allowed = {
        "vmSize": "the service writes it in small letters, as recorded",
        "startTask.commandLine": WINDOWS,
        "startTaskInfo.result": LATER,
        "runningTaskSlotsCount": LATER,
        "virtualMachineInfo": LATER,
    }
    compare("Nodes_GetNode", get(batch, path), allowed)


def test_an_extension_of_a_node_is_shown(batch: Account) -> None:
    answer = answer_of("Nodes_GetNodeExtension")
    assert isinstance(answer, dict)
    machine = {**MACHINE, "extensions": [answer["vmExtension"]]}
    make_pool(batch, "poolId", 1, virtualMachineConfiguration=machine)
    (node,) = batch.await_nodes(pool_id="poolId")
    found = get(batch, f"/pools/poolId/nodes/{node.id}/extensions/batchNodeExtension")
    allowed = {"instanceView.statuses.message": "it says that nothing was installed", "provisioningState": LATER}
    compare("Nodes_GetNodeExtension", found, allowed)


def test_how_to_log_in_is_shown(batch: Account) -> None:
    make_pool(batch, "poolId", 1)
    (node,) = batch.await_nodes(pool_id="poolId")
    compare("Nodes_GetNodeRemoteLoginSettings", get(batch, f"/pools/poolId/nodes/{node.id}/remoteloginsettings"), {})


def test_a_formula_is_evaluated(batch: Account) -> None:
    automatic = {"id": "poolId", "vmSize": "standard_d2_v5", "virtualMachineConfiguration": MACHINE}
    post(batch, "/pools", {**automatic, "enableAutoScale": True, "autoScaleFormula": "$TargetDedicatedNodes=0"})
    batch.wait_until(lambda: get(batch, "/pools/poolId")["allocationState"] == "steady")
    body = example("Pools_EvaluatePoolAutoscale")["parameters"]["evaluateAutoScaleOptions"]
    found = post(batch, "/pools/poolId/evaluateautoscale", body)
    compare("Pools_EvaluatePoolAutoscale", found, {})


def test_a_pool_is_shown(batch: Account) -> None:
    start = {"commandLine": "/bin/bash -c 'echo start task'", "userIdentity": USER, "waitForSuccess": False}
    make_pool(batch, "pool", 0, vmSize="STANDARD_A1", startTask=start)
    batch.wait_until(lambda: get(batch, "/pools/pool")["allocationState"] == "steady")
    compare("Pools_GetPool_Basic", get(batch, "/pools/pool"), {})


def test_nodes_are_counted(batch: Account) -> None:
    for number, nodes in ((1, 0), (2, 1), (3, 2)):
        make_pool(batch, f"pool{number}", nodes)
        batch.await_nodes(count=nodes, pool_id=f"pool{number}")
    counts = ("dedicated", "lowPriority")
    states = ("creating", "idle", "offline", "reimaging", "running", "starting", "total")
    numbers = {f"value.{kind}.{state}": "nodes are not held in those states" for kind in counts for state in states}
    found = get(batch, "/nodecounts")
    assert set(differences(answer_of("Pools_ListPoolNodeCounts"), found)) <= set(numbers)
    assert differences(found["value"][1]["dedicated"]["idle"], 1) == []


def test_the_use_of_pools_is_listed(known: Account) -> None:
    end = OLD + timedelta(hours=1)
    found = get(known, f"/poolusagemetrics?startTime={format_time(OLD)}&endtime={format_time(end)}")
    compare("Pools_ListPoolUsageMetrics", found, {"value.totalCoreHours": "half an hour of other nodes"})


def test_tasks_are_added_together(batch: Account) -> None:
    make_job(batch)
    collection = example("Tasks_CreateTaskCollection_Complex")["parameters"]["taskCollection"]
    del collection["value"][0]["requiredSlots"]  # ONE_SLOT
    found = post(batch, "/jobs/jobId/addtaskcollection", collection)
    found["value"].reverse()  # the order is not promised
    compare("Tasks_CreateTaskCollection_Complex", found, {})


def test_a_task_is_shown(batch: Account) -> None:
    make_job(batch)
    task = {
        "id": "testTask",
        "commandLine": "cmd /c hostname",
        "userIdentity": USER,
        "multiInstanceSettings": {"numberOfInstances": 3, "coordinationCommandLine": "cmd /c echo coordinating"},
        "constraints": {"retentionTime": FOREVER},
    }
    post(batch, "/jobs/jobId/tasks", task)
    compare("Tasks_GetTask", get(batch, "/jobs/jobId/tasks/testTask"), {"requiredSlots": ONE_SLOT})


def test_the_properties_of_a_file_are_headers(batch: Account) -> None:
    make_pool(batch, "poolId", 1)
    make_job(batch)
    batch.add_task("printf 12345678901234567 > testFile.txt", "taskId", "jobId")
    batch.await_task("taskId", "jobId")
    answer = batch.send("HEAD", "/jobs/jobId/tasks/taskId/files/wd%5CtestFile.txt")
    (expected,) = example("Tasks_GetTaskFileProperties")["responses"].values()
    assert answer.headers.keys() >= expected.keys()
    assert answer.headers["Content-Length"] == expected["Content-Length"]
    assert answer.headers["ocp-batch-file-isdirectory"].lower() == expected["ocp-batch-file-isdirectory"]


def test_subtasks_are_listed(batch: Account) -> None:
    make_pool(batch, "mpiPool", 3, enableInterNodeCommunication=True)
    make_job(batch, poolInfo={"poolId": "mpiPool"})
    settings: JsonObject = {"numberOfInstances": 3, "coordinationCommandLine": "true"}
    post(batch, "/jobs/jobId/tasks", {"id": "taskId", "commandLine": "true", "multiInstanceSettings": settings})
    batch.await_task("taskId", "jobId")
    path = "/jobs/jobId/tasks/taskId/subtasksinfo"
    batch.wait_until(lambda: {each["state"] for each in get(batch, path)["value"]} == {"completed"})
    ended = "the example's second subtask still runs"
    allowed = {
        "value.nodeInfo.taskRootDirectory": "the example's node is one of Windows",
        "value.result": LATER,
        **dict.fromkeys(("value.endTime", "value.exitCode", "value.state"), ended),
        **dict.fromkeys(("value.previousState", "value.previousStateTransitionTime"), ended),
    }
    compare("Tasks_ListSubTasks", get(batch, path), allowed)


def test_files_of_a_task_are_listed(batch: Account) -> None:
    make_pool(batch, "poolId", 1)
    make_job(batch)
    batch.add_task("true", "taskId", "jobId")
    batch.await_task("taskId", "jobId")
    found = get(batch, "/jobs/jobId/tasks/taskId/files?$filter=startswith(name,'std')")
    allowed = {
        "value.name": "the example's are files of Windows",
        "value.properties.contentLength": "they are empty",
        "value.properties.contentType": "it is told by the name, as recorded",
        "value.properties.fileMode": "only Linux has it",
    }
    compare("Tasks_ListTaskFiles", found, allowed)


def test_tasks_are_listed(batch: Account) -> None:
    make_job(batch)
    for number, retries in ((1, 0), (2, 3)):
        constraints: JsonObject = {"retentionTime": FOREVER, "maxTaskRetryCount": retries}
        task = {"id": f"task{number}", "commandLine": f"cmd /c echo task{number}", "constraints": constraints}
        post(batch, "/jobs/jobId/tasks", {**task, "userIdentity": USER, "requiredSlots": 2})
    compare("Tasks_ListTasks", get(batch, "/jobs/jobId/tasks"), {})


def test_the_constraints_of_a_task_are_replaced(batch: Account) -> None:
    make_job(batch)
    post(batch, "/jobs/jobId/tasks", {"id": "taskId", "commandLine": "true"})
    body = example("Tasks_ReplaceTask")["parameters"]["task"]
    answer = batch.send("PUT", "/jobs/jobId/tasks/taskId", json=body)
    assert (answer.status_code, answer.content) == (200, b"")
    assert get(batch, "/jobs/jobId/tasks/taskId")["constraints"] == body["constraints"]
