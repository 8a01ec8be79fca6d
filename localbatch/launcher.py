"""Starts a local Azure for the life of its owner, or attaches to one that runs already.

The one module of this package that others import; everything else they reach over HTTP through the Azure SDKs.
"""

import collections
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import threading
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Self
from urllib.parse import urlsplit

from localbatch.fault_client import FaultRequests
from localbatch.wire.connection import MPI_FILE, PAGE_FILE, TOKEN_KEY_FILE, Endpoints, LocalAzureError

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.core.credentials_async import AsyncTokenCredential

__all__ = ["CONNECTION_VARIABLE", "Endpoints", "LocalAzure", "LocalAzureError"]

CONNECTION_VARIABLE = "LOCALBATCH_CONNECTION"
logger = logging.getLogger(__name__)

_PROGRESS = "localbatch: "
_COMPLAINT = "localbatch: error: "
_READY_SECONDS = 420.0  # the first start of all installs Azurite, which has a limit of its own
_STOP_SECONDS = 20.0
_CLEANUP_SECONDS = 5.0
_CONNECT_SECONDS = 5.0
_LINES_KEPT = 50


class LocalAzure(FaultRequests):
    """A Batch and a Blob service on this machine, for as long as the ``with`` block lasts.

    The services are a child process. It stops when the block is left, and also however else its owner ends,
    ``kill -9`` included. If the environment's LOCALBATCH_CONNECTION names a file that holds the line printed by
    ``python -m localbatch``, that running service is used instead and goes on running.

    Args:
        root: directory of state, nodes and blobs, kept at the end; None is a temporary one.
        storage: start a Blob service too.
        allocation_seconds: how long a pool takes to get its nodes.
        start_seconds: how long a node takes to start.
        driver: ``process`` runs tasks, ``simulated`` only pretends to.
        options: further options of ``python -m localbatch``.
        attach: use the service that LOCALBATCH_CONNECTION names, if it is set.
        ready_seconds: how long to wait for the service.
        wait: until it is ready; otherwise `wait` is to be called before anything else.

    Raises:
        LocalAzureError: it did not start, or nothing answers where LOCALBATCH_CONNECTION points.
    """

    def __init__(
        self,
        *,
        root: Path | None = None,
        storage: bool = True,
        allocation_seconds: float = 0.0,
        start_seconds: float = 0.0,
        driver: str = "process",
        options: tuple[str, ...] = (),
        attach: bool = True,
        ready_seconds: float = _READY_SECONDS,
        wait: bool = True,
    ) -> None:
        self._child: _Child | None = None
        self._ready_seconds = ready_seconds
        file = os.environ.get(CONNECTION_VARIABLE) if attach else None
        if file:
            self.endpoints = _attach(Path(file), storage)
            return
        arguments = [
            *("--port=0", "--stop-with-stdin", f"--driver={driver}"),
            *(f"--allocation-seconds={allocation_seconds}", f"--start-seconds={start_seconds}"),
            *(() if root is None else (f"--root={root}",)),
            *(() if storage else ("--no-storage",)),
            *options,
        ]
        self._child = _Child(arguments, temporary=root is None)
        if wait:
            self.wait()

    def wait(self) -> None:
        """Waits until the service is ready.

        Raises:
            LocalAzureError: it did not start.
        """
        if self._child is not None:
            self.endpoints = self._child.await_ready(self._ready_seconds)

    @property
    def attached(self) -> bool:
        """True if the service belongs to somebody else."""
        return self._child is None

    @property
    def mpi(self) -> str | None:
        """The MPI that the nodes have; None if it cannot be known."""
        try:
            return (Path(self.endpoints.root) / MPI_FILE).read_text().strip()
        except OSError:
            return None

    @property
    def status_page(self) -> str | None:
        """The link of the status page, with the token that lets its owner in; None if it cannot be known."""
        try:
            return (Path(self.endpoints.root) / PAGE_FILE).read_text().strip() or None
        except OSError:
            return None

    def management_credential(self) -> "TokenCredential":
        """Returns a credential for ``azure.mgmt.batch.BatchManagementClient`` on the local management plane.

        Calls over http need ``enforce_https=False``.

        Raises:
            LocalAzureError: the service belongs to somebody else, whose root directory can't be read.
        """
        return self.batch_credential()

    def batch_credential(self) -> "TokenCredential":
        """Returns a credential for ``azure.batch.BatchClient``, where the service was started with ``--tokens``.

        Calls over http need ``enforce_https=False``.

        Raises:
            LocalAzureError: the service belongs to somebody else, whose root directory can't be read.
        """
        from localbatch.credentials import LocalCredential

        return LocalCredential(self._token_key())

    def async_credential(self) -> "AsyncTokenCredential":
        """Returns the same for the clients in ``azure.batch.aio`` and ``azure.mgmt.batch.aio``.

        Raises:
            LocalAzureError: the service belongs to somebody else, whose root directory can't be read.
        """
        from localbatch.credentials import AsyncLocalCredential

        return AsyncLocalCredential(self._token_key())

    def _token_key(self) -> bytes:
        file = Path(self.endpoints.root) / TOKEN_KEY_FILE
        try:
            return bytes.fromhex(file.read_text().strip())
        except OSError as error:
            raise LocalAzureError(f"tokens are signed with {file}, which cannot be read: {error.strerror}") from error

    def stop(self) -> None:
        """Ends the services and every process they started; an attached service is left alone."""
        if self._child is not None:
            self._child.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _attach(file: Path, storage: bool) -> Endpoints:
    try:
        endpoints = Endpoints.from_line(file.read_bytes())
    except OSError as error:
        raise LocalAzureError(f"{CONNECTION_VARIABLE} names {file}, which cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise LocalAzureError(f"{CONNECTION_VARIABLE} names {file}: {error}") from error
    for address in (endpoints.batch_endpoint, *([endpoints.blob_endpoint] if storage else [])):
        _check_answer(address, file)
    return endpoints


def _check_answer(address: str, file: Path) -> None:
    if not address:
        raise LocalAzureError(f"the service of {CONNECTION_VARIABLE}={file} runs with --no-storage; start one without")
    parts = urlsplit(address)
    try:
        socket.create_connection((parts.hostname or "", parts.port or 0), _CONNECT_SECONDS).close()
    except OSError as error:
        raise LocalAzureError(
            f"nothing answers at {address}, named by {CONNECTION_VARIABLE}={file}: "
            "start `python -m localbatch` again, or unset the variable"
        ) from error


class _Child:
    """``python -m localbatch`` in a session of its own, with a pipe whose end tells it to stop."""

    def __init__(self, arguments: list[str], *, temporary: bool) -> None:
        self._temporary = temporary
        self._root: str | None = None
        self._expired = False
        self._ready = threading.Event()
        self._lines: collections.deque[str] = collections.deque(maxlen=_LINES_KEPT)
        self._stopping = threading.Lock()
        self._process = subprocess.Popen(
            # -P: a module in the owner's working directory must not stand in for one of ours.
            [sys.executable, "-P", "-m", "localbatch", *arguments],
            env=_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        # Also drains standard error for as long as the child lives, so that it is never blocked by a full pipe.
        self._reader = threading.Thread(target=self._read_errors, name="localbatch-stderr", daemon=True)
        self._reader.start()

    def await_ready(self, seconds: float) -> Endpoints:
        """Returns what the ready line says; if there is none, ends the child and says why."""
        timer = threading.Timer(seconds, self._expire)
        timer.daemon = True
        timer.start()
        try:
            line = _pipe(self._process.stdout).readline()
            if not line:
                raise LocalAzureError(self._explain(seconds))
            endpoints = Endpoints.from_line(line)
        except BaseException:
            self.stop()
            raise
        finally:
            timer.cancel()
        self._ready.set()
        self._root = endpoints.root
        return endpoints

    def stop(self) -> None:
        """Ends the child gently, then its whole group. Safe to call twice and from several threads."""
        with self._stopping:
            _pipe(self._process.stdin).close()
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._kill()
                self._process.wait()
            self._reader.join(_CLEANUP_SECONDS)
            _pipe(self._process.stdout).close()
            if self._temporary and self._root:
                # The child removes it, unless it was killed.
                shutil.rmtree(self._root, ignore_errors=True)

    def _expire(self) -> None:
        self._expired = True
        self._process.terminate()
        try:
            self._process.wait(_CLEANUP_SECONDS)
        except subprocess.TimeoutExpired:
            self._kill()

    def _kill(self) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)

    def _read_errors(self) -> None:
        with _pipe(self._process.stderr) as stream:
            for raw in stream:
                line = raw.decode(errors="replace").rstrip()
                self._lines.append(line)
                logger.log(logging.WARNING if " ERROR " in line else logging.DEBUG, "%s", line)
                if line.startswith(_PROGRESS) and not line.startswith(_COMPLAINT) and not self._ready.is_set():
                    sys.stderr.write(f"{line}\n")

    def _explain(self, seconds: float) -> str:
        if self._expired:
            return f"the local Azure was not ready after {seconds:.0f} s"
        self._process.wait()
        self._reader.join(_CLEANUP_SECONDS)
        last = next((line for line in reversed(self._lines) if line.strip()), "it said nothing")
        return f"the local Azure did not start: {last.removeprefix(_COMPLAINT)}"


def _environment() -> dict[str, str]:
    # The child must import the same localbatch as we do, also where the owner runs from a source tree.
    package_parent = str(Path(__file__).resolve().parent.parent)
    if package_parent == sysconfig.get_path("purelib"):
        return dict(os.environ)
    known = os.environ.get("PYTHONPATH")
    path = package_parent if not known else os.pathsep.join((package_parent, known))
    return os.environ | {"PYTHONPATH": path}


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise ValueError("the child was started without this pipe")
    return stream
