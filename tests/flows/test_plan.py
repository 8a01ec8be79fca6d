"""Plans: what a run would do is shown, and nothing is made."""

import json
import re
import uuid
from pathlib import Path
from typing import Any

import pytest
from prefect import flow
from prefect.blocks.system import Secret

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.blocks.pool_description import PoolDescription
from prefect_azure_batch.flows.map_flow import map_flow
from prefect_azure_batch.flows.map_parameters import MapParameters
from prefect_azure_batch.flows.map_work import find_work
from prefect_azure_batch.flows.mpi_flow import mpi_flow
from prefect_azure_batch.flows.mpi_parameters import MpiParameters
from prefect_azure_batch.flows.plan import Plan, PlannedCall, PlanRefused
from prefect_azure_batch.flows.pool_file import read_pool_file
from prefect_azure_batch.flows.results import MapResult
from prefect_azure_batch.flows.runs import find_program, open_run
from prefect_azure_batch.tasks.cleanup import delete_created
from prefect_azure_batch.tasks.errors import BadInput
from prefect_azure_batch.tasks.manifest import OURS
from prefect_azure_batch.tasks.pool import create_pool
from prefect_azure_batch.tasks.records import Created, PoolPlan
from prefect_azure_batch.tasks.submit import add_tasks
from prefect_azure_batch.tasks.upload import stored_input
from tests.conformity.schema import violations
from tests.flows.conftest import left_behind

POOLS = Path(__file__).resolve().parents[2] / "examples" / "pools"
# What a request holds, by its method and the last part of its path.
MODELS = {
    ("POST", "pools"): "BatchPoolCreateOptions",
    ("POST", "jobs"): "BatchJobCreateOptions",
    ("POST", "addtaskcollection"): "BatchTaskGroup",
}


def planned(account_name: str | None, **parameters: Any) -> Plan:
    plan = map_flow(MapParameters.model_validate({"account": account_name, "plan": True, **parameters})).plan
    assert plan is not None
    return plan


def bodies(plan: Plan) -> dict[str, dict[str, Any]]:
    """Bodies of the requests, by the model that they are of."""
    keys = {MODELS.get((call.method, call.path.rpartition("/")[2])): call.body for call in plan.calls}
    return {model: body for model, body in keys.items() if model and body}


def things_in(account: AzureBatchAccount) -> set[str]:
    """Pools and blobs that there are."""
    storage = account.storage.get_client()
    blobs = {
        f"{container.name}/{blob.name}"
        for container in storage.list_containers()
        for blob in storage.get_container_client(container.name).list_blobs()
    }
    return blobs | {pool.id or "" for pool in account.get_client().list_pools()}


@pytest.mark.parametrize("pool", ["spot", "pending", None])
def test_a_plan_shows_requests_as_azure_takes_them_and_makes_nothing(
    account: AzureBatchAccount, account_name: str | None, two_files: Path, pool: str | None
) -> None:
    (two_files / "a.txt").write_text(f"{uuid.uuid4()}")
    (two_files / "b.txt").write_text(f"{uuid.uuid4()}")
    before = things_in(account)
    new_pool = read_pool_file(str(POOLS / f"{pool}.yaml")) if pool else None
    plan = planned(account_name, inputs=[str(two_files)], command="wc {input}", new_pool=new_pool)
    assert (plan.inputs.total, plan.inputs.ours, plan.uploads.files, plan.uploads.bytes) == (2, 2, 2, 72)
    shown = bodies(plan)
    assert shown.keys() == set(MODELS.values())
    assert [line for model, body in shown.items() for line in violations(body, model, strict=False)] == []
    assert things_in(account) - before == set()
    assert left_behind(account) == []


def test_a_plan_in_containers_shows_the_image_of_each_task_and_no_password(
    account_name: str | None, two_files: Path
) -> None:
    Secret(value="correct horse").save("solver-registry", overwrite=True)
    pool = read_pool_file(str(POOLS / "containers.yaml"))
    plan = planned(account_name, inputs=[str(two_files)], command="wc {input}", new_pool=pool)
    shown = bodies(plan)
    assert [line for model, body in shown.items() for line in violations(body, model, strict=False)] == []
    machine = shown["BatchPoolCreateOptions"]["virtualMachineConfiguration"]
    image = "myregistry.azurecr.io/solver:2.1"
    assert machine["containerConfiguration"]["containerImageNames"] == [image]
    assert machine["containerConfiguration"]["containerRegistries"][0]["password"] == "(hidden)"
    settings = shown["BatchTaskGroup"]["value"][0]["containerSettings"]
    assert settings == {"imageName": image, "containerRunOptions": "--shm-size=2g"}
    assert "correct horse" not in plan.model_dump_json()


def test_an_mpi_plan_shows_its_one_task(account: AzureBatchAccount, account_name: str | None) -> None:
    before = things_in(account)
    plan = mpi_flow(MpiParameters(account=account_name, plan=True)).plan
    assert plan is not None
    (task,) = bodies(plan)["BatchTaskGroup"]["value"]
    assert task["multiInstanceSettings"]["numberOfInstances"] == 3
    assert violations(bodies(plan)["BatchTaskGroup"], "BatchTaskGroup", strict=False) == []
    assert things_in(account) - before == set()


def test_a_plan_is_what_the_run_does(account: AzureBatchAccount, account_name: str | None, two_files: Path) -> None:
    """The service has from a run what the plan has said, but for ids, times and signatures."""
    asked = {"inputs": [str(two_files)], "command": "test {index} = 7", "slots": 2, "setup": "true", "retries": 1}
    shown = bodies(planned(account_name, **asked))
    had: dict[str, dict[str, Any]] = {}

    @flow
    def run_once() -> None:
        work = find_work(account, MapParameters.model_validate(asked), find_program)
        (batch,) = work.manifest.batches(OURS, 2)
        with open_run(account, work.run_plan(work.asked.pool_description, None)) as run:
            stored = [stored_input(item) for items in work.manifest.items(batch) for item in items]
            (task, *_) = add_tasks(account, run, stored, work.tasks)
            client = account.get_client()
            had["BatchPoolCreateOptions"] = client.get_pool(run.pool_id).as_dict()
            had["BatchJobCreateOptions"] = client.get_job(run.job_id).as_dict()
            had["BatchTaskGroup"] = {"value": [client.get_task(run.job_id, task.task_id).as_dict()]}

    run_once()
    assert {model: differences(shown[model], had[model]) for model in shown} == {model: [] for model in shown}


def differences(shown: Any, had: Any, place: str = "") -> list[str]:
    """Where the service has something else than was shown; what it adds is its own."""
    match shown:
        case dict():
            return [line for key in shown for line in differences(shown[key], (had or {}).get(key), f"{place}.{key}")]
        case list():
            pairs = zip(shown, had or [None] * len(shown), strict=True)
            return [line for number, pair in enumerate(pairs) for line in differences(*pair, f"{place}.{number}")]
        case str():
            return [] if steady(shown) == steady(str(had)) else [f"{place}: {shown!r}, not {had!r}"]
        case _:
            return [] if shown == had else [f"{place}: {shown!r}, not {had!r}"]


def steady(text: str) -> str:
    """A text without what differs from run to run; values of enumerations differ in their case."""
    return re.sub(r"map-[0-9a-f-]{36}|(?<=time\(\")[^\"]+|\?se=.*|(?<=PT)0(?=[1-9])|(?<=M)00S", "", text).lower()


def test_signatures_and_secrets_are_hidden(account_name: str | None, two_files: Path) -> None:
    plan = planned(account_name, inputs=[str(two_files)], command="wc {input}")
    text = "\n".join(plan.text()) + "".join(plan.json_lines())
    assert "sig=(hidden)" in text
    assert text.count("sig=") == text.count("sig=(hidden)")


def test_what_is_done_and_what_is_sent_already_are_counted(
    account: AzureBatchAccount, account_name: str | None, two_files: Path, tmp_path: Path
) -> None:
    asked = {"inputs": [str(two_files)], "command": "cat {input} # planned after", "work_container": "planned-works"}
    results = {"account": account_name, "results": str(tmp_path / "out")}
    assert map_flow(MapParameters.model_validate(asked | results)).counts.succeeded == 2
    (two_files / "c.txt").write_text("new")
    plan = planned(account_name, **asked)
    assert (plan.inputs.done, plan.inputs.ours, plan.uploads.there, plan.uploads.files) == (2, 1, 0, 1)
    (two_files / "c.txt").unlink()
    left = planned(account_name, **asked)
    assert (left.calls, [finding.text for finding in left.findings if finding.what == "pool"]) == (
        [], ["none is needed, for nothing is left to do"]
    )  # fmt: skip
    account.storage.get_client().delete_container("planned-works")


def test_a_reduce_is_the_last_task_of_a_plan_and_is_not_there_when_it_is_done(
    account_name: str | None, two_files: Path, tmp_path: Path
) -> None:
    asked = {"inputs": [str(two_files)], "command": f"cat {{input}} # {tmp_path}", "reduce": "cat {inputs}"}

    def added() -> list[dict[str, Any]]:
        calls = planned(account_name, **asked).calls
        return [call.body or {} for call in calls if call.path.endswith("/addtaskcollection")]

    first, last = added()
    assert violations(last, "BatchTaskGroup", strict=False) == []
    assert len(last["value"][0]["dependsOn"]["taskIds"]) == 2
    assert first["value"][0]["id"] in last["value"][0]["dependsOn"]["taskIds"]
    map_flow(MapParameters.model_validate({"account": account_name, "results": str(tmp_path / "out"), **asked}))
    assert added() == []


def test_a_plan_that_cannot_be_says_why(account_name: str | None, two_files: Path) -> None:
    asked: dict[str, Any] = {"inputs": [str(two_files)], "command": "wc {input}"}
    with pytest.raises(PlanRefused, match="the Batch account does not offer") as refused:
        planned(account_name, **asked, new_pool={"nodes": 1, "image": "canonical:ubuntu-24_04-lts:serer"})
    assert "\n" not in str(refused.value)
    assert [finding.what for finding in refused.value.plan.refusals] == ["pool"]
    assert refused.value.plan.calls == []


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        ({"slots": 9}, "has 2 cores, and takes 8 slots at most, not 9"),
        ({"required_slots": 2, "pool": "planned-one"}, "--required-slots"),
    ],
)
def test_what_a_node_cannot_do_is_refused(
    account: AzureBatchAccount, account_name: str | None, two_files: Path, asked: dict[str, Any], complaint: str
) -> None:
    if name := asked.get("pool"):
        create_pool(account, PoolPlan(name, PoolDescription(nodes=1), run_id=name))
    try:
        with pytest.raises(BadInput, match=complaint):
            planned(account_name, inputs=[str(two_files)], command="wc {input}", **asked)
    finally:
        delete_created(account, Created(pool_id=asked.get("pool")))


def test_a_package_that_is_not_there_is_refused_before_anything_is_made(
    account_name: str | None, two_files: Path
) -> None:
    asked: dict[str, Any] = {"inputs": [str(two_files)], "command": "wc {input}"}
    with pytest.raises(PlanRefused, match="packages: The Batch account has no application 'solver'"):
        planned(account_name, **asked, new_pool={"nodes": 1, "packages": ["solver:1.0"]})


def test_a_plan_is_one_json_document() -> None:
    call = PlannedCall(service="Batch", method="POST", path="/jobs", body={"id": "j"}, note="first")
    assert list(call.text()) == ["Batch POST /jobs   first", "    {", '      "id": "j"', "    }"]
    counts = {"inputs": {"total": 1, "done": 0, "elsewhere": 0, "ours": 1}}
    sent = {"uploads": {"files": 1, "bytes": 1, "there": 0}}
    plan = Plan.model_validate({"kind": "map", "account": "a", **counts, **sent, "findings": [], "calls": [call]})
    assert json.loads("".join(MapResult.planned(plan).json_lines()))["calls"][0]["path"] == "/jobs"


def test_what_jobs_and_tasks_can_be_asked_for_is_sent_as_azure_takes_it(
    account: AzureBatchAccount, account_name: str | None, two_files: Path
) -> None:
    Secret(value="correct horse").save("planned-token", overwrite=True)
    before = things_in(account)
    plan = planned(
        account_name, inputs=[str(two_files)], command="wc {input}", succeed_on=[3], stop_on=[64], retention=2,
        teardown="echo gone", teardown_minutes=7, secret={"TOKEN": "prefect:planned-token"},
    )  # fmt: skip
    shown = bodies(plan)
    assert [line for model, body in shown.items() for line in violations(body, model, strict=False)] == []
    job, task = shown["BatchJobCreateOptions"], shown["BatchTaskGroup"]["value"][0]
    assert (job["onTaskFailure"], job["jobReleaseTask"]["maxWallClockTime"]) == (
        "performexitoptionsjobaction",
        "PT07M00S",
    )
    assert task["exitConditions"] == {
        "exitCodes": [{"code": 64, "exitOptions": {"jobAction": "terminate"}}], "default": {"jobAction": "none"}
    }  # fmt: skip
    assert task["constraints"]["retentionTime"] == "PT02H00M00S"
    assert [file["fileMode"] for file in task["resourceFiles"] if file["filePath"] == ".secrets/TOKEN"] == ["0600"]
    assert [call.method for call in plan.calls if "/batch-secrets/" in call.path] == ["PUT", "DELETE"]
    assert [call.method for call in plan.calls if call.path.endswith("/terminate")] == ["POST"]
    assert "correct horse" not in plan.model_dump_json()
    assert things_in(account) - before == set()
