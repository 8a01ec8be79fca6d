"""No secret is in anything that a noisy, failing run leaves behind."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from localbatch.launcher import LocalAzure
from prefect_azure_batch.blocks.containers import WORK_CONTAINER
from prefect_azure_batch.flows.account import local_account
from tests.e2e.conftest import environment
from tests.support.processes import descendants, wait_until

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
    account = local_account(azure)
    blobs = account.storage.get_client().get_container_client(WORK_CONTAINER)
    stored = b"".join(blobs.download_blob(blob.name).readall() for blob in blobs.list_blobs())
    places = {"arguments": arguments, "stored": stored} | {
        str(path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()
    }
    assert len(places) > 6
    found = azure.endpoints
    secrets = [found.batch_key.encode(), found.storage_key.encode()]
    leaks = [name for name, data in places.items() if SIGNATURE.search(data) or any(key in data for key in secrets)]
    assert leaks == []


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
