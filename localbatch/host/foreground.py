"""Runs the service and its Blob service until it is told to stop, and leaves nothing running."""

import asyncio
import base64
import contextlib
import importlib
import importlib.util
import logging
import os
import random
import re
import secrets
import select
import shutil
import signal
import socket
import ssl
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn

from localbatch.host.azurite import DEFAULT_ACCOUNT as DEFAULT_STORAGE_ACCOUNT
from localbatch.host.azurite import Azurite, StorageOptions, connection_string
from localbatch.host.azurite_cache import AzuriteError
from localbatch.host.ending import ENDING, Stopped
from localbatch.host.faults import FaultPlan
from localbatch.host.mpi_runtime import MPICH, MpiError, node_image
from localbatch.host.relay import relaying, serve_behind
from localbatch.host.serving import Unsignalled, bind, plain_http
from localbatch.rules.images import Image
from localbatch.rules.quotas import Quotas
from localbatch.store.root import Identity, RootDirectory, RootError, open_root
from localbatch.wire.connection import MPI_FILE, Endpoints

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from localbatch.driver.interface import Driver
    from localbatch.engine.clock import Clock
    from localbatch.rules.simulation import Simulation

DEFAULT_ACCOUNT = "localbatch"
FAILED = 1
BAD_OPTION = 2
_KEY_BYTES = 64
_TOKEN_BYTES = 24
# Launchers of MPI put paths into lines of shell as they are: on a node, there must be nothing to quote in them.
_PLAIN = re.compile(r"[A-Za-z0-9_./+-]+")
_MOUNT = Path("mnt", "batch", "tasks")
_BLOBS = "blobs"
_USUAL_PLACES = ("/tmp", "/var/tmp")  # noqa: S108 - a directory that nobody else can enter is made there
# All addresses of this machine, and the one by which it reaches itself.
_OWN = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104
# What the service needs of the extra ``local``, by the modules that are imported.
_PACKAGES = {"jwt": "PyJWT", "psutil": "psutil", "starlette": "starlette"}
_OWNER_CHECK_SECONDS = 1.0

_REMOTE_WARNING = (
    "localbatch: WARNING: --allow-remote lets other machines call this service. Whoever has its key runs programs here "
    "as you do. Give it a certificate (--certfile): without one, anybody on the way reads and changes what is sent.\n"
)

logger = logging.getLogger("localbatch")


@dataclass(frozen=True)
class Options:
    """What the command line says; None is what it leaves open.

    Attributes:
        allow_remote: other machines may call, if ``host`` is an address that they reach.
        host_name: further names by which it may be called.
        key: base64.
        root: None is a temporary directory.
        allocation_seconds: how long a pool takes to get its nodes.
        start_seconds: how long a node takes to start.
        preemptions_per_hour: how often each spot node is preempted, on average.
        preemption_seed: has the same nodes preempted again.
        mpi: the MPI that the nodes have.
        autoscale_seconds: how often formulas are evaluated; None is as often as their pools say.
        mounts: ``real``, or ``echo``: file systems that can't be mounted are empty directories.
        image: images besides the known ones.
        pool_quota, job_quota, dedicated_core_quota, low_priority_core_quota: what each account may have.
        family_core_quota: pairs of VM family and number of cores.
        task_seconds: how long each task takes with the driver ``simulated``.
        tokens: bearer tokens are accepted on the data plane too.
        stop_with_stdin: stop when standard input is closed or the parent process ends.
        fault, blob_fault: pairs of a fault of Batch, or of the Blob service, and how often it strikes.
        fault_seed: has the same faults strike again.
        latency_ms: by how much each answer is late.
        clock_ahead_seconds: by how much the clock of Batch is ahead of this machine's.
        simulation: what simulated nodes and tasks do, and how fast time goes for them.
    """

    host: str = "127.0.0.1"
    allow_remote: bool = False
    host_name: Sequence[str] = ()
    port: int = 0
    account: str | None = None
    key: str | None = field(default=None, repr=False)
    root: Path | None = None
    certfile: Path | None = None
    keyfile: Path | None = None
    storage: bool = True
    allocation_seconds: float = 0.0
    start_seconds: float = 0.0
    preemptions_per_hour: float = 0.0
    preemption_seed: int | None = None
    driver: str = "process"
    mpi: str = MPICH
    autoscale_seconds: float | None = None
    image: Sequence[Image] = ()
    mounts: str = "real"
    pool_quota: int | None = None
    job_quota: int | None = None
    dedicated_core_quota: int | None = None
    low_priority_core_quota: int | None = None
    family_core_quota: Sequence[tuple[str, int]] = ()
    task_seconds: float = 0.0
    tokens: bool = False
    stop_with_stdin: bool = False
    fault: Sequence[tuple[str, float]] = ()
    blob_fault: Sequence[tuple[str, float]] = ()
    fault_seed: int | None = None
    latency_ms: float = 0.0
    clock_ahead_seconds: float = 0.0
    simulation: "Simulation | None" = None


class OptionError(Exception):
    """An option cannot be met; the message is one line that says why."""


def run(options: Options) -> int:
    """Runs the local Azure until a signal ends it.

    Returns:
        The exit status: 0 after SIGTERM or SIGINT, 1 if something failed, 2 if an option cannot be met.
    """
    _configure_logging()
    if options.allow_remote and sys.stderr is not None:
        sys.stderr.write(_REMOTE_WARNING)
    ENDING.listen()
    if sys.stdout is None:
        return _complain(OptionError("standard output, which says how to reach the service, is closed"), BAD_OPTION)
    if options.stop_with_stdin:
        threading.Thread(target=_stop_with_owner, args=(os.getppid(),), daemon=True).start()
    try:
        _check_packages()
        _check_certificate(options)
        with open_root(options.root) as root, _listen(options, root) as listener:
            return _run_services(options, root, listener)
    except Stopped:
        return 0
    except (OptionError, RootError) as error:
        return _complain(error, BAD_OPTION)
    except (AzuriteError, MpiError) as error:
        return _complain(error, FAILED)


class _Server(Unsignalled):
    """The service, and a look at its Azurite."""

    def __init__(self, config: uvicorn.Config, azurite: Azurite | None, on_started: Callable[[], None]) -> None:
        super().__init__(config)
        self._azurite = azurite
        self._on_started = on_started
        self.exit_status = 0

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts as usual, then tells that it listens."""
        await super().startup(sockets)
        if self.should_exit or ENDING.requested:
            return
        try:
            self._on_started()
        except OSError as error:
            logger.error("how to reach the service cannot be told (%s); stopping", error.strerror)
            self.should_exit, self.exit_status = True, FAILED

    async def on_tick(self, counter: int) -> bool:
        """Ends when a signal asks for it, or when Azurite has ended and cannot go on, for without it nothing runs."""
        if ENDING.requested:
            return True
        if self._azurite is not None and (status := self._azurite.poll()) is not None:
            logger.error("Azurite ended with status %s", status)
            try:
                await asyncio.to_thread(self._azurite.restart)
            except (AzuriteError, Stopped) as error:
                logger.error("Blobs cannot be reached any more, stopping: %s", error)
                self.exit_status = FAILED
                return True
            logger.warning("Azurite was started again, with the blobs that it had")
        return await super().on_tick(counter)


def _run_services(options: Options, root: RootDirectory, listener: socket.socket) -> int:
    # Importing the service takes about as long as starting Azurite.
    threading.Thread(target=importlib.import_module, args=("localbatch.server",), daemon=True).start()
    identity = _identify(options, root.read_identity())
    with contextlib.ExitStack() as stack:
        azurite = _start_storage(identity, options, root, stack) if options.storage else None
        port = listener.getsockname()[1]
        identity = replace(identity, batch_port=port, blob_port=azurite.port if azurite else identity.blob_port)
        root.write_identity(identity)
        page_token = secrets.token_urlsafe(_TOKEN_BYTES)
        app = _make_app(options, root, page_token, _plain_directory(root, stack) / _MOUNT, identity, azurite)
        if options.key:
            app.state.accounts.reset_key(identity.account)
        # A key that was regenerated is the account's, and no longer the one that the service was started with.
        key, _ = app.state.accounts.keys(identity.account)
        plan = _fault_plan(options, options.blob_fault)
        relay = stack.enter_context(relaying(azurite.service_endpoint, plan)) if azurite and plan else None
        blob_endpoint = (
            f"{relay.origin}/{azurite.account}" if azurite and relay else azurite.blob_endpoint if azurite else ""
        )
        endpoints = _describe(options, replace(identity, key=key), azurite, root, blob_endpoint)
        config = _configure(options, app)
        server = _Server(config, azurite, lambda: _announce(root, endpoints, options.mpi, page_token))
        ENDING.check()
        asyncio.run(serve_behind(server, listener, relay))
        return server.exit_status


def _fault_plan(options: Options, faults: Sequence[tuple[str, float]]) -> FaultPlan:
    return FaultPlan(dict(faults), options.latency_ms / 1000, random.Random(options.fault_seed))  # noqa: S311


def _plain_directory(root: RootDirectory, stack: contextlib.ExitStack) -> Path:
    """Returns a directory whose path holds nothing to quote: the root, or a temporary one beside it."""
    if _PLAIN.fullmatch(str(root.path)):
        return root.path
    for parent in (tempfile.gettempdir(), *_USUAL_PLACES):
        if _PLAIN.fullmatch(str(Path(parent).resolve())) and os.access(parent, os.W_OK | os.X_OK):
            return stack.enter_context(open_root(None, parent)).path
    logger.warning("There is no directory for temporary files without blanks in its path; MPI may not find its way")
    return root.path


def _check_packages() -> None:
    missing = [package for module, package in _PACKAGES.items() if importlib.util.find_spec(module) is None]
    if missing:
        raise OptionError(f"Python packages are missing: install those of the extra `local` ({', '.join(missing)})")


def _check_certificate(options: Options) -> None:
    if options.certfile is None:
        return
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(options.certfile, options.keyfile)
    except OSError as error:
        files = f"{options.certfile} and {options.keyfile}"
        raise OptionError(f"{files} are not a certificate and its key: {error}") from error


def _identify(options: Options, former: Identity | None) -> Identity:
    """Decides names and keys: what is asked for, else what it was the last time, else something new."""
    known = former or Identity(DEFAULT_ACCOUNT, _make_key(), DEFAULT_STORAGE_ACCOUNT, _make_key())
    return replace(known, account=options.account or known.account, key=options.key or known.key)


def _make_key() -> str:
    return base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()


def _start_storage(identity: Identity, options: Options, root: RootDirectory, stack: contextlib.ExitStack) -> Azurite:
    storage = StorageOptions(
        account=identity.storage_account,
        key=identity.storage_key,
        location=root.private_directory(_BLOBS),
        durable=options.root is not None,
        port=_free_or_any("127.0.0.1", identity.blob_port),
        inherited=(root.lock,),
    )
    return stack.enter_context(Azurite(storage))


def _free_or_any(host: str, port: int) -> int:
    """Returns the port if nobody listens there, else 0: links made before a restart go on working where possible."""
    with contextlib.suppress(OSError), bind(host, port):
        return port
    return 0


@contextlib.contextmanager
def _listen(options: Options, root: RootDirectory) -> Iterator[socket.socket]:
    former = root.read_identity()
    port = options.port or _free_or_any(options.host, former.batch_port if former else 0)
    try:
        listener = bind(options.host, port)
    except OSError as error:
        raise OptionError(f"cannot listen on {options.host} port {port}: {error.strerror}") from error
    with listener:
        yield listener


def _describe(
    options: Options, identity: Identity, azurite: Azurite | None, root: RootDirectory, blob_endpoint: str
) -> Endpoints:
    scheme = "https" if options.certfile else "http"
    host = _OWN.get(options.host, options.host)
    host = f"[{host}]" if ":" in host else host
    return Endpoints(
        batch_endpoint=f"{scheme}://{host}:{identity.batch_port}",
        batch_account=identity.account,
        batch_key=identity.key,
        blob_endpoint=blob_endpoint,
        storage_account=azurite.account if azurite else "",
        storage_key=azurite.key if azurite else "",
        storage_connection_string=(connection_string(azurite.account, azurite.key, blob_endpoint) if azurite else ""),
        root=str(root.path),
        pid=os.getpid(),
    )


def _make_app(
    options: Options, root: RootDirectory, page_token: str, mount: Path, identity: Identity, azurite: Azurite | None
) -> "Starlette":
    from localbatch.server import NODES_DIRECTORY, Settings, create_app

    root.private_directory(NODES_DIRECTORY)

    # What a service that was killed has left there; nothing of it runs any more, or the root would not be ours.
    shutil.rmtree(mount.parent, ignore_errors=True)
    clock, simulation = _make_clock(options, root), options.simulation
    settings = Settings(
        root=root.path,
        mount=mount,
        key=base64.b64decode(identity.key),
        token_key=root.token_key(),
        main_account=identity.account,
        storage_connection_string=azurite.connection_string if azurite else None,
        allocation_seconds=simulation.allocation if simulation else options.allocation_seconds,
        start_seconds=options.start_seconds,
        driver=_make_driver(options, root, clock),
        clock=clock,
        page_token=page_token,
        quotas=_make_quotas(options),
        images=options.image,
        echoes_mounts=options.mounts == "echo",
        tokens=options.tokens,
        autoscale_seconds=options.autoscale_seconds,
        host_names=options.host_name,
        allow_remote=options.allow_remote,
        preemptions_per_hour=simulation.preemptions if simulation else options.preemptions_per_hour,
        preemption_seed=simulation.seed if simulation else options.preemption_seed,
    )
    return create_app(settings)


def _configure(options: Options, app: "Starlette") -> uvicorn.Config:
    return uvicorn.Config(
        app,
        lifespan="on",
        ssl_certfile=options.certfile,
        ssl_keyfile=options.keyfile,
        date_header=not options.clock_ahead_seconds,  # the service has a clock of its own then
        **plain_http(_fault_plan(options, options.fault)),
    )


def _make_clock(options: Options, root: RootDirectory) -> "Clock":
    """Makes the service's clock, which goes on from where a faster one has left off."""
    from localbatch.engine.clock import Clock

    ahead, speed = timedelta(seconds=options.clock_ahead_seconds), options.simulation.speed if options.simulation else 1
    former = root.read_clock()
    clock = Clock(ahead, speed, Clock.from_description(former).now() if former else None)
    if former or speed != 1:
        root.write_clock(clock.describe())
    return clock


def _make_driver(options: Options, root: RootDirectory, clock: "Clock") -> "Driver":
    if options.driver == "simulated":
        from localbatch.driver.simulated import SimulatedDriver
        from localbatch.rules.simulation import Distribution, Simulation

        always = Simulation(duration=Distribution("fixed", (options.task_seconds,)))
        return SimulatedDriver(clock, options.simulation or always)
    from localbatch.driver.process import ProcessDriver

    return ProcessDriver(inherited=(root.lock,), image=node_image(options.mpi))


def _make_quotas(options: Options) -> Quotas:
    return Quotas(
        pools=options.pool_quota,
        active_jobs=options.job_quota,
        dedicated_cores=options.dedicated_core_quota,
        low_priority_cores=options.low_priority_core_quota,
        family_cores=dict(options.family_core_quota),
    )


def _announce(root: RootDirectory, endpoints: Endpoints, mpi: str, page_token: str) -> None:
    # Browsers don't send what stands behind the hash; only the page's own script reads it.
    page = f"{endpoints.batch_endpoint}/#{page_token}"
    root.write_page(page)
    (root.path / MPI_FILE).write_text(f"{mpi}\n")
    line = endpoints.to_line()
    root.write_connection(line)
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
    logger.info("Batch: %s, account %s", endpoints.batch_endpoint, endpoints.batch_account)
    logger.info("Blob: %s", endpoints.blob_endpoint or "none")
    logger.info("Status page: %s (the link is in %s, too)", page, root.page_file)
    logger.info("flows and tests use it with LOCALBATCH_CONNECTION=%s", root.connection_file)


def _stop_with_owner(parent: int) -> None:
    """Stops this process when its standard input ends, or its parent did (a fork may hold the other end open)."""
    while os.getppid() == parent:
        readable, _, _ = select.select([0], [], [], _OWNER_CHECK_SECONDS)
        if readable and not os.read(0, 4096):
            break
    os.kill(os.getpid(), signal.SIGTERM)


def _configure_logging() -> None:
    # The root stays at WARNING: HTTP clients log links at INFO, and links carry signatures.
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logger.setLevel(logging.INFO)


def _complain(error: Exception, status: int) -> int:
    if sys.stderr is not None:
        sys.stderr.write(f"localbatch: error: {error}\n")
    return status
