"""In what order checks are made, what is left out, and what a wrong clock is."""

from datetime import timedelta

import pytest

from prefect_azure_batch.blocks.pool_description import PoolDescription
from prefect_azure_batch.flows.check_result import CheckResult, ChecksFailed
from prefect_azure_batch.tasks.check_subject import Subject
from prefect_azure_batch.tasks.checks import Check, CheckFinding, State, findings
from prefect_azure_batch.tasks.clock_check import complaint_about


def made(states: dict[str, State], *checks: tuple[str, tuple[str, ...]]) -> list[tuple[str, str, str]]:
    def look(subject: None) -> CheckFinding:
        raise AssertionError("the checks are made by the function below")

    found = findings(
        [Check(name, look, needs) for name, needs in checks],
        lambda check: CheckFinding(check.name, states.get(check.name, "ok"), "seen"),
    )
    return [(each.name, each.state, each.seen) for each in found]


def test_what_needs_a_failed_check_is_left_out_and_so_is_what_needs_that() -> None:
    checks = (("a", ()), ("b", ("a",)), ("c", ("b",)), ("d", ()))
    assert made({"a": "failed"}, *checks) == [
        ("a", "failed", "seen"),
        ("b", "skipped", "not looked at: it needs a"),
        ("c", "skipped", "not looked at: it needs b"),
        ("d", "ok", "seen"),
    ]


def test_what_needs_a_check_that_had_nothing_to_look_at_is_made() -> None:
    assert made({"a": "skipped"}, ("a", ()), ("b", ("a",))) == [("a", "skipped", "seen"), ("b", "ok", "seen")]


@pytest.mark.parametrize(
    ("minutes", "complaint"),
    [
        ((0, 14.9), None),
        ((0, 15), "This machine's clock is within 5 s of Batch, 900 s behind Storage."),
        ((-20, -20), "This machine's clock is 1200 s ahead of Batch, 1200 s ahead of Storage."),
    ],
)
def test_a_clock_is_wrong_by_what_azure_does_not_take(minutes: tuple[float, float], complaint: str | None) -> None:
    skews = {name: timedelta(minutes=each) for name, each in zip(("Batch", "Storage"), minutes, strict=True)}
    assert complaint_about(skews) == complaint


@pytest.mark.parametrize(
    ("said", "nodes", "spot"),
    [
        ({}, 1, 0),
        ({"nodes": 40, "spot_nodes": 10, "vm_size": "standard_d4s_v5"}, 1, 0),
        ({"spot_nodes": 20, "autoscale": {"scenario": "spot-first"}}, 0, 1),
    ],
)
def test_a_pool_is_tried_with_one_node_and_made_without_any(said: dict[str, object], nodes: int, spot: int) -> None:
    pool = PoolDescription.model_validate({**said, "start_task": {"command": "true"}})
    subject = Subject(None, "check-1", pool)  # type: ignore[arg-type]
    one, none = subject.one_node, subject.no_node
    assert (one.dedicated_nodes, one.spot_nodes, one.autoscale) == (nodes, spot, None)
    assert (one.start_task, one.vm_size) == (pool.start_task, pool.vm_size)
    assert none.start_task is None
    assert none.autoscale is not None
    assert none.autoscale.formula == "$TargetDedicatedNodes = 0; $TargetLowPriorityNodes = 0;"


def test_text_is_aligned_with_what_to_do_below() -> None:
    result = CheckResult(
        account="lab",
        storage_account="labdata",
        findings=[
            CheckFinding("clock", "ok", "fine"),
            CheckFinding("batch", "failed", "Could not.", "Do this.", "az login"),
            CheckFinding("delegation", "skipped", "not needed"),
        ],
    )
    assert list(result.text()) == [
        "Batch account lab, storage account labdata",
        "ok       clock       fine",
        "FAILED   batch       Could not.",
        "skipped  delegation  not needed",
        "",
        "batch: Do this.",
        "    az login",
        "",
        "1 ok, 1 failed, 1 skipped",
    ]
    assert str(ChecksFailed(result)) == "the account lab cannot be used as it is: batch failed."
