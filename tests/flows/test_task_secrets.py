"""Secrets of tasks: they come to the tasks, and are seen nowhere else."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from azure.core.exceptions import ResourceNotFoundError
from prefect.blocks.system import Secret

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.flows.map_flow import map_flow
from prefect_azure_batch.flows.map_parameters import MapParameters
from prefect_azure_batch.flows.mpi_flow import mpi_flow
from prefect_azure_batch.flows.mpi_parameters import MpiParameters
from prefect_azure_batch.flows.results import MapResult, TasksFailed
from prefect_azure_batch.flows.upkeep_flow import upkeep_flow
from prefect_azure_batch.flows.upkeep_parameters import UpkeepParameters
from prefect_azure_batch.tasks.errors import BadInput
from prefect_azure_batch.tasks.secrets import SECRETS_CONTAINER
from tests.flows.conftest import left_behind, wait_until_over
from tests.support.processes import wait_until

Run = Callable[..., MapResult]

VALUE = 'it\'s $(hidden) "here"\n  in lines\\ of its own\n'
"""What a shell would change that is not careful."""


@pytest.fixture
def run(account_name: str | None, two_files: Path, tmp_path: Path) -> Run:
    def run(**parameters: object) -> MapResult:
        Secret(value=VALUE).save("token-of-tasks", overwrite=True)
        given = {
            "account": account_name, "inputs": [str(two_files)], "resume": False, "results": str(tmp_path / "out"),
            "secret": ["TOKEN=prefect:token-of-tasks"],
        }  # fmt: skip
        return map_flow(MapParameters.model_validate(given | parameters))

    return run


def kept_secrets(account: AzureBatchAccount) -> list[str]:
    """Names of the blobs that hold secrets."""
    container = account.storage.get_client().get_container_client(SECRETS_CONTAINER)
    try:
        return [blob.name for blob in container.list_blobs()]
    except ResourceNotFoundError:
        return []


def test_a_task_has_the_secret_in_its_variable_and_nowhere_else(
    account: AzureBatchAccount, run: Run, tmp_path: Path
) -> None:
    client = account.get_client()

    def definitions() -> list[str]:
        jobs = [job for job in client.list_jobs() if (job.id or "").startswith("map-")]
        tasks = [task for job in jobs for task in client.list_tasks(job.id or "")]
        return [json.dumps(each.as_dict()) for each in [*jobs, *tasks]]

    def shown_meanwhile() -> list[str]:
        wait_until(lambda: len(definitions()) == 3, 60)
        return definitions()

    with ThreadPoolExecutor(1) as beside:
        result = beside.submit(shown_meanwhile)
        done = run(command='printf %s "$TOKEN"; ls -A . ..; sleep 3')
    for task in done.tasks:
        shown = Path(task.stdout or "").read_text()
        assert shown.startswith(VALUE)
        assert "secret" not in shown.removeprefix(VALUE)
    assert all("hidden" not in shown and "TOKEN" in shown for shown in result.result()[1:])
    assert (kept_secrets(account), left_behind(account)) == ([], [])


def test_what_a_failed_task_says_is_shown_without_the_secret(account: AzureBatchAccount, run: Run) -> None:
    with pytest.raises(TasksFailed) as failed:
        run(command='echo "before $TOKEN after" >&2; exit 3')
    told = str(failed.value) + "".join(failed.value.result.text()) + "".join(failed.value.result.json_lines())
    assert "hidden" not in told
    assert "of its own" not in told
    assert "before ***" in told
    assert kept_secrets(account) == []


def test_an_attempt_has_the_secret_again(run: Run, tmp_path: Path) -> None:
    has_it = f'test "${{{{#TOKEN}}}}" = {len(VALUE)} || exit 4'
    command = f"{has_it}; test -e {tmp_path}/{{stem}} || {{{{ touch {tmp_path}/{{stem}}; exit 3; }}}}"
    assert run(command=command, retries=1).counts.succeeded == 2
    for made in ("a", "b"):
        (tmp_path / made).unlink()
    assert run(command=command, retries=1, retry_on=[3]).counts.succeeded == 2


def test_another_value_is_the_same_work_and_another_variable_is_not(run: Run, tmp_path: Path) -> None:
    asked = {"command": f"echo {tmp_path}", "resume": True}
    assert run(**asked).counts.succeeded == 2
    Secret(value="another").save("other-token-of-tasks", overwrite=True)
    assert run(**asked, secret=["TOKEN=prefect:other-token-of-tasks"]).counts.skipped == 2
    assert run(**asked, secret=["OTHER=prefect:other-token-of-tasks"]).counts.succeeded == 2


@pytest.mark.parametrize("text", ["prefect:no-such-block", "prefect:with-a-nul"])
def test_a_secret_that_cannot_be_had_is_told_before_anything_is_created(
    account: AzureBatchAccount, run: Run, text: str
) -> None:
    Secret(value="a\0b").save("with-a-nul", overwrite=True)
    with pytest.raises(BadInput, match=r"^--secret: ") as refused:
        run(command="true", secret=[f"TOKEN={text}"])
    assert "\n" not in str(refused.value)
    assert left_behind(account) == []


def test_each_rank_of_an_mpi_program_has_the_secret(account_name: str | None, tmp_path: Path) -> None:
    Secret(value=VALUE).save("token-of-ranks", overwrite=True)
    asked = {
        "account": account_name, "command": 'printenv TOKEN', "nodes": 2, "results": str(tmp_path / "out"),
        "secret": ["TOKEN=prefect:token-of-ranks"],
    }  # fmt: skip
    result = mpi_flow(MpiParameters.model_validate(asked))
    assert Path(result.tasks[0].stdout or "").read_text().count("in lines\\ of its own") == 2


def test_what_a_killed_run_has_left_is_deleted_by_upkeep(
    account: AzureBatchAccount, account_name: str | None, prefect_server: str, two_files: Path, tmp_path: Path
) -> None:
    if account_name:
        pytest.skip("on a real account others may have left something")
    Secret(value=VALUE).save("token-of-killed", overwrite=True)
    command = ["--inputs", str(two_files), "--command", f"touch {tmp_path}/began; sleep 600"]
    command += ["--secret", "TOKEN=prefect:token-of-killed", "--results", str(tmp_path)]
    variables = os.environ | {"PREFECT_API_URL": prefect_server}
    process = subprocess.Popen([sys.executable, "-m", "flows.map_flow", *command], env=variables)
    try:
        wait_until((tmp_path / "began").exists, 60)
        assert len(kept_secrets(account)) == 1
        assert {item.state for item in upkeep_flow().leftovers if item.kind == "secret"} == {"needed"}
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    wait_until_over(account, "secret")
    assert {item.state for item in upkeep_flow().leftovers if item.kind == "secret"} == {"over"}
    upkeep_flow(UpkeepParameters(delete=True))
    assert (kept_secrets(account), left_behind(account)) == ([], [])
