"""How the servers of this process are set up: their sockets, their connections, and who hears signals."""

import contextlib
import functools
import socket
from collections.abc import Iterator
from typing import Any

import uvicorn

from localbatch.host.connections import BoundedProtocol
from localbatch.host.faults import FaultPlan, FaultyProtocol

# Clients keep connections for as long as they like; closing one they are about to use costs them a retry.
_KEEP_ALIVE_SECONDS = 600
_GRACE_SECONDS = 3


class Unsignalled(uvicorn.Server):
    """Uvicorn without its own signal handlers, which would end the process before the clean-up."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves the signals alone."""
        yield


def bind(host: str, port: int) -> socket.socket:
    """Takes a port for a server of asyncio.

    Raises:
        OSError: the address is not to be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Asyncio tells by the protocol's number whether it may send small answers without waiting for acknowledgements.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    return bound


def plain_http(plan: FaultPlan) -> dict[str, Any]:
    """Options of a server of uvicorn, whose answers come as the plan has it."""
    return {
        "http": functools.partial(FaultyProtocol, plan=plan) if plan else BoundedProtocol,
        "ws": "none",
        "log_config": None,
        "access_log": False,
        "proxy_headers": False,
        "server_header": False,
        "timeout_keep_alive": _KEEP_ALIVE_SECONDS,
        "timeout_graceful_shutdown": _GRACE_SECONDS,
    }
