"""The service as one ASGI application: state under one directory, engine, data plane and management plane."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware

from localbatch.driver.interface import Driver
from localbatch.engine.auto_storage import AutoStorage
from localbatch.engine.clock import Clock
from localbatch.engine.context import Context
from localbatch.engine.engine import Engine
from localbatch.routes import absent
from localbatch.routes.account import AccountRoutes
from localbatch.routes.auto_scale import AutoScaleRoutes
from localbatch.routes.batch import BatchRoute
from localbatch.routes.faults import FaultRoutes
from localbatch.routes.files import FileRoutes
from localbatch.routes.gate import Dated, Gate, Hosts
from localbatch.routes.jobs import JobRoutes
from localbatch.routes.management.route import ManagementRoute
from localbatch.routes.management.table import management_table
from localbatch.routes.node_commands import NodeCommandRoutes
from localbatch.routes.nodes import NodeRoutes
from localbatch.routes.pools import PoolRoutes
from localbatch.routes.schedules import JobScheduleRoutes
from localbatch.routes.status_page import PageRoute
from localbatch.routes.tasks import TaskRoutes
from localbatch.routes.usage import UsageRoutes
from localbatch.rules.auto_scale import Pace
from localbatch.rules.images import Image, Images
from localbatch.rules.quotas import Quotas
from localbatch.service.accounts import Accounts
from localbatch.service.authentication import Authentication
from localbatch.store.store import Store

STATE_FILE = "state.db"
NODES_DIRECTORY = "nodes"


@dataclass(frozen=True)
class Settings:
    """What a service is made of.

    Attributes:
        root: directory of state and nodes; it exists, and no other service uses it.
        mount: where commands see the directory tree of their node.
        key: the first key of all accounts, decoded.
        token_key: what bearer tokens are signed with.
        main_account: the account that exists from the start, for bearer tokens where the host names none.
        tokens: bearer tokens are accepted on the data plane too.
        storage_connection_string: of the linked storage account; None where there is no Blob service.
        allocation_seconds: how long a pool takes to get its nodes.
        start_seconds: how long a node takes to start.
        driver: what runs commands.
        clock: by what time all goes.
        host_names, allow_remote: by which names the service may be called, see ``Hosts``.
        quotas: what each account may have.
        images: images besides the known ones.
        echoes_mounts: file systems that can't be mounted are empty directories.
        autoscale_seconds: how often formulas are evaluated; None is as often as their pools say.
        preemptions_per_hour: how often each spot node is preempted, on average.
        preemption_seed: has the same nodes preempted again; None is by chance.
        page_token: what those must know who may see the status page.
    """

    root: Path
    mount: Path
    key: bytes = field(repr=False)
    token_key: bytes = field(repr=False)
    main_account: str
    storage_connection_string: str | None = field(repr=False)
    allocation_seconds: float
    start_seconds: float
    driver: Driver
    clock: Clock
    page_token: str = field(repr=False)
    quotas: Quotas = field(default_factory=Quotas)
    images: Sequence[Image] = ()
    echoes_mounts: bool = False
    tokens: bool = False
    autoscale_seconds: float | None = None
    host_names: Sequence[str] = ()
    allow_remote: bool = False
    preemptions_per_hour: float = 0.0
    preemption_seed: int | None = None


def create_app(settings: Settings) -> Starlette:
    """Makes the service. It begins to work, and ends every process it started, with the application's lifespan.

    Its state holds the ``accounts``.
    """
    storage = AutoStorage(settings.storage_connection_string) if settings.storage_connection_string else None
    store = Store(settings.root / STATE_FILE)
    context = Context(
        store=store,
        driver=settings.driver,
        clock=settings.clock,
        storage=storage,
        nodes_root=settings.root / NODES_DIRECTORY,
        mount=settings.mount,
        allocation_seconds=settings.allocation_seconds,
        start_seconds=settings.start_seconds,
        quotas=settings.quotas,
        images=Images(settings.images),
        echoes_mounts=settings.echoes_mounts,
        pace=Pace(settings.autoscale_seconds),
        preemptions_per_hour=settings.preemptions_per_hour,
        preemption_seed=settings.preemption_seed,
    )
    engine = Engine(context)
    accounts = Accounts(engine, settings.key, tokens=settings.tokens)
    if accounts.find(settings.main_account) is None:
        accounts.add(settings.main_account, None, {})

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        engine.start()
        accounts.go_on()
        try:
            yield
        finally:
            await engine.stop()
            store.close()
            if storage is not None:
                storage.close()

    groups = (
        PoolRoutes,
        AutoScaleRoutes,
        NodeRoutes,
        NodeCommandRoutes,
        JobRoutes,
        JobScheduleRoutes,
        TaskRoutes,
        FileRoutes,
        AccountRoutes,
        UsageRoutes,
        FaultRoutes,
    )
    operations = [row for group in groups for row in group(engine).table()] + absent.table()
    management = ManagementRoute(management_table(engine, accounts), settings.token_key)
    authentication = Authentication(accounts, settings.token_key, settings.main_account)
    gate = Middleware(Gate, hosts=Hosts(settings.host_names, settings.allow_remote), clock=settings.clock)
    dated = [Middleware(Dated, clock=settings.clock)] if settings.clock.ahead else []
    page = PageRoute(engine, settings.page_token)
    routes = [management, page, BatchRoute(operations, authentication, settings.clock)]
    app = Starlette(routes=routes, lifespan=lifespan, middleware=[*dated, gate])
    app.state.accounts = accounts
    return app
