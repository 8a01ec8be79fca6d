"""Azurite as a child process: the local Blob service, with an account name and a key of its own."""

import json
import os
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from localbatch.host.azurite_cache import MANIFEST, AzuriteError, ensure_installed, identify, node_program
from localbatch.host.ending import ENDING

DEFAULT_ACCOUNT = "localstorage"
_DAMAGED_INSTALLATION = 3
_COLLECT_SECONDS = 60
_STOP_SECONDS = 15.0
_LONGEST_ERROR = 500
# One that ends sooner would end again and again.
_LEAST_LIFE_SECONDS = 3.0
_LEAST_HEAP = 2048


@dataclass(frozen=True)
class StorageOptions:
    """How Azurite is to be started.

    Attributes:
        key: account key, base64. It reaches Azurite through its environment and stands in no command line.
        location: directory of the blobs; None keeps them in memory. On disk, memory stays flat however large the
            blobs are (in memory 1 GiB of blobs takes 1.2 GiB), at about half the rate of small writes.
        durable: write the list of blobs to the disk every second and at the end. Without it ``location`` holds
            nothing that can be read after a stop, which is right for a directory that is removed then.
        port: 0 takes a free one.
        inherited: file descriptors it is to keep open as long as it runs, such as that of a lock.
        start_seconds: how long to wait for it to be ready.
    """

    account: str
    key: str = field(repr=False)
    location: Path | None = None
    durable: bool = False
    port: int = 0
    inherited: tuple[int, ...] = ()
    start_seconds: float = 60.0


class Azurite:
    """A running Azurite; used as a context manager, or ended by ``stop``.

    It dies with its owner, ``kill -9`` included, for it ends when its standard input is closed.

    Args:
        options: see StorageOptions.

    Raises:
        AzuriteError: it could not be installed or started.
    """

    def __init__(self, options: StorageOptions) -> None:
        self.account = options.account
        self.key = options.key
        self._options = options
        self._start()

    @property
    def pid(self) -> int:
        """Process id of Node.js."""
        return self._process.pid

    @property
    def port(self) -> int:
        """Port on 127.0.0.1."""
        return int(self.service_endpoint.rsplit(":", 1)[1])

    @property
    def blob_endpoint(self) -> str:
        """``http://127.0.0.1:PORT/ACCOUNT``, the ``account_url`` of ``azure.storage.blob`` clients."""
        return f"{self.service_endpoint}/{self.account}"

    @property
    def connection_string(self) -> str:
        """Connection string of the account, with its key."""
        return connection_string(self.account, self.key, self.blob_endpoint)

    def poll(self) -> int | None:
        """Returns the exit status once it has ended, else None."""
        return self._process.poll()

    def restart(self) -> None:
        """Starts it again at the same port, when it has ended by itself; a durable one has its blobs.

        Raises:
            AzuriteError: its blobs are lost, it had only just begun, or it could not be started.
        """
        if not self._options.durable or time.monotonic() - self._begun < _LEAST_LIFE_SECONDS:
            raise AzuriteError("Azurite ended by itself.")
        self.stop()
        self._options = replace(self._options, port=self.port)
        self._start()

    def _start(self) -> None:
        self._begun = time.monotonic()
        installation = ensure_installed()
        identity = identify(installation)
        try:
            self._process, self.service_endpoint = _start(self._options, installation)
        except _DamagedInstallation:
            self._process, self.service_endpoint = _start(self._options, ensure_installed(damaged=identity))

    def stop(self) -> None:
        """Ends it gently, which saves the list of blobs, then hard. Calling it again does nothing."""
        stop_child(self._process, _STOP_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class _DamagedInstallation(AzuriteError):
    """Node.js could not load Azurite's files."""


def connection_string(account: str, key: str, blob_endpoint: str) -> str:
    """Returns the connection string that Azure's tools and SDKs read."""
    scheme = blob_endpoint.split(":", 1)[0]
    return f"DefaultEndpointsProtocol={scheme};AccountName={account};AccountKey={key};BlobEndpoint={blob_endpoint};"


def stop_child(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Ends a child that stops when its standard input is closed and leads a session of its own.

    Args:
        process: the child, started with a pipe on its standard input.
        seconds: how long it may take before its whole group is killed.
    """
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()


def _start(options: StorageOptions, installation: Path) -> tuple[subprocess.Popen[bytes], str]:
    order: dict[str, object] = {
        "installation": str(installation),
        "location": None if options.location is None else str(options.location),
        "port": options.port,
        "saveSeconds": 1 if options.durable else None,
        "collectSeconds": _COLLECT_SECONDS,
    }
    # A file, for nobody reads on after the start and a full pipe would block it.
    with tempfile.TemporaryFile() as complaints:
        return _spawn(order, options, installation, complaints)


def _spawn(
    order: dict[str, object], options: StorageOptions, installation: Path, complaints: IO[bytes]
) -> tuple[subprocess.Popen[bytes], str]:
    process = subprocess.Popen(
        [node_program(), f"--max-old-space-size={_most_heap()}", MANIFEST / "serve.cjs", json.dumps(order)],
        env=_environment(options, installation),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=complaints,
        pass_fds=options.inherited,
        start_new_session=True,
    )
    try:
        return process, _await_ready(process, complaints, options.start_seconds)
    except BaseException:
        stop_child(process, 0)
        raise


def _most_heap() -> int:
    """MiB that Node.js may take: its own limit is low for a list of two million blobs, which a million tasks leave."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    return max(_LEAST_HEAP, memory // 2)


def _environment(options: StorageOptions, installation: Path) -> dict[str, str]:
    # Nothing of the caller's environment but what programs need to run: it may hold secrets, or settings of Azurite.
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return kept | {
        "AZURITE_ACCOUNTS": f"{options.account}:{options.key}",
        "NODE_COMPILE_CACHE": str(installation / "compiled"),
    }


def _await_ready(process: subprocess.Popen[bytes], complaints: IO[bytes], seconds: float) -> str:
    assert process.stdout is not None
    line = read_line(process.stdout, seconds)
    if line is None:
        raise AzuriteError(f"Azurite was not ready after {seconds:.0f} s; stop what keeps this machine busy and retry.")
    if line:
        return str(json.loads(line)["endpoint"])
    status = process.wait()
    complaints.seek(0)
    said = complaints.read().decode(errors="replace").strip().splitlines()
    last = said[-1][:_LONGEST_ERROR] if said else f"it ended with status {status}"
    if status == _DAMAGED_INSTALLATION:
        raise _DamagedInstallation(f"Azurite's installation is damaged and could not be repaired: {last}")
    raise AzuriteError(f"Azurite did not start: {last}")


def read_line(stream: IO[bytes], seconds: float) -> bytes | None:
    """Reads one line of a child's output; b"" is its end, None that nothing whole came in time."""
    deadline = time.monotonic() + seconds
    line = b""
    while not line.endswith(b"\n"):
        if not ENDING.wait(deadline - time.monotonic(), stream):
            return None
        piece = os.read(stream.fileno(), 65536)
        if not piece:
            return b""
        line += piece
    return line
