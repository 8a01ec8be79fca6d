"""How a stage's function becomes a Prefect task."""

from collections.abc import Callable, Sequence
from functools import wraps
from inspect import Parameter, signature
from typing import Any, ParamSpec, TypeVar

from prefect import Task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.runtime import task_run
from prefect.tasks import MaterializingTask, TaskOptions

from prefect_azure_batch.tasks.errors import BatchFlowError

_Params = ParamSpec("_Params")
_Result = TypeVar("_Result")

_RETRIES = 2
_RETRY_DELAYS = [2.0, 10.0]


def stage(
    function: Callable[_Params, _Result], *, name: str, makes: str | None = None, takes: Sequence[str] = ()
) -> Task[_Params, _Result]:
    """A Prefect task that runs a stage's function.

    It has no cache and stores no result: what a stage does lies in Azure, not in its return value. It is repeated only
    after errors that say that trying again can help. Besides the function's parameters it takes a ``label``, which
    stands in the name of the task run.

    Args:
        function: the stage.
        name: what the Prefect UI shows.
        makes: key of the asset that is there when it is done; None for no asset.
        takes: keys of the assets of which that one is made.
    """
    options = TaskOptions(
        name=name,
        description=(function.__doc__ or "").strip().partition("\n")[0],
        task_run_name=_run_name(name),
        cache_policy=NO_CACHE,
        persist_result=False,
        retries=_RETRIES,
        retry_delay_seconds=_RETRY_DELAYS,
        retry_condition_fn=_can_help,
        asset_deps=list(takes),
    )
    if makes is not None:
        return MaterializingTask(_labelled(function), assets=[makes], **options)
    return Task(_labelled(function), **options)


def _labelled(function: Callable[_Params, _Result]) -> Callable[_Params, _Result]:
    @wraps(function)
    def run(*args: _Params.args, **kwargs: _Params.kwargs) -> _Result:
        kwargs.pop("label", None)
        return function(*args, **kwargs)

    own = signature(function)
    label = Parameter("label", Parameter.KEYWORD_ONLY, default=None, annotation=str | None)
    parameters = list(own.parameters.values())
    place = len(parameters) - (bool(parameters) and parameters[-1].kind is Parameter.VAR_KEYWORD)
    vars(run)["__signature__"] = own.replace(parameters=[*parameters[:place], label, *parameters[place:]])
    return run


def _run_name(name: str) -> Callable[[], str]:
    def run_name() -> str:
        label = task_run.parameters.get("label")
        return f"{name}: {label}" if label else name

    return run_name


def _can_help(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    error = state.result(raise_on_failure=False)
    return isinstance(error, BatchFlowError) and error.retryable
