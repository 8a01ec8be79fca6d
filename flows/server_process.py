"""The process of a Prefect server that ends with its owner; what starts it need not have imported Prefect.

Prefect starts a temporary server of its own where none is configured. That one outlives a run that is killed, and dies
before it when Ctrl-C reaches both. This one has a session of its own and ends when its owner does, however that ends;
its database is the same.
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
from pathlib import Path

from prefect_azure_batch.flows.collector import resting_collector

# Whoever saves a block writes down its type. A server that stays does so for all there are, and imports the packages
# that have some, as this one, to see whether they have changed.
_UNREGISTERED = {
    "PREFECT_SERVER_REGISTER_BLOCKS_ON_START": "false",
    "PREFECT_SERVER_MEMOIZE_BLOCK_AUTO_REGISTRATION": "false",
}

_START_SECONDS = 180.0
_STOP_SECONDS = 10.0


class ServerProcess:
    """A Prefect server in a child process, which begins to start at once."""

    def __init__(self) -> None:
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed by stop
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "prefect_azure_batch.flows.server_process"],
                env=_UNREGISTERED | os.environ | {"PYTHONPATH": _path()},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                start_new_session=True,
            )
        except BaseException:
            self._log.close()
            raise

    def await_url(self) -> str | None:
        """Address of its API, once it answers; None if it does not come so far."""
        assert self._process.stdout is not None
        import httpx  # Prefect needs it, too; who starts this process need not wait for that

        line = self._process.stdout.readline()
        if not line:
            return None
        url = f"http://127.0.0.1:{json.loads(line)['port']}/api"
        try:  # its port takes the request already, and it answers when it can, or ends
            answer = httpx.get(f"{url}/health", timeout=_START_SECONDS, trust_env=False)
        except httpx.TransportError:
            return None
        return url if answer.status_code == httpx.codes.OK else None

    def last_words(self) -> str:
        """The last line that it has said."""
        self._log.seek(0)
        return (self._log.read().strip().splitlines() or ["it said nothing"])[-1]

    def stop(self) -> None:
        """Ends it. Safe to call twice."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._log.close()


def _path() -> str:
    return os.pathsep.join([str(Path(__file__).resolve().parent.parent), os.environ.get("PYTHONPATH", "")]).rstrip(
        os.pathsep
    )


def _serve() -> None:
    threading.Thread(target=_end_with_owner, daemon=True).start()
    with resting_collector():
        import uvicorn
        from prefect.server.api.server import create_app  # takes seconds, which the owner need not spend too

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        sys.stdout.write(json.dumps({"port": listener.getsockname()[1]}) + "\n")
        sys.stdout.flush()
        config = uvicorn.Config(create_app(ephemeral=True, final=True), log_level="error", lifespan="on")
        asyncio.run(uvicorn.Server(config).serve(sockets=[listener]))


def _end_with_owner() -> None:
    sys.stdin.buffer.read()  # ends when the owner closes the pipe, or is gone
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_STOP_SECONDS)
    os._exit(1)


if __name__ == "__main__":
    _serve()
