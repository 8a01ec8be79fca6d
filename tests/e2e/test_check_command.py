"""``python -m flows.check_flow``, as a user runs it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from localbatch.launcher import LocalAzure
from prefect_azure_batch.flows.account import local_account
from tests.e2e.conftest import LIMIT, environment, run_flow
from tests.flows.test_check import left_by_checks
from tests.support.processes import wait_until


def test_all_is_well_gives_status_0_and_one_json_document(azure: LocalAzure, prefect_server: str) -> None:
    connection = os.environ["LOCALBATCH_CONNECTION"]
    done = run_flow(
        "check_flow", "--no-run", "--json", PREFECT_API_URL=prefect_server, LOCALBATCH_CONNECTION=connection
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["account"], result["storage_account"]) == ("localbatch", "localstorage")
    assert {found["state"] for found in result["findings"]} == {"ok", "skipped"}
    assert set(result["findings"][0]) == {"name", "state", "seen", "advice", "command"}


def test_what_does_not_work_gives_status_1_a_line_and_advice(prefect_server: str, tmp_path: Path) -> None:
    with LocalAzure(options=("--dedicated-core-quota=0",), attach=False) as azure:
        connection = tmp_path / "azure.json"
        connection.write_text(azure.endpoints.to_line())
        done = run_flow("check_flow", PREFECT_API_URL=prefect_server, LOCALBATCH_CONNECTION=str(connection))
        assert left_by_checks(local_account(azure)) == []
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    (failed,) = (line for line in lines if line.startswith("FAILED"))
    assert failed.split()[1] == "run"
    assert "AccountCoreQuotaReached" in failed
    advice = next(number for number, line in enumerate(lines) if line.startswith("run: Ask for more cores"))
    assert lines[advice + 1].startswith("    az batch account show --name localbatch ")
    assert lines[-1] == "9 ok, 1 failed, 3 skipped"
    assert done.stderr.splitlines()[-1].startswith("check_flow: the account localbatch cannot be used as it is: run ")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--account", "nobody"], "no Azure Batch account block named 'nobody'"),
        (["--minutes", "0"], "--minutes: Input should be greater than or equal to 1"),
        (["--vm-size", "large one"], "--vm-size: 'large one' is no VM size"),
        (["--pool-file", "existing"], "leave the key existing out"),
    ],
)
def test_bad_arguments_give_status_2_and_one_line(
    arguments: list[str], complaint: str, prefect_server: str, tmp_path: Path
) -> None:
    (tmp_path / "existing").write_text("existing: mine\n")
    given = [str(tmp_path / word) if word == "existing" else word for word in arguments]
    done = run_flow("check_flow", *given, PREFECT_API_URL=prefect_server)
    assert (done.returncode, done.stdout) == (2, "")
    assert complaint in done.stderr.splitlines()[-1]


def test_a_check_that_is_interrupted_leaves_nothing(azure: LocalAzure, prefect_server: str, tmp_path: Path) -> None:
    began, pool = tmp_path / "began", tmp_path / "pool.yaml"
    pool.write_text(f"start_task:\n  command: touch {began}; sleep 600\n")
    command = [sys.executable, "-m", "flows.check_flow", "--pool-file", str(pool)]
    variables = environment(PREFECT_API_URL=prefect_server, LOCALBATCH_CONNECTION=os.environ["LOCALBATCH_CONNECTION"])
    process = subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        wait_until(began.exists, 120)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=LIMIT)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "no pool or job of the run is left" in told
    assert left_by_checks(local_account(azure)) == []
