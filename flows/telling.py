"""A run's result does not hang on Prefect: it is kept in this process until Prefect has been told of it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from prefect_azure_batch.flows.results import RunResult

_logger = logging.getLogger(__name__)
_kept: list[RunResult] = []


def keep_result(result: RunResult) -> None:
    """Keeps the result of the run that this process has just carried out."""
    _kept[:] = [result]


def kept_result() -> RunResult | None:
    """The result of the last run that this process has carried out; None if there was none."""
    return _kept[0] if _kept else None


@contextmanager
def telling_prefect(what: str) -> Iterator[None]:
    """Tells Prefect something that the run does not need; that it could not be told is one line in the log.

    Args:
        what: is told.
    """
    try:
        yield
    except httpx.HTTPError as error:
        _logger.warning("Prefect could not be told %s (%s).", what, type(error).__name__)
