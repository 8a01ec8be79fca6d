"""No secret is in anything that a noisy, failing run leaves behind."""

import json
import os
import re
import secrets
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote, unquote

from azure.storage.blob import AccountSasPermissions, ResourceTypes, generate_account_sas

from localbatch.launcher import LocalAzure
from prefect_azure_batch.blocks.containers import WORK_CONTAINER
from prefect_azure_batch.flows.account import local_account
from tests.e2e.conftest import LIMIT, environment
from tests.support.processes import descendants, wait_until

CLOSED = "https://127.0.0.1:1"
"""Where nobody answers."""

SIGNATURE = re.compile(rb"sig=[A-Za-z0-9%+/]{20}")


def test_no_key_and_no_signature_is_left_anywhere(
    azure: LocalAzure, prefect_home: Callable[[], Path], two_files: Path, tmp_path: Path
) -> None:
    began, temporary = tmp_path / "began", tmp_path / "tmp"
    temporary.mkdir()
    prefect_home().rename(tmp_path / "prefect")
    command = [
        sys.executable, "-m", "flows.map_flow", "--inputs", str(two_files), "--results", str(tmp_path / "out"),
        "--command", f"touch {began}; sleep 3; env; ls -la ..; echo gone >&2; exit 3", "--outputs", "*.none", "--json",
    ]  # fmt: skip
    variables = environment(
        PREFECT_HOME=str(tmp_path / "prefect"),
        PREFECT_LOGGING_LEVEL="DEBUG",
        PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL="DEBUG",
        TMPDIR=str(temporary),
        LOCALBATCH_CONNECTION=os.environ["LOCALBATCH_CONNECTION"],
    )
    printed = tmp_path / "printed"
    with printed.open("wb") as file:
        process = subprocess.Popen(command, env=variables, stdout=file, stderr=subprocess.STDOUT)
        wait_until(began.exists, 120)
        arguments = b"".join(_command_line(one.pid) for one in [*descendants(process.pid)])
        assert process.wait(120) == 1
    found = azure.endpoints
    assert _leaks(azure, tmp_path, [found.batch_key, found.storage_key], arguments) == []


def test_the_secret_of_a_task_is_left_nowhere(
    azure: LocalAzure, prefect_home: Callable[[], Path], two_files: Path, tmp_path: Path
) -> None:
    value, temporary = secrets.token_urlsafe(24), tmp_path / "tmp"
    temporary.mkdir()
    prefect_home().rename(tmp_path / "prefect")
    variables = environment(
        PREFECT_HOME=str(tmp_path / "prefect"),
        PREFECT_LOGGING_LEVEL="DEBUG",
        PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL="DEBUG",
        TMPDIR=str(temporary),
        LOCALBATCH_CONNECTION=os.environ["LOCALBATCH_CONNECTION"],
    )
    save = "import sys; from prefect.blocks.system import Secret; Secret(value=sys.stdin.read()).save('token')"
    subprocess.run([sys.executable, "-c", save], input=value, text=True, env=variables, check=True, timeout=LIMIT)
    began, go = tmp_path / "began", tmp_path / "go"
    check = f'echo "has ${{{{#TOKEN}}}}"; touch {began}; until [ -e {go} ]; do sleep 0.1; done; ls -AR .. >&2; exit 3'
    command = [
        sys.executable, "-m", "flows.map_flow", "--inputs", str(two_files), "--results", str(tmp_path / "out"),
        "--command", check, "--secret", "TOKEN=prefect:token", "--nodes", "1", "--json",
    ]  # fmt: skip
    with (tmp_path / "printed").open("wb") as file:
        process = subprocess.Popen(command, env=variables, stdout=file, stderr=subprocess.STDOUT)
        wait_until(began.exists, 120)
        arguments = b"".join(_command_line(one.pid) for one in descendants(process.pid))
        on_nodes = {str(path): path.read_bytes() for path in _files_of_nodes(azure)}
        go.touch()
        assert process.wait(120) == 1
    assert "has 32" in (tmp_path / "printed").read_text() + "".join(
        path.read_text() for path in (tmp_path / "out").rglob("stdout.txt")
    )
    assert _leaks(azure, tmp_path, [value], arguments) == []
    assert on_nodes
    assert [name for name, content in on_nodes.items() if value.encode() in content] == []


def _files_of_nodes(azure: LocalAzure) -> Iterator[Path]:
    """What lies on the nodes, and what the service has written down, but for blobs."""
    root = Path(azure.endpoints.root)
    return (path for path in root.rglob("*") if path.is_file() and path.relative_to(root).parts[0] != "blobs")


# Reads blocks from its standard input, saves them, and runs a map with each, all at once, for they wait long for those
# who do not answer; what goes wrong is shown in full.
NOISY = """
import json, sys, traceback
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from prefect import flow
from prefect_azure_batch import AzureBatchAccount, MapParameters, map_flow

@flow
def noisy():
    blocks, asked = json.load(sys.stdin)

    def work(name):
        try:
            map_flow(MapParameters(account=name, **asked))
        except Exception:
            traceback.print_exc()
            sys.stdout.write(f"ended {name}\\n")

    for name, block in blocks.items():
        AzureBatchAccount.model_validate(block).save(name)
    with ThreadPoolExecutor(len(blocks)) as threads:
        for name in blocks:
            threads.submit(copy_context().run, work, name)

noisy()
"""


def test_no_secret_of_a_credential_is_left_by_runs_that_fail(
    azure: LocalAzure, prefect_home: Callable[[], Path], two_files: Path, tmp_path: Path
) -> None:
    prefect_home().rename(tmp_path / "prefect")
    found = azure.endpoints
    expiry = datetime.now(UTC) + timedelta(hours=3)
    sas = generate_account_sas(
        found.storage_account,
        found.storage_key,
        ResourceTypes(service=True, container=True, object=True),
        AccountSasPermissions(read=True, write=True, delete=True, list=True, add=True, create=True),
        expiry,
    )
    forged = sas[:-12] + "AAAAAAAAA%3D"
    closed = f"http://127.0.0.1:1/{found.storage_account}"
    string = f"BlobEndpoint={found.blob_endpoint};SharedAccessSignature={forged}"
    key = {"kind": "shared_key", "account_name": found.batch_account, "account_key": found.batch_key}
    stores: dict[str, dict[str, object]] = {
        "tasks-fail": {"account_url": found.blob_endpoint, "credential": {"kind": "sas", "sas_token": sas}},
        "away": {"account_url": closed, "credential": {"kind": "sas", "sas_token": sas}},
        "forged": {"credential": {"kind": "connection_string", "connection_string": string}},
    }
    blocks = {
        name: {"endpoint": found.batch_endpoint, "credential": key, "storage": storage}
        for name, storage in stores.items()
    }
    client_secret, other_secret = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    principal = {
        "kind": "service_principal", "tenant_id": str(uuid.uuid4()), "client_id": str(uuid.uuid4()),
        "client_secret": client_secret,
    }  # fmt: skip
    # Tokens are asked for before anything else, and nobody is there to give one.
    nobody = {"endpoint": CLOSED, "storage": {"account_url": CLOSED, "credential": principal}}
    blocks["principal-of-batch"] = blocks["tasks-fail"] | {"endpoint": CLOSED, "credential": principal}
    blocks["principal-of-storage"] = nobody | {"credential": principal}
    blocks["default"] = nobody | {"credential": {"kind": "default"}}
    asked = {"inputs": [str(two_files)], "command": "env; exit 3", "hours": 0.5, "results": str(tmp_path / "out")}
    (tmp_path / "tmp").mkdir()
    variables = environment(
        PREFECT_HOME=str(tmp_path / "prefect"),
        PREFECT_LOGGING_LEVEL="DEBUG",
        PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL="DEBUG",
        TMPDIR=str(tmp_path / "tmp"),
        AZURE_AUTHORITY_HOST=CLOSED,
        AZURE_TENANT_ID=principal["tenant_id"],
        AZURE_CLIENT_ID=principal["client_id"],
        AZURE_CLIENT_SECRET=other_secret,
    )
    with (tmp_path / "printed").open("w") as printed:
        subprocess.run(
            [sys.executable, "-c", NOISY],
            input=json.dumps([blocks, asked]), env=variables, stdout=printed, stderr=printed, text=True, check=True,
            timeout=LIMIT,
        )  # fmt: skip
    said = (tmp_path / "printed").read_text()
    assert [name for name in blocks if f"ended {name}" not in said] == []
    signatures = [sas.rpartition("sig=")[2], forged.rpartition("sig=")[2]]
    known = [found.batch_key, found.storage_key, client_secret, other_secret, *signatures]
    assert _leaks(azure, tmp_path, known) == []


def _leaks(azure: LocalAzure, directory: Path, known: Sequence[str], arguments: bytes = b"") -> list[str]:
    """Where a secret or a signature stands: files below a directory, what runs have stored, arguments."""
    blobs = local_account(azure).storage.get_client().get_container_client(WORK_CONTAINER)
    stored = b"".join(blobs.download_blob(blob.name).readall() for blob in blobs.list_blobs())
    places = {"arguments": arguments, "stored": stored} | {
        str(path): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }
    assert len(places) > 6
    words = [form.encode() for secret in known for form in {secret, unquote(secret), quote(secret, safe="")}]
    return [name for name, data in places.items() if SIGNATURE.search(data) or any(word in data for word in words)]


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
