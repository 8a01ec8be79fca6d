"""Azurite as a child process: its account, its data, its end."""

import base64
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobServiceClient, ContainerClient

from localbatch.host.azurite import Azurite, StorageOptions
from localbatch.host.azurite_cache import AzuriteError
from tests.support.processes import Process, descendants, wait_until

KEY = base64.b64encode(os.urandom(64)).decode()
OWNER = """
import sys
from localbatch.host.azurite import Azurite, StorageOptions
azurite = Azurite(StorageOptions(account="storage", key=sys.argv[1]))
print(azurite.pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def azurite() -> Iterator[Azurite]:
    with Azurite(StorageOptions(account="storage", key=KEY)) as azurite:
        yield azurite


def open_container(azurite: Azurite) -> ContainerClient:
    client = ContainerClient.from_connection_string(azurite.connection_string, "blobs", retry_total=0)
    if not client.exists():
        client.create_container()
    return client


def write_and_read(azurite: Azurite) -> bytes:
    with open_container(azurite) as container:
        container.upload_blob("blob", b"content", overwrite=True)
        return container.download_blob("blob").readall()


def process_of(azurite: Azurite) -> Process:
    return descendants(azurite.pid)[0]


def test_blobs_are_written_and_read_with_the_sdk(azurite: Azurite) -> None:
    assert write_and_read(azurite) == b"content"


def test_a_wrong_key_is_refused(azurite: Azurite) -> None:
    wrong = base64.b64encode(os.urandom(64)).decode()
    with (
        BlobServiceClient(azurite.blob_endpoint, credential=wrong, retry_total=0) as client,
        pytest.raises(HttpResponseError) as raised,
    ):
        list(client.list_containers())
    assert raised.value.status_code == 403


def test_the_well_known_account_is_not_served(azurite: Azurite) -> None:
    key = base64.b64encode(bytes(64)).decode()
    with (
        BlobServiceClient(f"{azurite.service_endpoint}/devstoreaccount1", credential=key, retry_total=0) as client,
        pytest.raises(HttpResponseError) as raised,
    ):
        list(client.list_containers())
    assert raised.value.status_code in (403, 404)


def test_the_key_stands_in_no_command_line_and_no_repr(azurite: Azurite) -> None:
    command_line = Path(f"/proc/{azurite.pid}/cmdline").read_bytes()
    assert KEY.encode() not in command_line
    assert KEY not in repr(StorageOptions(account="storage", key=KEY))


def test_only_loopback_is_listened_on(azurite: Azurite) -> None:
    assert azurite.service_endpoint == f"http://127.0.0.1:{azurite.port}"


def test_durable_blobs_survive_a_restart_on_the_same_port(tmp_path: Path) -> None:
    options = StorageOptions(account="storage", key=KEY, location=tmp_path / "blobs", durable=True)
    with Azurite(options) as first:
        write_and_read(first)
        port = first.port
    again = StorageOptions(account="storage", key=KEY, location=tmp_path / "blobs", durable=True, port=port)
    with Azurite(again) as second, open_container(second) as container:
        assert second.port == port
        assert container.download_blob("blob").readall() == b"content"


def test_blobs_on_disk_need_not_be_durable(tmp_path: Path) -> None:
    with Azurite(StorageOptions(account="storage", key=KEY, location=tmp_path / "blobs")) as azurite:
        assert write_and_read(azurite) == b"content"


def test_stopping_ends_the_process_and_may_be_repeated() -> None:
    azurite = Azurite(StorageOptions(account="storage", key=KEY))
    process = process_of(azurite)
    assert process.alive()
    azurite.stop()
    azurite.stop()
    assert not process.alive()
    assert azurite.poll() == 0


def test_a_taken_port_is_named_in_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        options = StorageOptions(account="storage", key=KEY, port=taken.getsockname()[1])
        with pytest.raises(AzuriteError, match=r"did not start.*EADDRINUSE") as raised:
            Azurite(options)
    assert "\n" not in str(raised.value)


def test_a_damaged_list_of_blobs_is_named_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "__azurite_db_blob__.json").write_text('{"collections": [')
    with pytest.raises(AzuriteError, match="did not start") as raised:
        Azurite(StorageOptions(account="storage", key=KEY, location=tmp_path, durable=True))
    assert "\n" not in str(raised.value)


def test_it_ends_when_its_owner_is_killed() -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, KEY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with owner:
        assert owner.stdout is not None
        node = descendants(json.loads(owner.stdout.readline()))[0]
        assert node.alive()
        owner.send_signal(signal.SIGKILL)
    wait_until(lambda: not node.alive(), 10)
