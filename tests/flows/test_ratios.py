"""What a run costs for each input, as far as that does not depend on the machine: a guard against growth unseen.

Each bound lies a little above what was measured, which stands beside it with the program that measures it. Who needs
more raises a bound and says in the change what for.
"""

import json
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import httpx
import pytest

from benchmarks.counting import Requests, counted
from benchmarks.simulated_map import make_files
from localbatch.launcher import CONNECTION_VARIABLE, LocalAzure
from prefect_azure_batch.tasks.manifest import Manifest
from prefect_azure_batch.tasks.records import TaskPlan
from prefect_azure_batch.tasks.submit import task_namer
from prefect_azure_batch.tasks.sweeps import sweep
from tests.support.processes import wait_until

INPUTS = 300
LAST_STAGE = "Write report"


@dataclass(frozen=True)
class Costs:
    """What a run over so many inputs has cost."""

    batch: Requests
    blob: Requests
    task_runs: int


@pytest.fixture(scope="module")
def costs(prefect_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Costs]:
    """Of one run on simulated nodes, whose own requests do not count."""
    folder = tmp_path_factory.mktemp("ratios")
    make_files(folder / "inputs", INPUTS)
    # In a process of its own, which has told Prefect all when it ends.
    asked = [sys.executable, "-m", "flows.map_flow", "--inputs", str(folder / "inputs"), "--command", "true"]
    asked += ["--nodes", "50", "--slots", "8", "--results", str(folder / "results"), "--json"]
    with ExitStack() as stack:
        azure = stack.enter_context(LocalAzure(driver="simulated", attach=False))
        endpoints, batch, blob = stack.enter_context(counted(azure.endpoints))
        (folder / "azure.json").write_text(endpoints.to_line())
        variables = os.environ | {CONNECTION_VARIABLE: str(folder / "azure.json"), "PREFECT_API_URL": prefect_server}
        done = subprocess.run(asked, env=variables, capture_output=True, text=True, check=True)
        result = json.loads(done.stdout)
        assert result["counts"]["succeeded"] == INPUTS
        yield Costs(batch, blob, task_runs_of(prefect_server, result["run_id"].removeprefix("map-")))


def task_runs_of(server: str, flow_run_id: str) -> int:
    """How many there are, once the last has been recorded."""
    mine = {"flow_runs": {"id": {"any_": [flow_run_id]}}}

    def count(**asked: object) -> int:
        answer = httpx.post(f"{server}/task_runs/count", json={**mine, **asked}, trust_env=False)
        return int(answer.raise_for_status().json())

    wait_until(lambda: count(task_runs={"name": {"like_": LAST_STAGE}}) > 0, 60)
    return count()


def test_batch_is_asked_little_for_each_task(costs: Costs) -> None:
    changes = costs.batch.total() - costs.batch["GET"]
    assert changes / INPUTS <= 0.08  # 0.05: simulated_map --files --inputs 300
    assert costs.batch["GET"] / INPUTS <= 0.5  # 0.21 where the machine was busy: looks are made at intervals


def test_storage_is_asked_little_for_each_input(costs: Costs) -> None:
    own = costs.blob.total() - sum(number for kind, number in costs.blob.items() if kind.endswith("by nodes"))
    assert own / INPUTS <= 2.4  # 2.19: its file, its log; simulated_map --files --inputs 300


def test_little_is_sent_for_each_input(costs: Costs) -> None:
    assert costs.batch.sent / INPUTS <= 1750  # 1,575 bytes: the task with its links
    assert costs.blob.sent / INPUTS <= 1050  # 967 bytes: inputs of 60, manifest, ledger, index, report


def test_prefect_has_few_task_runs_for_each_input(costs: Costs) -> None:
    assert costs.task_runs / INPUTS <= 0.2  # 0.16: prefect_share --inputs 300


def peak_of_manifest(inputs: int) -> int:
    """Bytes that Python takes at most while so many inputs are found and named."""
    plan = TaskPlan("true")
    tracemalloc.start()
    try:
        manifest = Manifest.of_inputs(sweep([f"seed=1..{inputs}"], None))
        manifest.name_tasks(task_namer(None, plan))
        assert manifest.count() == inputs
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_inputs() -> None:
    peak_of_manifest(100)  # what is made once
    few, many = peak_of_manifest(2000), peak_of_manifest(6000)
    assert (many - few) / 4000 <= 50  # 1 byte: they lie in a file


# What is imported before bad arguments are told, and before a flow begins.
@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("prefect_azure_batch.flows.main", {"prefect", "httpx", "rich", "fastapi", "azure.batch", "azure.mgmt.batch"}),
        ("prefect_azure_batch.flows.map_flow", {"prefect.server", "azure.mgmt.batch", "azure.identity", "docker"}),
    ],
)
def test_what_a_run_does_not_need_is_not_imported(module: str, unwanted: set[str]) -> None:
    code = f"import sys, prefect_azure_batch.flows.entries, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert unwanted.isdisjoint(done.stdout.split())
