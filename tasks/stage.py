"""How a stage's function becomes a Prefect task."""

from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar

from prefect import Task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.runtime import task_run

from tasks.errors import BatchFlowError

_Params = ParamSpec("_Params")
_Result = TypeVar("_Result")

_RETRIES = 2
_RETRY_DELAYS = [2.0, 10.0]


def stage(function: Callable[_Params, _Result], *, name: str, over: str | None = None) -> Task[_Params, _Result]:
    """A Prefect task that runs a stage's function.

    It has no cache and stores no result: what a stage does lies in Azure, not in its return value. It is repeated only
    after errors that say that trying again can help.

    Args:
        function: the stage.
        name: what the Prefect UI shows.
        over: name of the parameter that holds the inputs, which then stand in the names of the task runs.
    """
    return Task(
        function,
        name=name,
        description=(function.__doc__ or "").strip().partition("\n")[0],
        task_run_name=_run_name(name, over) if over else None,
        cache_policy=NO_CACHE,
        persist_result=False,
        retries=_RETRIES,
        retry_delay_seconds=_RETRY_DELAYS,
        retry_condition_fn=_can_help,
    )


def _run_name(name: str, over: str) -> Callable[[], str]:
    def run_name() -> str:
        parameters: dict[str, Any] = task_run.parameters
        return f"{name}: {_describe(parameters.get(over) or [])}"

    return run_name


def _describe(items: Sequence[Any]) -> str:
    if not items:
        return "none"
    if len(items) == 1:
        return str(items[0].label)
    return f"{items[0].index + 1} to {items[-1].index + 1}"


def _can_help(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    error = state.result(raise_on_failure=False)
    return isinstance(error, BatchFlowError) and error.retryable
