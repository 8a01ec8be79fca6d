"""What runs cost on a local Azure, by a table of prices of one's own."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.blocks.pool_description import PoolDescription
from prefect_azure_batch.flows.map_flow import map_flow
from prefect_azure_batch.flows.map_parameters import MapParameters
from prefect_azure_batch.flows.mpi_flow import mpi_flow
from prefect_azure_batch.flows.mpi_parameters import MpiParameters
from prefect_azure_batch.flows.results import MapResult, TasksFailed
from prefect_azure_batch.tasks.cleanup import delete_created
from prefect_azure_batch.tasks.errors import BadInput
from prefect_azure_batch.tasks.pool import create_pool
from prefect_azure_batch.tasks.prices import PRICES_VARIABLE
from prefect_azure_batch.tasks.records import Created, PoolPlan
from tests.flows.conftest import left_behind

# A dollar a second, and ten cents as a spot VM.
TABLE = "region,vm_size,dedicated,spot,priced_on\nhere,standard_d2s_v3,3600,360,2026-01-31\n"

Run = Callable[..., MapResult]


@pytest.fixture(autouse=True)
def prices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The table that runs read."""
    table = tmp_path / "prices.csv"
    table.write_text(TABLE)
    monkeypatch.setenv(PRICES_VARIABLE, str(table))
    return table


@pytest.fixture
def run(account_name: str | None, two_files: Path, tmp_path: Path) -> Run:
    def run(**parameters: object) -> MapResult:
        given = {"account": account_name, "inputs": [str(two_files)], "resume": False, "results": str(tmp_path / "out")}
        return map_flow(MapParameters.model_validate(given | parameters))

    return run


def test_a_run_tells_what_its_nodes_have_cost_and_how_much_of_them_was_idle(run: Run) -> None:
    result = run(command="sleep 3; cat {input}", region="here", nodes=1, spot=1, slots=2, required_slots=1)
    cost = result.cost
    assert cost.node_hours is not None
    assert cost.spot_node_hours is not None
    assert cost.node_hours * 3600 >= 2
    assert cost.price == pytest.approx(cost.node_hours * 3600 + cost.spot_node_hours * 360)
    taken = sum((task.ended - task.started).total_seconds() for task in result.tasks if task.ended and task.started)
    assert cost.task_node_hours == pytest.approx(taken / 2 / 3600)
    assert cost.task_node_hours <= cost.node_hours + cost.spot_node_hours
    assert cost.idle_share == pytest.approx(1 - cost.task_node_hours / (cost.node_hours + cost.spot_node_hours))
    assert any(line.startswith("Cost: USD ") for line in result.text())
    document = json.loads("".join(result.json_lines()))["cost"]
    assert (document["region"], document["currency"], document["vm_size"], document["priced_on"]) == (
        "here",
        "USD",
        "standard_d2s_v3",
        "2026-01-31",
    )
    assert document["price"] == pytest.approx(cost.price)


def test_the_table_of_results_in_prefect_tells_the_cost(run: Run) -> None:
    cost = run(command="cat {input}", region="here", nodes=1).cost
    with get_client(sync_client=True) as client:
        artifacts = client.read_artifacts(
            artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=["batch-map-results"])), limit=200
        )
    assert any(cost.lines()[0] in (artifact.description or "") for artifact in artifacts)


def test_without_a_region_node_hours_are_told(run: Run) -> None:
    cost = run(command="cat {input}", nodes=1).cost
    assert cost.price is None
    assert cost.node_hours
    assert cost.lines()[0].startswith("Nodes of standard_d2s_v3: ")


def test_a_run_that_would_cost_more_than_its_budget_is_ended_and_a_later_one_does_the_rest(
    account: AzureBatchAccount, account_name: str | None, run: Run, tmp_path: Path
) -> None:
    go_on = tmp_path / "go-on"
    asked = {
        "account": account_name,
        "sweep": ["n=1..8"],
        "command": f"test {{n}} = 1 || test -e {go_on} || sleep 600; echo {{n}}",
        "region": "here",
        "results": str(tmp_path / "out"),
        "work_container": "money-works",
        # As many nodes as tasks, of which the run could do with one: that for a minute is the least that it can cost.
        "new_pool": {"nodes": 8, "autoscale": {}},
    }
    with pytest.raises(TasksFailed) as ended:
        map_flow(MapParameters.model_validate({**asked, "budget": 61}))
    result, cost = ended.value.result, ended.value.result.cost
    assert (result.counts.succeeded, result.counts.failed) == (1, 7)
    assert "Its budget of USD 61.00 is spent" in str(ended.value)
    assert cost.over_budget
    assert cost.price is not None
    assert 61 <= cost.price < 240
    assert left_behind(account) == []
    go_on.touch()
    later = map_flow(MapParameters.model_validate(asked))
    assert (later.counts.skipped, later.counts.succeeded) == (1, 7)
    assert not later.cost.over_budget
    account.storage.get_client().delete_container("money-works")


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        ({"budget": 5}, "the account's address names no region: name one with --region"),
        ({"budget": 5, "region": "there"}, "the table has no price of standard_d2s_v3 in there"),
        (
            {"budget": 119, "region": "here"},
            "a minute of the nodes costs USD 120.00, more than USD 119.00",
        ),
    ],
)
def test_a_budget_that_cannot_be_kept_is_refused_before_anything_is_made(
    account: AzureBatchAccount, run: Run, asked: dict[str, object], complaint: str
) -> None:
    with pytest.raises(BadInput) as refused:
        run(command="cat {input}", **asked)
    assert complaint in str(refused.value)
    assert "--budget" in str(refused.value)
    assert "\n" not in str(refused.value)
    assert left_behind(account) == []


def test_a_pool_that_is_there_has_no_budget() -> None:
    with pytest.raises(ValueError, match="--budget: the VMs of the pool are paid with or without this run"):
        MapParameters(pool="shared", budget=5)


def test_on_a_pool_that_is_there_only_what_tasks_took_is_told(account: AzureBatchAccount, run: Run) -> None:
    create_pool(account, PoolPlan("paid-pool", PoolDescription(nodes=1, slots=4), run_id="paid"))
    result = run(pool="paid-pool", command="sleep 1; cat {input}", required_slots=2, region="here")
    taken = sum((task.ended - task.started).total_seconds() for task in result.tasks if task.ended and task.started)
    assert result.cost.task_node_hours == pytest.approx(taken * 2 / 4 / 3600)
    assert (result.cost.node_hours, result.cost.price, result.cost.idle_share) == (None, None, None)
    assert result.cost.lines()[0].endswith("of a pool that is there anyway")
    delete_created(account, Created(pool_id="paid-pool"))


def test_a_plan_tells_what_a_run_can_cost(account_name: str | None, two_files: Path) -> None:
    asked = {
        "account": account_name,
        "inputs": [str(two_files)],
        "command": f"cat {{input}} # {two_files}",
        "plan": True,
    }
    plan = map_flow(MapParameters.model_validate({**asked, "region": "here", "hours": 2, "budget": 5000})).plan
    assert plan is not None
    assert plan.cost is not None
    assert (plan.cost.least_price, plan.cost.most_price) == (120, 2 * 2 * 3600)
    (line,) = (line for line in plan.summary() if line.startswith("cost"))
    assert "USD 120.00 to USD 14,400.00" in line
    assert "ended when it has cost USD 5,000.00" in line


def test_an_mpi_run_pays_all_of_its_nodes(account_name: str | None, tmp_path: Path) -> None:
    asked = {"account": account_name, "region": "here", "results": str(tmp_path / "out")}
    asked["application_command"] = "sleep 2"
    result = mpi_flow(MpiParameters.model_validate(asked))
    (task,) = result.tasks
    assert task.ended
    assert task.started
    assert result.cost.task_node_hours == pytest.approx(3 * (task.ended - task.started).total_seconds() / 3600)
    assert result.cost.price == pytest.approx((result.cost.node_hours or 0) * 3600)
