"""One SDK client per account and process; retries and time limits.

Clients are kept here and not in the blocks, which Prefect copies and pickles. They are found by value, so every copy
of a block gets the same client.
"""

import os
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar, cast

from azure.core.pipeline.transport import RequestsTransport

from prefect_azure_batch.blocks.endpoints import is_local
from prefect_azure_batch.blocks.patience import BatchRetry, BlobRetry, Patience
from prefect_azure_batch.blocks.session import ServiceSession

_MOST_KEPT = 64
_MOST_CONNECTIONS = 64
_CONNECT_SECONDS = 10
_LOCAL_CONNECT_SECONDS = 2
_READ_SECONDS = 60
# What a stream is read by; azure-core's 4 KiB cost more than the rest of a large download.
_DATA_BLOCK = 256 << 10
_PATIENCE = 60.0
_LOCAL_PATIENCE = 8.0

_Kept = TypeVar("_Kept")


class _Cache:
    """What was used last stays; safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._kept: OrderedDict[Hashable, object] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], _Kept]) -> _Kept:
        with self._lock:
            if key not in self._kept:
                self._kept[key] = make()
            self._kept.move_to_end(key)
            while len(self._kept) > _MOST_KEPT:
                self._kept.popitem(last=False)
            return cast(_Kept, self._kept[key])


_cache = _Cache()


def _forget() -> None:
    global _cache
    _cache = _Cache()


if sys.platform != "win32":
    # A forked process must share neither connections nor a lock that another thread held.
    os.register_at_fork(after_in_child=_forget)


def cached(key: Hashable, make: Callable[[], _Kept]) -> _Kept:
    """What was made for this key before, or what ``make`` makes now; ``make`` must not wait for anything.

    Args:
        key: tells what kind of thing it is and every value it is made from.
        make: makes it.
    """
    return _cache.get(key, make)


def shared_transport(endpoint: str) -> RequestsTransport:
    """A transport for a client that many threads share.

    A user's ``with client:`` does not close it for the others, and its connections suffice for many threads.

    Args:
        endpoint: address of the service.
    """
    session = ServiceSession(_MOST_CONNECTIONS)
    session.trust_env = not is_local(endpoint)  # a proxy cannot reach this machine's loopback
    return RequestsTransport(
        session=session,
        session_owner=False,
        connection_timeout=_LOCAL_CONNECT_SECONDS if is_local(endpoint) else _CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        connection_data_block_size=_DATA_BLOCK,
    )


def service_options(endpoint: str) -> dict[str, Any]:
    """Options of a Batch or management client: tries again as ``blocks.patience`` says.

    Args:
        endpoint: address of the service.
    """
    return {
        "transport": shared_transport(endpoint),
        "retry_policy": BatchRetry(_patience(endpoint), 0.15 if is_local(endpoint) else 0.8),
    }


def blob_options(endpoint: str) -> dict[str, Any]:
    """Options of a Blob client: tries again as ``blocks.patience`` says.

    Args:
        endpoint: address of the Blob service.
    """
    return {
        "transport": shared_transport(endpoint),
        "retry_policy": BlobRetry(_patience(endpoint), 0.5 if is_local(endpoint) else 1.0),
        # Larger pieces than the SDK's 4 MiB save a third of the time, and many threads at once still fit in memory.
        "max_single_put_size": 8 << 20,
        "max_block_size": 8 << 20,
        "max_single_get_size": 8 << 20,  # what follows comes several pieces at a time
        "max_chunk_get_size": 8 << 20,
    }


def _patience(endpoint: str) -> Patience:
    return Patience(_LOCAL_PATIENCE if is_local(endpoint) else _PATIENCE)
