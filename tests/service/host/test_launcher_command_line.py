"""``python -m localbatch``: its options, its ready line, its end."""

import base64
import contextlib
import json
import os
import signal
import ssl
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import BlobServiceClient, LinearRetry

from localbatch.__main__ import main
from tests.support.certificates import write_certificate
from tests.support.processes import Process, descendants, wait_until

FIELDS = [
    *("batch_endpoint", "batch_account", "batch_key", "blob_endpoint", "storage_account"),
    *("storage_key", "storage_connection_string", "root", "pid"),
]


@contextlib.contextmanager
def serving(*options: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """Runs the service with options, and hands out its process and its ready line."""
    process = subprocess.Popen(
        [sys.executable, "-m", "localbatch", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield process, json.loads(process.stdout.readline())
    finally:
        process.terminate()
        process.communicate(timeout=30)


def refuse(*options: str) -> tuple[int, str, str]:
    done = subprocess.run([sys.executable, "-m", "localbatch", *options], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def refuse_here(capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, str, str]:
    """The same for what the command line alone is refused for, without a process of its own."""
    with pytest.raises(SystemExit) as ended:
        main(options)
    said = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, said.out, said.err


def answer_status(url: str | urllib.request.Request, context: ssl.SSLContext | None = None) -> int:
    try:
        with urllib.request.urlopen(url, context=context) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


@pytest.mark.parametrize(
    ("redirection", "status", "reason"),
    [(">&-", 2, "standard output, which says how"), ("> /dev/full", 1, "cannot be told (No space left on device)")],
)
def test_without_a_standard_output_it_stops_and_says_so(redirection: str, status: int, reason: str) -> None:
    line = f'exec "$0" -m localbatch --no-storage {redirection}'
    done = subprocess.run(["/bin/sh", "-c", line, sys.executable], capture_output=True, text=True, timeout=60)
    assert done.returncode == status
    assert reason in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--host", "0.0.0.0"], "not a loopback address"),
        (["--host", "example.org"], "not an IP address"),
        (["--port", "65536"], "not a port"),
        (["--account", "Not A Name"], "not an account name"),
        (["--key", "secret value"], "not base64"),
        (["--key", ""], "not base64"),
        (["--key", "secret value ü"], "not base64"),
        (["--allocation-seconds", "-1"], "not a number of seconds"),
        (["--start-seconds", "nan"], "not a number of seconds"),
        (["--autoscale-seconds", "0"], "0 does not lie between 0.05 seconds and 168 hours"),
        (["--autoscale-seconds", "1e9"], "does not lie between"),
        (["--driver", "docker"], "invalid choice"),
        (["--certfile", "/nowhere"], "there is no file"),
        (["--certfile", __file__], "go together"),
        (["--unknown"], "unrecognized arguments"),
    ],
)
def test_a_bad_option_is_one_line_and_status_2(
    options: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, output, errors = refuse_here(capsys, *options)
    assert (status, output) == (2, "")
    assert reason in errors
    assert len(errors.splitlines()) == 1
    assert "secret value" not in errors


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--key", "secret value"], "not base64"),
        (["--certfile", __file__, "--keyfile", __file__], "not a certificate and its key"),
        (["--root", "/proc/none"], "cannot make the root directory"),
    ],
)
def test_so_is_one_of_a_process(options: list[str], reason: str) -> None:
    status, output, errors = refuse(*options)
    assert (status, output) == (2, "")
    assert reason in errors
    assert len(errors.splitlines()) == 1
    assert "secret value" not in errors


def test_a_taken_port_is_one_line_and_status_2() -> None:
    with serving("--no-storage") as (_, ready):
        port = ready["batch_endpoint"].rsplit(":", 1)[1]
        status, _, errors = refuse("--no-storage", "--port", port)
    assert status == 2
    assert errors == f"localbatch: error: cannot listen on 127.0.0.1 port {port}: Address already in use\n"


def test_the_ready_line_holds_what_clients_need() -> None:
    with serving() as (process, ready):
        assert list(ready) == FIELDS
        assert ready["pid"] == process.pid
        assert len(base64.b64decode(ready["batch_key"])) == 64
        assert ready["storage_connection_string"].startswith("DefaultEndpointsProtocol=http;AccountName=")


def test_without_storage_the_blob_fields_are_null_and_azurite_is_not_started() -> None:
    with serving("--no-storage") as (process, ready):
        storage = [name for name in FIELDS if name.startswith(("blob", "storage"))]
        assert [ready[name] for name in storage] == [None] * 4
        assert not [p for p in descendants(process.pid) if b"serve.cjs" in Path(f"/proc/{p.pid}/cmdline").read_bytes()]


def test_account_and_key_are_taken_from_the_options() -> None:
    key = base64.b64encode(b"a key of my own").decode()
    with serving("--no-storage", "--account", "myaccount", "--key", key) as (_, ready):
        assert (ready["batch_account"], ready["batch_key"]) == ("myaccount", key)


def test_given_account_and_key_replace_what_the_root_remembers(tmp_path: Path) -> None:
    with serving("--no-storage", "--root", str(tmp_path)) as (_, first):
        pass
    with serving("--no-storage", "--root", str(tmp_path), "--account", "other") as (_, second):
        assert (second["batch_account"], second["batch_key"]) == ("other", first["batch_key"])
    with serving("--no-storage", "--root", str(tmp_path)) as (_, third):
        assert third["batch_account"] == "other"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.8.7", "::1", "localhost"])
def test_every_loopback_address_may_be_listened_on(host: str) -> None:
    with serving("--no-storage", "--host", host) as (_, ready):
        assert answer_status(f"{ready['batch_endpoint']}/pools") in (401, 403)


def test_it_may_be_called_by_a_further_name() -> None:
    with serving("--no-storage", "--host-name", "Batch.Example.Test") as (_, ready):
        for host, statuses in (("batch.example.test", (401, 403)), ("other.example.test", (400,))):
            request = urllib.request.Request(f"{ready['batch_endpoint']}/pools", headers={"Host": host})
            assert answer_status(request) in statuses


def test_other_machines_may_call_only_if_that_is_asked_for_and_it_is_said_loudly() -> None:
    with serving("--no-storage", "--host", "0.0.0.0", "--allow-remote") as (process, ready):
        assert ready["batch_endpoint"].startswith("http://127.0.0.1:")
        assert answer_status(f"{ready['batch_endpoint']}/pools") in (401, 403)
        process.terminate()
        _, errors = process.communicate(timeout=30)
        assert "WARNING: --allow-remote" in errors


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_everything_with_status_0(number: signal.Signals) -> None:
    with serving() as (process, ready):
        processes = descendants(process.pid)
        process.send_signal(number)
        _, errors = process.communicate(timeout=30)
        assert process.returncode == 0, errors
        assert not any(found.alive() for found in processes)
        assert not Path(ready["root"]).exists()


@pytest.mark.parametrize("children", [0, 1, 2])
def test_a_signal_before_it_is_ready_leaves_nothing(tmp_path: Path, children: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "localbatch"],
        env=os.environ | {"TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: list(tmp_path.iterdir()) != [] and len(descendants(process.pid)) >= children, 30)
    processes = descendants(process.pid)
    process.terminate()
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    assert not any(found.alive() for found in processes)
    assert list(tmp_path.iterdir()) == []


def test_a_given_root_is_kept_and_its_secrets_are_the_owners_alone(tmp_path: Path) -> None:
    with serving("--root", str(tmp_path)) as (_, ready):
        assert json.loads((tmp_path / "connection.json").read_text()) == ready
        for name in ("connection.json", "identity.json"):
            assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    assert (tmp_path / "identity.json").exists()
    assert not (tmp_path / "connection.json").exists()


def test_a_damaged_identity_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "identity.json").write_text('{"key": "secret')
    status, _, errors = refuse("--no-storage", "--root", str(tmp_path))
    assert status == 2
    assert "is damaged" in errors
    assert "secret" not in errors


def test_no_key_reaches_the_log(tmp_path: Path) -> None:
    with serving("--root", str(tmp_path)) as (process, ready):
        answer_status(f"{ready['batch_endpoint']}/pools?api-version=2025-06-01")
        process.terminate()
        _, errors = process.communicate(timeout=30)
    assert ready["batch_endpoint"] in errors
    assert ready["batch_key"] not in errors
    assert ready["storage_key"] not in errors


def azurite_of(service: "subprocess.Popen[str]") -> Process:
    (found,) = (
        each for each in descendants(service.pid) if b"serve.cjs" in Path(f"/proc/{each.pid}/cmdline").read_bytes()
    )
    return found


def test_it_ends_with_status_1_when_azurite_ends() -> None:
    with serving() as (process, _):
        os.kill(azurite_of(process).pid, signal.SIGKILL)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "Azurite ended" in errors


def test_azurite_that_ends_is_started_again_with_its_blobs_where_there_is_a_root(tmp_path: Path) -> None:
    soon = LinearRetry(backoff=1, retry_total=30)  # the SDK's own waits for a quarter of a minute
    with serving("--root", str(tmp_path / "root")) as (service, ready):
        string = ready["storage_connection_string"]
        with BlobServiceClient.from_connection_string(string, retry_policy=soon) as blobs:
            blobs.create_container("box").upload_blob("a", b"alpha")
            azurite = azurite_of(service)
            time.sleep(3.5)  # it is saved, and has lived long enough
            os.kill(azurite.pid, signal.SIGKILL)
            wait_until(lambda: not azurite.alive(), 10)
            assert blobs.get_blob_client("box", "a").download_blob().readall() == b"alpha"
        assert service.poll() is None


def test_azurite_ends_when_the_service_is_killed(tmp_path: Path) -> None:
    with serving("--root", str(tmp_path)) as (process, _):
        processes = descendants(process.pid)
        process.kill()
        wait_until(lambda: not any(found.alive() for found in processes), 10)


def test_a_long_request_line_is_answered() -> None:
    with serving("--no-storage") as (_, ready):
        assert answer_status(f"{ready['batch_endpoint']}/pools?$filter={'x' * 100_000}") in (401, 403)


def test_tls_is_spoken_with_a_certificate(tmp_path: Path) -> None:
    certificate, key = write_certificate(tmp_path)
    with serving("--no-storage", "--certfile", str(certificate), "--keyfile", str(key)) as (_, ready):
        assert ready["batch_endpoint"].startswith("https://127.0.0.1:")
        context = ssl.create_default_context(cafile=str(certificate))
        assert answer_status(f"{ready['batch_endpoint']}/pools", context) in (401, 403)
