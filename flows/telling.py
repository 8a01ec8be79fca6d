"""A run's result does not hang on Prefect: it is kept in this process until Prefect has been told of it."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import httpx
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from prefect_azure_batch.flows.results import RunResult

_logger = logging.getLogger(__name__)
_kept: list[RunResult] = []
_away = threading.Event()


def keep_result(result: RunResult) -> None:
    """Keeps the result of the run that this process has just carried out."""
    _kept[:] = [result]


def kept_result() -> RunResult | None:
    """The result of the last run that this process has carried out; None if there was none."""
    return _kept[0] if _kept else None


def note_away() -> None:
    """Notes that Prefect could not be reached, with all the patience that its client has: once is enough."""
    _away.set()


def is_away() -> bool:
    """Whether Prefect could not be reached."""
    return _away.is_set()


@contextmanager
def telling_prefect(what: str) -> Iterator[None]:
    """Tells Prefect something that the run does not need; that it could not be told is one line in the log.

    Args:
        what: is told.
    """
    # Prefect makes all of its settings anew for that: as much work as the telling itself.
    patience = temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}) if _away.is_set() else nullcontext()
    try:
        with patience:
            yield
    except httpx.HTTPError as error:
        note_away()
        _logger.warning("Prefect could not be told %s (%s).", what, type(error).__name__)
