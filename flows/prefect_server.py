"""A Prefect server for a run from the command line, where no other is configured.

Prefect starts a temporary server of its own in that case. That one outlives a run that is killed, and dies before it
when Ctrl-C reaches both. This one has a session of its own and ends when its owner does, however that ends; its
database is the same.
"""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from prefect.client.base import ServerType
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_LOGGING_TO_API_ENABLED,
    get_current_settings,
    temporary_settings,
)

from prefect_azure_batch.tasks.errors import BatchFlowError

_START_SECONDS = 180.0
_STOP_SECONDS = 10.0
_LOOK_AGAIN_SECONDS = 0.1

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
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "prefect_azure_batch.flows.prefect_server"],
            env=os.environ | {"PYTHONPATH": _path()},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
        try:
            url = _await_ready(process)
            if url is None:
                log.seek(0)
                last = (log.read().strip().splitlines() or ["it said nothing"])[-1]
                raise PrefectServerError(f"Prefect's server did not start: {last}")
            _own_urls.add(url)
            # Log lines would still be on their way to the server when it ends, and complain.
            with temporary_settings({PREFECT_API_URL: url, PREFECT_LOGGING_TO_API_ENABLED: False}):
                yield
        finally:
            _stop(process)


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


def _path() -> str:
    return os.pathsep.join([str(Path(__file__).resolve().parent.parent), os.environ.get("PYTHONPATH", "")]).rstrip(
        os.pathsep
    )


def _await_ready(process: "subprocess.Popen[bytes]") -> str | None:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        return None
    url = f"http://127.0.0.1:{json.loads(line)['port']}/api"
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if httpx.get(f"{url}/health", timeout=_START_SECONDS, trust_env=False).status_code == httpx.codes.OK:
                return url
        except httpx.TransportError:
            time.sleep(_LOOK_AGAIN_SECONDS)
    return None


def _stop(process: "subprocess.Popen[bytes]") -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()


def _serve() -> None:
    import uvicorn
    from prefect.server.api.server import create_app  # takes seconds, which the owner need not spend too

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        sys.stdout.write(json.dumps({"port": listener.getsockname()[1]}) + "\n")
        sys.stdout.flush()
        threading.Thread(target=_end_with_owner, daemon=True).start()
        config = uvicorn.Config(create_app(ephemeral=True, final=True), log_level="error", lifespan="on")
        asyncio.run(uvicorn.Server(config).serve(sockets=[listener]))


def _end_with_owner() -> None:
    sys.stdin.buffer.read()  # ends when the owner closes the pipe, or is gone
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_STOP_SECONDS)
    os._exit(1)


if __name__ == "__main__":
    _serve()
