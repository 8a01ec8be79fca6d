"""What becomes of a flow whose next step needs the outputs of tasks that have ended."""

import pytest

from prefect_azure_batch.tasks.errors import StepFailed
from prefect_azure_batch.tasks.records import EndedTask, TaskEnd
from prefect_azure_batch.tasks.wait import require_success


def ended(label: str, failure: str | None) -> EndedTask:
    end = TaskEnd(failure is None, None if failure else 0, failure or "", "node", None, None)
    return EndedTask(0, label, f"task-{label}", "folder", end)


def test_a_flow_goes_on_after_tasks_that_succeeded() -> None:
    require_success([ended("a", None), ended("b", None)])
    require_success([])


def test_failed_tasks_are_named_with_their_reasons_and_the_rest_counted() -> None:
    tasks = [ended("fine", None), *(ended(name, f"{name} broke") for name in "abcde")]
    with pytest.raises(StepFailed) as caught:
        require_success(tasks)
    said = str(caught.value)
    assert "5 tasks failed" in said
    for part in ("a (a broke)", "b (b broke)", "c (c broke)", "and 2 more"):
        assert part in said
    assert "fine" not in said
