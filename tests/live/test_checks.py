"""What is looked at before a run, on a real account or on a local one."""

from prefect_azure_batch.flows.check_flow import CHECKS, check_flow
from prefect_azure_batch.flows.check_parameters import CheckParameters
from prefect_azure_batch.flows.check_result import CheckResult
from tests.live.conftest import BLOCK, RunMap, World


def test_the_check_of_the_account_finds_nothing_amiss(world: World) -> None:
    result = check_flow(CheckParameters(account=BLOCK, no_run=True))
    assert isinstance(result, CheckResult)
    assert world.account.account_name in "".join(result.text())
    assert [found.name for found in result.findings][: len(CHECKS)] == [check.name for check in CHECKS]
    assert result.failed == []


def test_a_plan_refuses_nothing_and_makes_nothing(world: World, run: RunMap) -> None:
    plan = run(command="cat {input}", plan=True, nodes=1, spot=1).plan
    assert plan is not None
    assert plan.refusals == []
    (pool,) = (call.body for call in plan.calls if call.path == "/pools" and call.body)
    assert "$TargetLowPriorityNodes = 1" in str(pool["autoScaleFormula"])
    assert world.made_for(str(pool["id"])) == []
