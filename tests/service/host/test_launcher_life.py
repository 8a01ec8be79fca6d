"""The life of a local Azure: from its owner's start to its owner's end, however that comes."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.batch import BatchClient, models
from azure.core.credentials import AzureNamedKeyCredential
from azure.core.exceptions import ServiceRequestError
from azure.storage.blob import BlobServiceClient

from localbatch.launcher import CONNECTION_VARIABLE, Endpoints, LocalAzure, LocalAzureError
from tests.support.processes import Process, descendants, wait_until

OWNER = """
import os, sys
from localbatch.launcher import LocalAzure
azure = LocalAzure(attach=False)
{extra}
print(azure.endpoints.to_line(), flush=True)
sys.stdin.read()
"""
FORK = "os.fork() or __import__('signal').pause()"
ATTACH = """
from localbatch.launcher import LocalAzure, LocalAzureError
try:
    with LocalAzure() as azure:
        print(azure.attached, azure.endpoints.batch_endpoint)
except LocalAzureError as error:
    print(error)
"""


@pytest.fixture(scope="module")
def azure() -> Iterator[LocalAzure]:
    with LocalAzure(attach=False) as azure:
        yield azure


def open_batch(endpoints: Endpoints) -> BatchClient:
    credential = AzureNamedKeyCredential(endpoints.batch_account, endpoints.batch_key)
    return BatchClient(endpoints.batch_endpoint, credential, retry_total=0)


def list_pools(endpoints: Endpoints) -> list[str]:
    with open_batch(endpoints) as client:
        return [pool.id for pool in client.list_pools()]


def list_containers(endpoints: Endpoints) -> list[str]:
    with BlobServiceClient.from_connection_string(endpoints.storage_connection_string, retry_total=0) as client:
        return [container.name for container in client.list_containers()]


def start_owner(extra: str = "") -> tuple[subprocess.Popen[str], Endpoints, list[Process]]:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER.format(extra=extra)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    endpoints = Endpoints.from_line(owner.stdout.readline())
    return owner, endpoints, descendants(endpoints.pid)


def names_below(pid: int) -> list[str]:
    return [Path(f"/proc/{found.pid}/comm").read_text().strip() for found in descendants(pid)]


def run_for_ever(endpoints: Endpoints, command: str = "sleep 600") -> None:
    image = models.BatchVmImageReference(publisher="canonical", offer="ubuntu-24_04-lts", sku="server")
    machine = models.VirtualMachineConfiguration(image_reference=image, node_agent_sku_id="batch.node.ubuntu 24.04")
    with open_batch(endpoints) as client:
        client.create_pool(
            models.BatchPoolCreateOptions(
                id="pool",
                vm_size="standard_d2s_v3",
                virtual_machine_configuration=machine,
                target_dedicated_nodes=1,
            )
        )
        client.create_job(models.BatchJobCreateOptions(id="job", pool_info=models.BatchPoolInfo(pool_id="pool")))
        client.create_task("job", models.BatchTaskCreateOptions(id="task", command_line=command))


def attach(connection: Path) -> str:
    environment = os.environ | {CONNECTION_VARIABLE: str(connection)}
    done = subprocess.run([sys.executable, "-c", ATTACH], env=environment, capture_output=True, text=True, timeout=60)
    return done.stdout.strip() or done.stderr


def test_both_services_answer_when_it_is_ready(azure: LocalAzure) -> None:
    assert list_pools(azure.endpoints) == []
    assert list_containers(azure.endpoints) == []


def test_leaving_the_block_ends_every_process_and_removes_the_root() -> None:
    with LocalAzure(attach=False) as azure:
        processes = descendants(azure.endpoints.pid)
        assert len(processes) >= 2
        assert Path(azure.endpoints.root).is_dir()
    assert not any(process.alive() for process in processes)
    assert not Path(azure.endpoints.root).exists()
    with pytest.raises(ServiceRequestError):
        list_pools(azure.endpoints)
    azure.stop()


def test_two_run_side_by_side(azure: LocalAzure) -> None:
    with LocalAzure(attach=False) as other:
        assert other.endpoints.batch_endpoint != azure.endpoints.batch_endpoint
        assert other.endpoints.batch_key != azure.endpoints.batch_key
        assert list_pools(other.endpoints) == list_pools(azure.endpoints) == []


def test_nothing_is_left_when_the_owner_is_killed() -> None:
    owner, endpoints, processes = start_owner()
    with owner:
        owner.send_signal(signal.SIGKILL)
    wait_until(lambda: not any(process.alive() for process in processes), 10)
    assert not Path(endpoints.root).exists()


def test_a_running_task_ends_with_the_killed_owner() -> None:
    owner, endpoints, _ = start_owner()
    with owner:
        run_for_ever(endpoints)
        wait_until(lambda: "sleep" in names_below(endpoints.pid), 30)
        processes = descendants(endpoints.pid)
        owner.send_signal(signal.SIGKILL)
    wait_until(lambda: not any(process.alive() for process in processes), 10)
    assert not Path(endpoints.root).exists()


def test_a_restart_waits_until_what_a_killed_service_left_has_ended(tmp_path: Path) -> None:
    with LocalAzure(root=tmp_path, attach=False) as killed:
        run_for_ever(killed.endpoints, "/bin/bash -c 'trap \"\" TERM; sleep 600; true'")
        wait_until(lambda: "sleep" in names_below(killed.endpoints.pid), 30)
        left = descendants(killed.endpoints.pid)
        os.kill(killed.endpoints.pid, signal.SIGKILL)
        with LocalAzure(root=tmp_path, attach=False):
            assert not any(process.alive() for process in left)


def test_nothing_is_left_when_a_fork_of_the_killed_owner_lives_on() -> None:
    owner, endpoints, processes = start_owner(FORK)
    [fork] = [found for found in descendants(owner.pid) if found not in (*processes, *descendants(owner.pid)[:1])]
    try:
        os.kill(owner.pid, signal.SIGKILL)
        wait_until(lambda: not any(process.alive() for process in processes), 10)
        assert not Path(endpoints.root).exists()
    finally:
        os.kill(fork.pid, signal.SIGKILL)
        owner.communicate()


def test_an_owner_that_ends_by_itself_leaves_nothing() -> None:
    owner, endpoints, processes = start_owner()
    owner.communicate("")
    wait_until(lambda: not any(process.alive() for process in processes), 10)
    assert not Path(endpoints.root).exists()


def test_a_given_root_keeps_accounts_keys_ports_and_blobs(tmp_path: Path) -> None:
    with (
        LocalAzure(root=tmp_path / "root", attach=False) as first,
        BlobServiceClient.from_connection_string(first.endpoints.storage_connection_string) as client,
    ):
        client.create_container("kept")
    with LocalAzure(root=tmp_path / "root", attach=False) as second:
        assert list_containers(second.endpoints) == ["kept"]
    former, latter = (json.loads(azure.endpoints.to_line()) for azure in (first, second))
    assert {name for name in former if former[name] != latter[name]} == {"pid"}


def test_a_root_in_use_is_refused_in_one_line(tmp_path: Path) -> None:
    with LocalAzure(root=tmp_path, attach=False) as azure:
        with pytest.raises(LocalAzureError, match=f"in use by process {azure.endpoints.pid}$"):
            LocalAzure(root=tmp_path, attach=False)
        assert list_pools(azure.endpoints) == []


def test_what_keeps_it_from_starting_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LocalAzureError, match="cannot make the root directory") as raised:
        LocalAzure(root=tmp_path / "file", attach=False)
    assert "\n" not in str(raised.value)


def test_a_start_that_takes_too_long_is_given_up() -> None:
    with pytest.raises(LocalAzureError, match="was not ready after 0 s"):
        LocalAzure(attach=False, ready_seconds=0.01)


def test_the_repr_of_endpoints_shows_no_key(azure: LocalAzure) -> None:
    shown = repr(azure.endpoints)
    assert azure.endpoints.batch_endpoint in shown
    assert azure.endpoints.batch_key not in shown
    assert azure.endpoints.storage_key not in shown


def test_a_running_one_is_attached_to_and_left_running(tmp_path: Path) -> None:
    with LocalAzure(root=tmp_path, attach=False) as azure:
        assert attach(tmp_path / "connection.json") == f"True {azure.endpoints.batch_endpoint}"
        assert list_pools(azure.endpoints) == []


def test_attaching_to_nothing_is_one_line(tmp_path: Path) -> None:
    connection = tmp_path / "connection.json"
    assert "cannot be read" in attach(connection)
    connection.write_text("{}")
    assert "is not the line" in attach(connection)
    with LocalAzure(attach=False) as azure:
        connection.write_text(azure.endpoints.to_line())
    assert "nothing answers at" in attach(connection)
    assert azure.endpoints.batch_key not in attach(connection)


def test_attaching_to_one_without_storage_is_one_line(tmp_path: Path) -> None:
    with LocalAzure(root=tmp_path, storage=False, attach=False):
        assert "--no-storage" in attach(tmp_path / "connection.json")


def test_importing_the_launcher_loads_nothing_heavy() -> None:
    code = "import sys, localbatch.launcher; print([m for m in ('azure', 'uvicorn', 'pydantic') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_module_in_the_working_directory_is_not_taken_for_ours(tmp_path: Path) -> None:
    (tmp_path / "uvicorn.py").write_text("raise SystemExit('wrong module')")
    code = "from localbatch.launcher import LocalAzure; LocalAzure(attach=False, storage=False).stop(); print('fine')"
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "fine\n", done.stderr
