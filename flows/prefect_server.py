"""A Prefect server for a run from the command line, where no other is configured."""

from collections.abc import Iterator
from contextlib import contextmanager

from prefect.client.base import ServerType
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    PREFECT_LOGGING_TO_API_ENABLED,
    get_current_settings,
    temporary_settings,
)

from prefect_azure_batch.flows.early_starts import take_server
from prefect_azure_batch.flows.server_process import ServerProcess
from prefect_azure_batch.tasks.errors import BatchFlowError

_own_urls: set[str] = set()


class PrefectServerError(BatchFlowError):
    """The Prefect server did not start, or does not answer."""


@contextmanager
def prefect_server() -> Iterator[None]:
    """Sees to it that there is a Prefect server: the one that is configured, else one for the life of the context.

    Raises:
        PrefectServerError: it did not start, or does not answer.
    """
    if url := get_current_settings().api.url:
        _check(url)
        yield
        return
    process = take_server() or ServerProcess()
    try:
        url = process.await_url()
        if url is None:
            raise PrefectServerError(f"Prefect's server did not start: {process.last_words()}")
        _own_urls.add(url)
        settings = {
            PREFECT_API_URL: url,
            # Log lines would still be on their way to the server when it ends, and complain.
            PREFECT_LOGGING_TO_API_ENABLED: False,
            # Nobody is there to miss signs of life when this process is gone; their end is waited for, up to a second.
            PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,
        }
        with temporary_settings(settings):
            yield
    finally:
        process.stop()


def _check(url: str) -> None:
    with get_client(sync_client=True) as client:
        error = client.api_healthcheck()
    if error is not None:
        raise PrefectServerError(
            f"No Prefect server answers at {url} ({type(error).__name__}): start it, or unset PREFECT_API_URL, also in "
            "Prefect's profile, for a temporary one."
        )


def is_temporary(client: SyncPrefectClient) -> bool:
    """Tells whether a client's server ends with this process."""
    return client.server_type is ServerType.EPHEMERAL or str(client.api_url).rstrip("/") in _own_urls


def has_lasting_server() -> bool:
    """Tells whether the server that is configured outlives this process."""
    url = get_current_settings().api.url
    return url is not None and url.rstrip("/") not in _own_urls
