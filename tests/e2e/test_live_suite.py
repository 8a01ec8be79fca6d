"""The variables of a real account are followed: here they name a local one, which the tests do not know for one."""

import os
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from azure.batch import BatchClient
from azure.core.credentials import AzureNamedKeyCredential

from localbatch.launcher import LocalAzure
from tests.conftest import ROOT
from tests.support.live import PREFIX
from tests.support.processes import wait_until

LIMIT = 240
TESTS = (
    "tests/live/test_maps.py::test_a_task_that_fails_is_told_with_its_exit_code_its_node_and_its_standard_error",
    "tests/live/test_pools.py::test_upkeep_finds_what_a_dead_run_has_left_and_nothing_else",
)


def start(*arguments: str, **variables: str) -> "subprocess.Popen[str]":
    """Starts pytest as a person would who has set the variables."""
    ours = ("PREFECT_", "LOCALBATCH_", "PYTEST_", PREFIX)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return subprocess.Popen(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        cwd=ROOT,
        env=environment | {PREFIX + name.upper(): value for name, value in variables.items()},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_the_live_tests_run_on_the_account_that_the_variables_name_and_leave_nothing_there(
    local_azure: LocalAzure, prefect_home: Callable[[], Path]
) -> None:
    prefect_home()  # is there, so that the tests that are started here need not make one

    found, name = local_azure.endpoints, f"live{uuid.uuid4().hex[:16]}"
    variables = {
        "endpoint": found.batch_endpoint,
        "account": name,
        "key": found.batch_key,
        "storage_url": found.blob_endpoint,
        "storage_key": found.storage_key,
    }
    with (
        BatchClient(found.batch_endpoint, AzureNamedKeyCredential(name, found.batch_key)) as client,
        start("-n", "0", "--verbose", *TESTS, **variables) as tests,
    ):
        pools = set[str | None]()

        def seen() -> bool:
            pools.update(pool.id for pool in client.list_pools())
            return bool(pools) or tests.poll() is not None

        wait_until(seen, LIMIT)
        printed = tests.communicate(timeout=LIMIT)[0]
        assert tests.returncode == 0, printed
        assert f"live: {found.batch_endpoint}" in printed
        assert "2 passed" in printed
        assert found.batch_key not in printed
        assert [pool for pool in pools if pool and pool.startswith("live-")]
        assert {pool.state for pool in client.list_pools()} <= {"deleting"}
        assert {job.state for job in client.list_jobs()} <= {"deleting"}


def test_several_processes_are_refused_for_what_costs_money() -> None:
    with start("-n", "2", *TESTS, endpoint="http://127.0.0.1:1", storage_url="http://127.0.0.1:1/x") as tests:
        printed = tests.communicate(timeout=LIMIT)[0]
    assert tests.returncode == pytest.ExitCode.USAGE_ERROR
    assert "run `pytest -n 0 tests/live`" in printed
