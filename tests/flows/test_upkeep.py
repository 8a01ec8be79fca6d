"""Upkeep: what runs have left is found and, if that is asked for, deleted; nothing else is touched."""

import json
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.blocks.containers import WORK_CONTAINER
from prefect_azure_batch.blocks.pool_description import PoolDescription
from prefect_azure_batch.flows.map_flow import map_flow
from prefect_azure_batch.flows.map_parameters import MapParameters
from prefect_azure_batch.flows.runs import RunPlan, open_run
from prefect_azure_batch.flows.upkeep_flow import UpkeepResult, upkeep_flow
from prefect_azure_batch.flows.upkeep_parameters import UpkeepParameters
from prefect_azure_batch.tasks.cleanup import delete_created
from prefect_azure_batch.tasks.errors import BadInput
from prefect_azure_batch.tasks.pool import create_pool
from prefect_azure_batch.tasks.records import Created, PoolPlan
from tests.flows.conftest import left_behind, wait_until_over
from tests.support.processes import wait_until


@pytest.fixture
def other(account_name: None, two_files: Path, tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A run in a process of its own whose tasks do not end."""
    command = [
        "--inputs",
        str(two_files),
        "--command",
        f"touch {tmp_path}/began; sleep 600",
        "--results",
        f"{tmp_path}",
    ]
    process = subprocess.Popen([sys.executable, "-m", "flows.map_flow", *command])
    yield process
    process.kill()
    process.wait()


def states(result: UpkeepResult, run_id: str) -> dict[str, str]:
    return {item.kind: item.state for item in result.leftovers if item.run_id == run_id}


def test_a_run_that_lives_is_left_alone_and_one_that_died_is_deleted(
    account: AzureBatchAccount, other: "subprocess.Popen[bytes]", tmp_path: Path
) -> None:
    foreign = f"mine-{uuid.uuid4()}"
    create_pool(account, PoolPlan(foreign, PoolDescription(nodes=1, slots=1)))
    mark = {item.name: item.value for item in account.get_client().get_pool(foreign).metadata or []}
    assert mark == {"prefect-azure-batch-run": ""}
    wait_until((tmp_path / "began").exists, 60)
    (run_id,) = {name for name in left_behind(account) if name.startswith("map-")}
    lives = upkeep_flow(UpkeepParameters(delete=True))
    assert states(lives, run_id) == {"pool": "needed", "job": "needed", "work": "needed"}
    assert set(left_behind(account)) == {run_id}
    other.send_signal(signal.SIGKILL)
    other.wait()
    wait_until_over(account, "pool", run_id)
    over = states(upkeep_flow(), run_id)
    assert (over["pool"], over["job"]) == ("over", "over")
    assert left_behind(account) != []  # nothing is deleted unless that is asked for
    assert states(upkeep_flow(UpkeepParameters(delete=True)), run_id)["pool"] == "deleted"
    assert left_behind(account) == []
    assert states(upkeep_flow(), run_id) == {}
    assert account.get_client().get_pool(foreign).state == "active"
    delete_created(account, Created(pool_id=foreign))


@pytest.mark.usefixtures("account_name")
def test_stored_work_goes_when_it_has_been_kept_for_long_enough(
    account: AzureBatchAccount, two_files: Path, tmp_path: Path
) -> None:
    ids = []
    for keep in (1e-6, 7):
        asked = {"inputs": [str(two_files)], "command": f"true {keep}", "keep": keep, "results": str(tmp_path / "out")}
        ids.append(map_flow(MapParameters.model_validate(asked)).run_id)
    result = upkeep_flow(UpkeepParameters(delete=True))
    assert [states(result, run_id) for run_id in ids] == [{"work": "deleted"}, {"work": "needed"}]
    blobs = [blob.name for blob in account.storage.get_client().get_container_client(WORK_CONTAINER).list_blobs()]
    assert [any(run_id in name for name in blobs) for run_id in ids] == [False, True]


@pytest.mark.usefixtures("account_name")
def test_what_is_not_ours_is_left_alone_in_any_container(
    account: AzureBatchAccount, two_files: Path, tmp_path: Path
) -> None:
    client = account.storage.get_client().get_container_client(f"data-{uuid.uuid4().hex}")
    client.create_container()
    names = ["thesis/chapter1/text.txt", f"photos/{uuid.uuid4()}/a.jpg", "runs/first/x.txt", "d/x.txt", "top.txt"]
    for name in names:
        client.upload_blob(name, b"mine")
    for place in ("", "/runs"):
        results = f"az://{client.container_name}{place}"
        map_flow(MapParameters(inputs=[str(two_files)], command=f"true {tmp_path}", results=results))
    before = sorted(client.list_blob_names())
    found = upkeep_flow(UpkeepParameters(delete=True, work_container=client.container_name))
    assert [left for left in found.leftovers if left.kind == "work"] == []
    assert sorted(client.list_blob_names()) == before
    client.delete_container()


@pytest.mark.parametrize("work", ["simulation", "A" * 24, f"{'a' * 24}/b"])
def test_a_work_that_upkeep_would_not_know_is_refused(account: AzureBatchAccount, work: str) -> None:
    with pytest.raises(BadInput, match="24 hexadecimal digits"), open_run(account, RunPlan(work=work)):
        pass


@pytest.mark.usefixtures("account_name")
def test_ledgers_of_a_work_are_put_together_and_say_what_is_done(
    account: AzureBatchAccount, two_files: Path, tmp_path: Path
) -> None:
    container = f"work-{uuid.uuid4().hex}"
    asked = {
        "inputs": [str(two_files / "a.txt")],
        "command": f"true {tmp_path}",
        "results": str(tmp_path / "out"),
        "work_container": container,
    }
    first = map_flow(MapParameters.model_validate(asked))
    asked["inputs"] = [str(two_files)]
    second = map_flow(MapParameters.model_validate(asked))
    assert [task.state for task in second.tasks] == ["skipped", "succeeded"]
    assert states(upkeep_flow(UpkeepParameters(work_container=container)), first.run_id) == {"work": "needed"}
    assert states(upkeep_flow(), first.run_id) == {}  # it is another container's
    upkeep_flow(UpkeepParameters(delete=True, work_container=container))
    client = account.storage.get_client().get_container_client(container)
    (ledger,) = (blob.name for blob in client.list_blobs() if blob.name.count("/") == 1)
    head = json.loads(client.download_blob(ledger).readall().splitlines()[0])
    assert head == {"ledger": 1, "runs": [first.run_id, second.run_id]}
    third = map_flow(MapParameters.model_validate(asked))
    assert [(task.state, task.run_id) for task in third.tasks] == [
        ("skipped", first.run_id),
        ("skipped", second.run_id),
    ]
    client.delete_container()
